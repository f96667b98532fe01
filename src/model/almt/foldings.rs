//! Constants of the batched form.

use std::cell::OnceCell;

use tch::Tensor;

/// Which norm goes before which map, and with which factor, `[n_maps, n_norms]`: each is made once,
/// since a recorded step cannot bring it from the CPU.
#[derive(Debug, Default)]
pub(super) struct Foldings {
    pub keys: OnceCell<Tensor>,
    pub language: OnceCell<Tensor>,
    pub hyper: OnceCell<Tensor>,
    pub fusion: OnceCell<Tensor>,
}
