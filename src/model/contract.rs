//! What the trainer and a model agree on: what a model needs of the data, what it gets of a batch,
//! what it answers, and what of it is kept besides its parameters.
//!
//! A model is a file below `src/model/` and a line of [`registry`](super::registry). It knows no store,
//! no optimizer and no schedule: how it is trained is a recipe in `schemas/presets/MODEL/`.

use std::collections::BTreeMap;
use std::fmt;

use tch::{Kind, Reduction, Tensor};

use super::{Dropout, Trace};
use crate::corpus::Modality;

/// Whether a model reads a modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// There is no such model without it.
    Required,
    /// The model is built with what there is.
    Used,
    /// The model has no use for it.
    Ignored,
}

/// What a model needs of the data. It is compared with the store before anything is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Text features, of the store or of an encoder in front of the model.
    pub text: Need,
    /// Audio features.
    pub audio: Need,
    /// Visual features.
    pub vision: Need,
    /// Whether step t of each modality is that of the same word.
    pub aligned: bool,
    /// Whether the number of steps of each sample before its padding is needed. No store is refused for
    /// lack of recorded ones: they are counted then.
    pub lengths: bool,
    /// Whether the labels of each modality alone are needed.
    pub unimodal_labels: bool,
    /// Whether a text encoder with its pooler has to be in front: features of a store do not do.
    pub pooler: bool,
}

impl Needs {
    /// A model of features of any alignment that does without audio and without vision.
    pub const TEXT: Needs = Needs {
        text: Need::Required,
        audio: Need::Used,
        vision: Need::Used,
        aligned: false,
        lengths: false,
        unimodal_labels: false,
        pooler: false,
    };

    /// A model of features of any alignment that does without no modality.
    pub const ALL: Needs = Needs { audio: Need::Required, vision: Need::Required, ..Needs::TEXT };

    /// What is needed of one modality.
    pub fn of(&self, modality: Modality) -> Need {
        match modality {
            Modality::Text => self.text,
            Modality::Audio => self.audio,
            Modality::Vision => self.vision,
        }
    }
}

/// The samples of a step.
#[derive(Debug)]
pub struct Batch {
    /// Features `[batch, seq_len, feat_dim]` of each modality that comes as features.
    pub features: BTreeMap<Modality, Tensor>,
    /// Token ids, mask and segment ids, int64 `[batch, 3, seq_len]`, where text comes as tokens.
    pub tokens: Option<Tensor>,
    /// What the pooler of the text encoder makes of the first token, `[batch, d_l]`, where the model
    /// needs it.
    pub pooled: Option<Tensor>,
    /// Steps of each sample before its padding, int64 `[batch]`, where the model needs them.
    pub lengths: BTreeMap<Modality, Tensor>,
    /// Labels, `[batch, 1]`; NaN where there are none.
    pub target: Tensor,
    /// Labels of each modality alone, `[batch, 1]`, where the model needs them.
    pub unimodal_labels: BTreeMap<Modality, Tensor>,
    /// Placement of each sample in its split, int64 `[batch]`: what a memory of the training samples is
    /// indexed by.
    pub samples: Tensor,
}

impl Batch {
    /// Features of a modality, `[batch, seq_len, feat_dim]`.
    ///
    /// # Errors
    /// The batch has none.
    pub fn features(&self, modality: Modality) -> Result<&Tensor, ModelError> {
        self.features.get(&modality).ok_or(ModelError::Absent { what: modality.name() })
    }

    /// Steps of each sample of a modality before its padding, int64 `[batch]`.
    ///
    /// # Errors
    /// The batch has none.
    pub fn lengths(&self, modality: Modality) -> Result<&Tensor, ModelError> {
        self.lengths.get(&modality).ok_or(ModelError::Absent { what: "lengths" })
    }
}

/// What a model makes of a batch.
#[derive(Debug)]
pub struct Outputs {
    /// Predicted sentiment, `[batch, 1]`.
    pub pred: Tensor,
    /// What its loss and its memory are made of besides, by name.
    pub parts: BTreeMap<&'static str, Tensor>,
}

impl Outputs {
    /// A prediction and nothing besides.
    pub fn of(pred: Tensor) -> Outputs {
        Outputs { pred, parts: BTreeMap::new() }
    }

    /// The outputs with one more part.
    #[must_use]
    pub fn with(mut self, name: &'static str, part: Tensor) -> Outputs {
        self.parts.insert(name, part);
        self
    }
}

/// Where in its run a batch of training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At<'a> {
    /// The phase, as the recipe calls it.
    pub phase: &'a str,
    /// Counted from 1.
    pub epoch: usize,
    /// Epochs of the run, at most.
    pub n_epochs: usize,
    /// The batch, counted from 0 in each phase of each epoch.
    pub step: usize,
    /// Batches of the phase in an epoch.
    pub n_steps: usize,
}

/// What surrounds a forward pass.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Where in training this is: batch statistics are used and taken into account. `None` in
    /// evaluation.
    pub at: Option<At<'a>>,
    /// What is drawn in a step of training, where anything is; `None` in evaluation.
    pub dropout: Option<Dropout>,
    /// What is kept of the values on the way.
    pub trace: &'a mut Trace,
}

