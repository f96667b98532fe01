//! AdamW with the constants of the released code.

use tch::nn::{AdamW, Optimizer, OptimizerConfig, VarStore};

/// Decoupled weight decay on every parameter, betas 0.9 and 0.999, epsilon 1e-8 (PyTorch's
/// defaults, which the released code keeps). The learning rate is set before every epoch.
///
/// # Errors
/// libtorch refuses the parameters.
pub fn adamw(vars: &VarStore, weight_decay: f64) -> Result<Optimizer, tch::TchError> {
    let config = AdamW { beta1: 0.9, beta2: 0.999, wd: weight_decay, eps: 1e-8, amsgrad: false };
    config.build(vars, 0.0)
}
