//! Normalisation over a batch.

use tch::Tensor;

use super::Init;

/// PyTorch's `nn.BatchNorm1d`: epsilon 1e-5, momentum 0.1. Training uses the batch's biased variance
/// and updates the running statistics, which evaluation uses, with the unbiased one.
#[derive(Debug)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

impl BatchNorm {
    /// Normalises `dim` features.
    pub fn new(init: &Init<'_>, dim: i64) -> BatchNorm {
        BatchNorm {
            weight: init.constant("weight", &[dim], 1.0),
            bias: init.constant("bias", &[dim], 0.0),
            running_mean: init.buffer("running_mean", &[dim], 0.0),
            running_var: init.buffer("running_var", &[dim], 1.0),
        }
    }

    /// `[batch, dim]` to the same shape. A batch of one sample has no variance, which is an error in
    /// PyTorch's training; here the running statistics replace those of the batch.
    pub fn forward(&self, x: &Tensor, is_training: bool) -> Tensor {
        let of_batch = is_training && x.size().first().is_some_and(|batch| *batch > 1);
        x.batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            of_batch,
            0.1,
            1e-5,
            false,
        )
    }
}
