//! The contract between the trainer and a model: the model's needs of the data, its inputs per batch,
//! its outputs, and its state besides parameters.
//!
//! A model is a file below `src/model/` and a line of [`registry`](super::registry). It knows no store,
//! no optimizer and no schedule: recipes in `schemas/presets/MODEL/` define its training.

use std::collections::BTreeMap;
use std::fmt;

use tch::{Kind, Reduction, Tensor};

use super::{Dropout, Trace};
use crate::corpus::Modality;

/// Whether a model reads a modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The model is impossible without it.
    Required,
    /// The model uses it if present.
    Used,
    /// The model does not use it.
    Ignored,
}

/// A model's needs of the data, checked against the store before anything is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Text features, from the store or from an encoder in front of the model.
    pub text: Need,
    /// Audio features.
    pub audio: Need,
    /// Visual features.
    pub vision: Need,
    /// Whether step t of all modalities must belong to the same word.
    pub aligned: bool,
    /// Whether each sample's number of steps before its padding is needed. Stores without recorded
    /// lengths are accepted: the steps are then counted.
    pub lengths: bool,
    /// Whether only the means of audio and vision over all steps, padding included, are read.
    pub means: bool,
    /// Whether unimodal labels are needed.
    pub unimodal_labels: bool,
    /// Whether a text encoder with a pooler is required: a store's features do not suffice.
    pub pooler: bool,
}

impl Needs {
    /// A model for features of any alignment that requires only text.
    pub const TEXT: Needs = Needs {
        text: Need::Required,
        audio: Need::Used,
        vision: Need::Used,
        aligned: false,
        lengths: false,
        means: false,
        unimodal_labels: false,
        pooler: false,
    };

    /// A model for features of any alignment that requires all modalities.
    pub const ALL: Needs = Needs { audio: Need::Required, vision: Need::Required, ..Needs::TEXT };

    /// Need of one modality.
    pub fn of(&self, modality: Modality) -> Need {
        match modality {
            Modality::Text => self.text,
            Modality::Audio => self.audio,
            Modality::Vision => self.vision,
        }
    }
}

/// Samples of a step.
#[derive(Debug)]
pub struct Batch {
    /// Features `[batch, seq_len, feat_dim]` of each modality that comes as features.
    pub features: BTreeMap<Modality, Tensor>,
    /// Token ids, mask and segment ids, int64 `[batch, 3, seq_len]`, if text comes as tokens.
    pub tokens: Option<Tensor>,
    /// The text encoder's pooled output for the first token, `[batch, d_l]`, if the model needs it.
    pub pooled: Option<Tensor>,
    /// Each sample's steps before its padding, int64 `[batch]`, if the model needs them.
    pub lengths: BTreeMap<Modality, Tensor>,
    /// Labels, `[batch, 1]`; NaN if absent.
    pub target: Tensor,
    /// Unimodal labels, `[batch, 1]`, if the model needs them.
    pub unimodal_labels: BTreeMap<Modality, Tensor>,
    /// Index of each sample in its split, int64 `[batch]`: the index into a memory of the training
    /// samples.
    pub samples: Tensor,
}

impl Batch {
    /// Features of a modality, `[batch, seq_len, feat_dim]`.
    ///
    /// # Errors
    /// The batch lacks them.
    pub fn features(&self, modality: Modality) -> Result<&Tensor, ModelError> {
        self.features.get(&modality).ok_or(ModelError::Absent { what: modality.name() })
    }

    /// Each sample's steps of a modality before its padding, int64 `[batch]`.
    ///
    /// # Errors
    /// The batch lacks them.
    pub fn lengths(&self, modality: Modality) -> Result<&Tensor, ModelError> {
        self.lengths.get(&modality).ok_or(ModelError::Absent { what: "lengths" })
    }
}

/// A model's outputs for a batch.
#[derive(Debug)]
pub struct Outputs {
    /// Predicted sentiment, `[batch, 1]`.
    pub pred: Tensor,
    /// Other inputs of its loss and its memory, by name.
    pub parts: BTreeMap<&'static str, Tensor>,
}

impl Outputs {
    /// A prediction alone.
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

/// Position of a training batch within its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At<'a> {
    /// Name of the phase in the recipe.
    pub phase: &'a str,
    /// Counted from 1.
    pub epoch: usize,
    /// Maximum number of epochs of the run.
    pub n_epochs: usize,
    /// Index of the batch, counted from 0 in each phase of each epoch.
    pub step: usize,
    /// Batches per epoch in this phase.
    pub n_steps: usize,
}

