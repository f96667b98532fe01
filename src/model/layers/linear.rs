//! Linear maps.

use tch::Tensor;

use super::init::Init;

/// `y = x W^T + b`, initialised as in PyTorch: uniform within 1/sqrt(n_in).
#[derive(Debug)]
pub struct Linear {
    pub weight: Tensor,
    pub bias: Option<Tensor>,
}

impl Linear {
    /// A linear map from `n_in` to `n_out` features.
    pub fn new(init: &Init<'_>, n_in: i64, n_out: i64, with_bias: bool) -> Linear {
        let bound = 1.0 / (n_in as f32).sqrt();
        Linear {
            weight: init.uniform("weight", &[n_out, n_in], bound),
            bias: with_bias.then(|| init.uniform("bias", &[n_out], bound)),
        }
    }

    /// A linear map with Xavier initialisation and zero bias.
    pub fn xavier(init: &Init<'_>, n_in: i64, n_out: i64) -> Linear {
        let bound = (6.0 / (n_in + n_out) as f32).sqrt();
        Linear {
            weight: init.uniform("weight", &[n_out, n_in], bound),
            bias: Some(init.constant("bias", &[n_out], 0.0)),
        }
    }

    /// `[n_out, n_in]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Adds the bias, if there is one, to `x` `[.., n_out]`.
    pub fn add_bias(&self, x: Tensor) -> Tensor {
        match &self.bias {
            Some(bias) => x + bias,
            None => x,
        }
    }

    /// A linear map of zeros, to be loaded from a file.
    pub fn zeros(init: &Init<'_>, n_in: i64, n_out: i64) -> Linear {
        Linear {
            weight: init.constant("weight", &[n_out, n_in], 0.0),
            bias: Some(init.constant("bias", &[n_out], 0.0)),
        }
    }

    /// `[.., n_in]` to `[.., n_out]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, self.bias.as_ref())
    }
}
