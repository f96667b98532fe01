//! Layer normalisation.

use tch::Tensor;

use super::init::Init;

/// Layer normalisation over the last axis.
#[derive(Debug)]
pub struct LayerNorm {
    pub weight: Tensor,
    pub bias: Tensor,
    pub eps: f64,
}

impl LayerNorm {
    /// Normalises `dim` features.
    pub fn new(init: &Init<'_>, dim: i64, eps: f64) -> LayerNorm {
        LayerNorm {
            weight: init.constant("weight", &[dim], 1.0),
            bias: init.constant("bias", &[dim], 0.0),
            eps,
        }
    }

    /// `[.., dim]` to the same shape.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let shape = self.weight.size();
        x.layer_norm(&shape, Some(&self.weight), Some(&self.bias), self.eps, false)
    }
}
