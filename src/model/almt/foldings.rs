//! Constants of the batched form.

use std::cell::OnceCell;

use tch::Tensor;

/// Assignment of norms to maps, with a factor each, `[n_maps, n_norms]`: created only once, since a
/// recorded step cannot copy it from the CPU.
#[derive(Debug, Default)]
pub(super) struct Foldings {
    pub keys: OnceCell<Tensor>,
    pub language: OnceCell<Tensor>,
    pub hyper: OnceCell<Tensor>,
    pub fusion: OnceCell<Tensor>,
}