impl<'a> Pass<'a> {
    /// A pass outside training.
    pub fn evaluation(trace: &'a mut Trace) -> Pass<'a> {
        Pass { at: None, dropout: None, trace }
    }

    /// Whether this is a step of training.
    pub fn is_training(&self) -> bool {
        self.at.is_some()
    }

    /// `x` with the share `rate` of its values dropped in training. `place` names the place in the
    /// model, each of which has masks of its own.
    pub fn dropout(&self, place: &str, x: &Tensor, rate: f64) -> Tensor {
        match self.dropout {
            Some(dropout) if self.is_training() => dropout.apply(place, x, rate),
            _ => x.shallow_clone(),
        }
    }

    /// Standard normal noise of the shape of `x`, drawn anew in each step of training; zeros where
    /// nothing is drawn. `place` is as for [`dropout`](Pass::dropout).
    pub fn noise(&self, place: &str, x: &Tensor) -> Tensor {
        match self.dropout {
            Some(dropout) if self.is_training() => dropout.noise(place, x),
            _ => x.detach().zeros_like(),
        }
    }
}

/// What the task itself minimises. On the validation split, this is «the validation loss».
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Mean absolute error.
    L1,
    /// Mean squared error.
    Mse,
}

impl Task {
    /// The name of its term.
    pub fn name(self) -> &'static str {
        match self {
            Task::L1 => "l1",
            Task::Mse => "mse",
        }
    }

    /// Its mean over the samples of a split, `[n_samples]` each.
    pub fn mean(self, pred: &[f32], labels: &[f32]) -> f64 {
        let error = |(pred, label): (&f32, &f32)| {
            let error = f64::from(*pred) - f64::from(*label);
            match self {
                Task::L1 => error.abs(),
                Task::Mse => error * error,
            }
        };
        pred.iter().zip(labels).map(error).sum::<f64>() / labels.len() as f64
    }
}

/// Named terms whose sum is minimised. Where a term has a weight, it comes with it.
#[derive(Debug)]
pub struct Losses {
    /// Name and value, a scalar, of each.
    pub terms: Vec<(&'static str, Tensor)>,
}

impl Losses {
    /// One term.
    pub fn of(name: &'static str, value: Tensor) -> Losses {
        Losses { terms: vec![(name, value)] }
    }

    /// Mean absolute error of the prediction, «L1».
    pub fn l1(outputs: &Outputs, batch: &Batch) -> Losses {
        let value = outputs.pred.l1_loss(&batch.target, Reduction::Mean);
        Losses::of(Task::L1.name(), value)
    }

    /// Mean squared error of the prediction.
    pub fn mse(outputs: &Outputs, batch: &Batch) -> Losses {
        let value = outputs.pred.mse_loss(&batch.target, Reduction::Mean);
        Losses::of(Task::Mse.name(), value)
    }

    /// The terms with one more. A term may be absent from some steps, and counts as 0 there.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Tensor) -> Losses {
        self.terms.push((name, value));
        self
    }

    /// The sum of all terms.
    pub fn total(&self) -> Tensor {
        let mut terms = self.terms.iter().map(|(_, value)| value);
        match terms.next() {
            Some(first) => terms.fold(first.shallow_clone(), |sum, term| sum + term),
            None => Tensor::zeros([], (Kind::Float, tch::Device::Cpu)),
        }
    }
}

/// What of the trainer's shortcuts a model allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Can {
    /// A step may be recorded as a CUDA graph: it does the same operations every time, whatever its
    /// [`At`] is, and nothing [after it](Model::after_step).
    pub be_recorded: bool,
    /// Parameters may carry an axis of models in front, and features too.
    pub be_stacked: bool,
}

/// A model that is trained and evaluated.
pub trait Model: fmt::Debug {
    /// Predicted sentiment of a batch.
    ///
    /// # Errors
    /// The batch lacks what the model needs.
    fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Outputs, ModelError>;

    /// What the layers of the text encoder begin with, from what its embedding gives, `[batch, seq_len,
    /// d_l]`. `batch` has no text features yet.
    ///
    /// # Errors
    /// The batch lacks what the model needs.
    fn adapt(
        &self,
        embedded: Tensor,
        _batch: &Batch,
        _pass: &mut Pass<'_>,
    ) -> Result<Tensor, ModelError> {
        Ok(embedded)
    }

    /// What is minimised in a phase of the recipe.
    fn loss(&self, at: At<'_>, outputs: &Outputs, batch: &Batch) -> Losses;

    /// Called once before a run begins or goes on, with the labels of the training samples in the order
    /// of the split, `[n_samples, 1]`: whatever is remembered of each sample gets its size here.
    fn begin(&mut self, _targets: &Tensor) {}

    /// What changes after each batch besides the parameters, when gradients were added up and a step of
    /// the optimizer was taken if it was due. No gradient is recorded.
    fn after_step(&mut self, _outputs: &Outputs, _batch: &Batch, _at: At<'_>) {}

    /// Tensors that are neither parameters nor buffers, but part of where a run stands: they are saved
    /// and resumed. Writing to them changes the model, so a model changes them in place. All are float32.
    fn memory(&self) -> BTreeMap<String, Tensor> {
        BTreeMap::new()
    }

    /// What the trainer may do.
    fn can(&self) -> Can {
        Can::default()
    }
}

/// Why a model could not be built or computed.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A batch lacks something.
    #[error("the model needs {what}, which the batch lacks")]
    Absent {
        /// What.
        what: &'static str,
    },
}