/// Context of a forward pass.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Position in training; batch statistics are then used and updated. `None` in evaluation.
    pub at: Option<At<'a>>,
    /// Random masks and noise of a training step, if used; `None` in evaluation.
    pub dropout: Option<Dropout>,
    /// Recorded intermediate values.
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
    /// model; each has its own masks.
    pub fn dropout(&self, place: &str, x: &Tensor, rate: f64) -> Tensor {
        match self.dropout {
            Some(dropout) if self.is_training() => dropout.apply(place, x, rate),
            _ => x.shallow_clone(),
        }
    }

    /// Standard normal noise of the shape of `x`, drawn anew in each training step; zeros if nothing is
    /// drawn. `place` is as for [`dropout`](Pass::dropout).
    pub fn noise(&self, place: &str, x: &Tensor) -> Tensor {
        match self.dropout {
            Some(dropout) if self.is_training() => dropout.noise(place, x),
            _ => x.detach().zeros_like(),
        }
    }
}

/// The task loss. Its value on the validation split is the validation loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Mean absolute error.
    L1,
    /// Mean squared error.
    Mse,
}

impl Task {
    /// Name of the term.
    pub fn name(self) -> &'static str {
        match self {
            Task::L1 => "l1",
            Task::Mse => "mse",
        }
    }

    /// Mean over a split's samples, `[n_samples]` each.
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

/// Named terms whose sum is minimised. A term's weight is already applied.
#[derive(Debug)]
pub struct Losses {
    /// Each term's name and value, a scalar.
    pub terms: Vec<(&'static str, Tensor)>,
}

impl Losses {
    /// One term.
    pub fn of(name: &'static str, value: Tensor) -> Losses {
        Losses { terms: vec![(name, value)] }
    }

    /// Mean absolute error of the prediction (L1).
    pub fn l1(outputs: &Outputs, batch: &Batch) -> Losses {
        let value = outputs.pred.l1_loss(&batch.target, Reduction::Mean);
        Losses::of(Task::L1.name(), value)
    }

    /// Mean squared error of the prediction.
    pub fn mse(outputs: &Outputs, batch: &Batch) -> Losses {
        let value = outputs.pred.mse_loss(&batch.target, Reduction::Mean);
        Losses::of(Task::Mse.name(), value)
    }

    /// Adds a term. A term may be absent from some steps, and counts as 0 there.
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

/// The trainer's shortcuts that a model allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Can {
    /// A step may be recorded as a CUDA graph: it runs the same operations every time, whatever its
    /// [`At`] is, and none [after it](Model::after_step).
    pub be_recorded: bool,
    /// Parameters and features may have a leading axis of models.
    pub be_stacked: bool,
}

/// A model that is trained and evaluated.
pub trait Model: fmt::Debug {
    /// Predicted sentiment of a batch.
    ///
    /// # Errors
    /// The batch lacks an input of the model.
    fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Outputs, ModelError>;

    /// Input of the text encoder's layers, from the output of its embedding, `[batch, seq_len, d_l]`.
    /// `batch` has no text features yet.
    ///
    /// # Errors
    /// The batch lacks an input of the model.
    fn adapt(
        &self,
        embedded: Tensor,
        _batch: &Batch,
        _pass: &mut Pass<'_>,
    ) -> Result<Tensor, ModelError> {
        Ok(embedded)
    }

    /// The loss of a recipe's phase.
    fn loss(&self, at: At<'_>, outputs: &Outputs, batch: &Batch) -> Losses;

    /// Called once before a run starts or resumes, with the training labels in split order,
    /// `[n_samples, 1]`: allocates any memory of the samples.
    fn begin(&mut self, _targets: &Tensor) {}

    /// Updates state other than parameters after each batch, once gradients are accumulated and any due
    /// optimizer step is taken. No gradient is recorded.
    fn after_step(&mut self, _outputs: &Outputs, _batch: &Batch, _at: At<'_>) {}

    /// Tensors that are neither parameters nor buffers, but part of the run's state: they are saved and
    /// restored by writing to them, so a model must update them in place. All are float32.
    fn memory(&self) -> BTreeMap<String, Tensor> {
        BTreeMap::new()
    }

    /// The trainer's shortcuts that it allows.
    fn can(&self) -> Can {
        Can::default()
    }
}

/// Why a model could not be built or computed.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A batch lacks an input.
    #[error("the model needs {what}, which the batch lacks")]
    Absent {
        /// The input.
        what: &'static str,
    },
}
