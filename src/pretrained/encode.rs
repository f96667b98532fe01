//! Hidden states of many texts, computed lazily in batches.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::{Array3, s};
use tch::{Device, Tensor, nn};

use super::{Pretrained, PretrainedError};
use crate::advice::{Advice, Advise, TrainerAdvice};
use crate::caught::caught;
use crate::corpus::{RowError, Rows, absent};
use crate::model::{Bert, Init, TokenError, Tokens, Trace};
use crate::overflow::Overflows;

/// An encoder with frozen weights.
pub struct FrozenEncoder {
    /// Locked: libtorch uses all threads for one batch.
    bert: Mutex<Bert>,
    width: usize,
}

/// Why texts could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The tokens do not suit the encoder.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// A hidden state is not finite.
    #[error("the hidden states of sample {sample_idx} are not finite")]
    NonFinite {
        /// The sample, counted from 0.
        sample_idx: usize,
    },
    /// libtorch failed.
    #[error("libtorch failed")]
    Torch(#[from] tch::TchError),
}

impl Advise for EncodeError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            EncodeError::Tokens(error) => error.advice(),
            EncodeError::NonFinite { .. } => vec![TrainerAdvice::WeightsDamaged.into()],
            EncodeError::Torch(_) => Vec::new(),
        }
    }
}

impl FrozenEncoder {
    /// Builds the encoder on the CPU and loads its weights.
    ///
    /// # Errors
    /// The weights cannot be read.
    pub fn load(pretrained: &Pretrained) -> Result<FrozenEncoder, PretrainedError> {
        let mut vars = nn::VarStore::new(Device::Cpu);
        let bert = Bert::new(&Init::new(vars.root(), 0), pretrained.config());
        pretrained.copy_into(&vars, "")?;
        vars.freeze();
        let width = usize::try_from(bert.config().hidden_size).unwrap_or_default();
        Ok(FrozenEncoder { bert: Mutex::new(bert), width })
    }

    /// Features per token.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The hidden states of `text_bert`, `[n_samples, 3, seq_len]`, as rows that are computed on demand
    /// in batches of `batch_size`, aligned to the first sample. `advance` receives the number of
    /// samples done.
    ///
    /// # Errors
    /// The tokens do not suit the encoder.
    pub fn rows(
        self: &Arc<Self>,
        text_bert: Array3<i32>,
        batch_size: usize,
        advance: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Arc<dyn Rows>, EncodeError> {
        lock(&self.bert).config().check_tokens(text_bert.view())?;
        let recent = Mutex::new(VecDeque::new());
        let encoder = Arc::clone(self);
        Ok(Arc::new(EncodedRows { encoder, text_bert, batch_size, advance, recent }))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The rows of one split.
struct EncodedRows {
    encoder: Arc<FrozenEncoder>,
    text_bert: Array3<i32>,
    batch_size: usize,
    advance: Arc<dyn Fn(u64) + Send + Sync>,
    /// The most recently computed batches, each with its number.
    recent: Mutex<VecDeque<(usize, Vec<f32>)>>,
}

impl Rows for EncodedRows {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError> {
        let batch_idx = sample_idx / self.batch_size;
        // Each thread may read a batch of its own, and be about to enter the next.
        let n_recent = rayon::current_num_threads() + 2;
        let mut recent = lock(&self.recent);
        if !recent.iter().any(|(idx, _)| *idx == batch_idx) {
            let values = self.compute(batch_idx)?;
            recent.truncate(n_recent - 1);
            recent.push_front((batch_idx, values));
        }
        let first = (sample_idx % self.batch_size) * out.len();
        let batch = recent.iter().find(|(idx, _)| *idx == batch_idx);
        let row = batch.and_then(|(_, values)| values.get(first..first + out.len()));
        out.copy_from_slice(row.ok_or_else(|| absent(sample_idx))?);
        if out.iter().any(|value| !value.is_finite()) {
            return Err(EncodeError::NonFinite { sample_idx }.into());
        }
        // They are computed in float32.
        Ok(Overflows::default())
    }
}

impl EncodedRows {
    fn compute(&self, batch_idx: usize) -> Result<Vec<f32>, EncodeError> {
        let n_samples = self.text_bert.dim().0;
        let start = batch_idx * self.batch_size;
        let end = (start + self.batch_size).min(n_samples);
        let batch = self.text_bert.slice(s![start..end, .., ..]);
        let values: Vec<i32> = batch.iter().copied().collect();
        let shape = batch.shape().iter().map(|extent| *extent as i64).collect::<Vec<_>>();
        let tokens = Tokens::of_text_bert(&Tensor::from_slice(&values).view(&*shape));
        let bert = lock(&self.encoder.bert);
        let hidden = caught(|| {
            let _guard = tch::no_grad_guard();
            bert.forward(&tokens, None, &mut Trace::default())
        })?;
        drop(bert);
        let values = Vec::<f32>::try_from(&hidden.flatten(0, -1))?;
        (self.advance)((end - start) as u64);
        Ok(values)
    }
}
