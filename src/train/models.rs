//! What the steps of a run work on: one model, or several that differ in their seed.

use tch::{Device, Kind, Reduction, TchError, Tensor, nn};

use super::TrainError;
use super::checkpoint::{ModelConfig, parameters};
use super::data::Batch;
use super::network::Network;
use super::weights::Tensors;
use crate::model::Dropout;
use crate::native::modes::HiddenAxis;

/// One model, or several of one configuration whose parameters are stacked, so that an operation does
/// the work of all.
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
        /// All of them at once, where the model has a form for that.
        network: Option<Box<Network>>,
        config: Box<ModelConfig>,
        n_models: i64,
    },
}

impl Models {
    /// Models as they begin, one per seed; `prepare` has the last word on the parameters of each.
    pub(super) fn new(
        config: &ModelConfig,
        seeds: &[u64],
        device: Device,
        mut prepare: impl FnMut(&nn::VarStore) -> Result<(), TrainError>,
    ) -> Result<Models, TrainError> {
        let mut one = |seed| {
            let vars = nn::VarStore::new(device);
            let network = Box::new(Network::new(&vars, config, seed));
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
        let network = Network::given(&parameters, config);
        Ok(Models::Stacked {
            network: network.almt().is_batchable().then(|| Box::new(network)),
            parameters,
            config: Box::new(config.clone()),
            n_models: seeds.len() as i64,
        })
    }

    /// All parameters, those of several models `[seed, ..]`.
    pub(super) fn parameters(&self) -> Tensors {
        match self {
            Models::One { vars, .. } => parameters(vars),
            Models::Stacked { parameters, .. } => {
                parameters.iter().map(|(name, all)| (name.clone(), all.shallow_clone())).collect()
            }
        }
    }

    /// The parameters of one model.
    pub(super) fn parameters_of(&self, idx: usize) -> Tensors {
        match self {
            Models::One { vars, .. } => parameters(vars),
            Models::Stacked { parameters, .. } => {
                let own = |all: &Tensor| all.detach().get(idx as i64);
                parameters.iter().map(|(name, all)| (name.clone(), own(all))).collect()
            }
        }
    }

    /// Predicted sentiment of a batch, `[batch, 1]`. With several models, the batch holds as many
    /// samples for each, one model after another, and the result is `[seed, batch, 1]`.
    pub(super) fn forward(
        &self,
        batch: Batch,
        dropout: Option<Dropout>,
    ) -> Result<Tensor, TrainError> {
        match self {
            Models::One { network, .. } => network.forward(&batch, dropout),
            Models::Stacked { network: Some(network), n_models, .. } => {
                let Batch { input, tokens, target } = batch;
                let input = input.try_map(|x| Ok::<_, TchError>(by_model(x, *n_models)))?;
                network.forward(&Batch { input, tokens, target }, None)
            }
            Models::Stacked { parameters, network: None, config, n_models } => {
                let hidden = HiddenAxis::begin(*n_models)?;
                let own = parameters
                    .iter()
                    .map(|(name, all)| Ok((name.clone(), hidden.hide(all)?)))
                    .collect::<Result<Tensors, TchError>>()?;
                let Batch { input, tokens, target } = batch;
                let input = input.try_map(|x| hidden.hide(&by_model(x, *n_models)))?;
                let batch = Batch { input, tokens, target };
                let pred = Network::given(&own, config).forward(&batch, None)?;
                Ok(hidden.show(&pred)?)
            }
        }
    }

    /// Mean squared error, and the sum of absolute errors, of predictions of
    /// [`forward`](Models::forward), each `[seed]` with several models and a scalar of one.
    pub(super) fn errors(&self, pred: &Tensor, target: &Tensor) -> (Tensor, Tensor) {
        match self {
            Models::One { .. } => (
                pred.mse_loss(target, Reduction::Mean),
                (pred.detach() - target).abs().sum(Kind::Float),
            ),
            Models::Stacked { n_models, .. } => {
                let errors = (pred - by_model(target, *n_models)).flatten(1, -1);
                let absolute = errors.detach().abs().sum_dim_intlist(1, false, Kind::Float);
                (errors.square().mean_dim(1, false, Kind::Float), absolute)
            }
        }
    }
}

/// `[n_models * batch, ..]` to `[n_models, batch, ..]`.
fn by_model(x: &Tensor, n_models: i64) -> Tensor {
    let mut shape = vec![n_models, -1];
    shape.extend(x.size().into_iter().skip(1));
    x.reshape(shape)
}
