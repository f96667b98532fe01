//! The models that a run's steps train: one, or several that differ in their seed.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor, nn};

use super::TrainError;
use super::checkpoint::parameters;
use super::config::ModelConfig;
use super::network::Network;
use super::weights::Tensors;
use crate::corpus::Modality;
use crate::model::Form;
use crate::model::contract::{At, Batch, Losses, Outputs, Pass};

/// One model, or several of one configuration with stacked parameters, so that each operation serves
/// all.
#[derive(Debug)]
pub(super) enum Models {
    One {
        /// Its parameters.
        vars: nn::VarStore,
        network: Box<Network>,
    },
    Stacked {
        /// Every parameter of all models, `[seed, ..]`.
        parameters: Tensors,
        /// All models at once.
        network: Box<Network>,
        n_models: i64,
    },
}

impl Models {
    /// Initialised models, one per seed; several are stacked in the batched form. `prepare` makes the
    /// final changes to each model's parameters.
    pub(super) fn new(
        config: &ModelConfig,
        form: Form,
        seeds: &[u64],
        device: Device,
        mut prepare: impl FnMut(&nn::VarStore) -> Result<(), TrainError>,
    ) -> Result<Models, TrainError> {
        let mut one = |seed| {
            let vars = nn::VarStore::new(device);
            let network = Box::new(Network::new(&vars, config, form, seed));
            prepare(&vars)?;
            Ok::<_, TrainError>((vars, network))
        };
        if let [seed] = *seeds {
            let (vars, network) = one(seed)?;
            return Ok(Models::One { vars, network });
        }
        let each = seeds.iter().map(|seed| Ok(parameters(&one(*seed)?.0)));
        let each = each.collect::<Result<Vec<Tensors>, TrainError>>()?;
        let names = each.iter().flat_map(Tensors::keys);
        let stacked = names.map(|name| {
            let of_all: Vec<Tensor> = each.iter().map(|tensors| tensors[name].detach()).collect();
            let is_trained = each.iter().all(|tensors| tensors[name].requires_grad());
            (name.clone(), Tensor::stack(&of_all, 0).set_requires_grad(is_trained))
        });
        let parameters: Tensors = stacked.collect();
        let network = Box::new(Network::given(&parameters, config, form));
        Ok(Models::Stacked { network, parameters, n_models: seeds.len() as i64 })
    }

    /// All parameters; for several models, `[seed, ..]`.
    pub(super) fn parameters(&self) -> Tensors {
        match self {
            Models::One { vars, .. } => parameters(vars),
            Models::Stacked { parameters, .. } => {
                parameters.iter().map(|(name, all)| (name.clone(), all.shallow_clone())).collect()
            }
        }
    }

    /// One model's parameters.
    pub(super) fn parameters_of(&self, idx: usize) -> Tensors {
        match self {
            Models::One { vars, .. } => parameters(vars),
            Models::Stacked { parameters, .. } => {
                let own = |all: &Tensor| all.detach().get(idx as i64);
                parameters.iter().map(|(name, all)| (name.clone(), own(all))).collect()
            }
        }
    }

    /// The models' outputs for a batch. With several models, the batch holds equally many samples per
    /// model, one model after another, and all outputs have a leading axis of models.
    pub(super) fn forward(
        &self,
        batch: &Batch,
        trains_encoder: bool,
        pass: &mut Pass<'_>,
    ) -> Result<Outputs, TrainError> {
        match self {
            Models::One { network, .. } => network.forward(batch, trains_encoder, pass),
            Models::Stacked { network, n_models, .. } => {
                network.forward(&by_model_all(batch, *n_models), false, pass)
            }
        }
    }

    /// Each model's loss in a phase, with its terms, and each model's sum of absolute errors,
    /// `[n_models]`.
    pub(super) fn losses(
        &self,
        at: At<'_>,
        outputs: &Outputs,
        batch: &Batch,
    ) -> (Vec<Losses>, Tensor) {
        let errors = |outputs: &Outputs, batch: &Batch| {
            (outputs.pred.detach() - &batch.target).abs().sum(Kind::Float)
        };
        match self {
            Models::One { network, .. } => {
                let losses = network.loss(at, outputs, batch);
                (vec![losses], errors(outputs, batch).view([1]))
            }
            Models::Stacked { network, n_models, .. } => {
                let batch = by_model_all(batch, *n_models);
                let of_model = |idx| {
                    let own = |all: &Tensor| all.get(idx);
                    let outputs = Outputs {
                        pred: own(&outputs.pred),
                        parts: outputs
                            .parts
                            .iter()
                            .map(|(name, part)| (*name, own(part)))
                            .collect(),
                    };
                    let batch = map(&batch, own);
                    (network.loss(at, &outputs, &batch), errors(&outputs, &batch))
                };
                let (losses, errors): (Vec<Losses>, Vec<Tensor>) =
                    (0..*n_models).map(of_model).unzip();
                (losses, Tensor::stack(&errors, 0))
            }
        }
    }

    /// The only model, which steps can change besides its parameters; `None` if there are several.
    pub(super) fn only(&mut self) -> Option<&mut Network> {
        match self {
            Models::One { network, .. } => Some(network),
            Models::Stacked { .. } => None,
        }
    }

    /// State of a run besides parameters and buffers.
    pub(super) fn memory(&self) -> Tensors {
        match self {
            Models::One { network, .. } => network.model().memory(),
            Models::Stacked { .. } => Tensors::new(),
        }
    }

    /// Whether a step can be recorded.
    pub(super) fn can_be_recorded(&self) -> bool {
        match self {
            Models::One { network, .. } | Models::Stacked { network, .. } => {
                network.can().be_recorded
            }
        }
    }
}

/// Applies `each` to every tensor of a batch.
fn map(batch: &Batch, each: impl Fn(&Tensor) -> Tensor) -> Batch {
    let all = |tensors: &BTreeMap<Modality, Tensor>| -> BTreeMap<Modality, Tensor> {
        tensors.iter().map(|(modality, tensor)| (*modality, each(tensor))).collect()
    };
    Batch {
        features: all(&batch.features),
        tokens: batch.tokens.as_ref().map(&each),
        pooled: batch.pooled.as_ref().map(&each),
        lengths: all(&batch.lengths),
        target: each(&batch.target),
        unimodal_labels: all(&batch.unimodal_labels),
        samples: each(&batch.samples),
    }
}

fn by_model_all(batch: &Batch, n_models: i64) -> Batch {
    map(batch, |tensor| by_model(tensor, n_models))
}

/// `[n_models * batch, ..]` to `[n_models, batch, ..]`.
fn by_model(x: &Tensor, n_models: i64) -> Tensor {
    let mut shape = vec![n_models, -1];
    shape.extend(x.size().into_iter().skip(1));
    x.reshape(shape)
}
