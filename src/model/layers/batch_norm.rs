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

#[cfg(test)]
mod tests {
    use tch::{Device, nn};

    use super::*;

    #[test]
    fn training_uses_the_batch_and_evaluation_the_running_statistics() {
        let vars = nn::VarStore::new(Device::Cpu);
        let norm = BatchNorm::new(&Init::new(vars.root(), 1), 2);
        let values = |x: &Tensor| Vec::<f32>::try_from(x.detach().flatten(0, -1)).unwrap();
        let near = |found: &Tensor, expected: &[f32]| {
            let found = values(found);
            let is_near = found.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-4);
            assert!(found.len() == expected.len() && is_near, "{found:?}, expected {expected:?}");
        };
        let x = Tensor::from_slice(&[1.0_f32, 10.0, 3.0, 30.0]).view([2, 2]);
        // Variances 1 and 100 of the batch, 2 and 200 without bias.
        near(&norm.forward(&x, true), &[-1.0, -1.0, 1.0, 1.0]);
        near(&norm.running_mean, &[0.2, 2.0]);
        near(&norm.running_var, &[1.1, 20.9]);
        let of_running = |x: f32, mean: f32, var: f32| (x - mean) / (var + 1e-5).sqrt();
        let one = [of_running(1.0, 0.2, 1.1), of_running(10.0, 2.0, 20.9)];
        near(&norm.forward(&x, false).narrow(0, 0, 1), &one);
        // A single sample is normalised as in evaluation, and moves nothing.
        let before = (norm.running_mean.copy(), norm.running_var.copy());
        let x = x.narrow(0, 0, 1);
        near(&norm.forward(&x, true), &one);
        assert_eq!((&norm.running_mean, &norm.running_var), (&before.0, &before.1));
    }
}
