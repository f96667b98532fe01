//! Long short-term memory.

use tch::Tensor;

use super::Init;

/// One layer of LSTM, with the parameters and initial values of PyTorch's `nn.LSTM` (gates in the order
/// input, forget, cell, output; two biases).
#[derive(Debug)]
pub struct Lstm {
    /// `weight_ih` `[4 hidden, n_in]`, `weight_hh` `[4 hidden, hidden]`, and a bias `[4 hidden]` of each.
    weights: [Tensor; 4],
    hidden: i64,
}

impl Lstm {
    /// A layer from `n_in` features to `hidden`.
    pub fn new(init: &Init<'_>, n_in: i64, hidden: i64) -> Lstm {
        let weights = init.recurrent(4, n_in, hidden);
        if weights[0].device().is_cuda() {
            // One piece of memory, as cuDNN takes them; else it copies them there at every call.
            const MODE: i64 = 2;
            let each = weights.len() as i64;
            let _ = tch::no_grad(|| {
                Tensor::internal_cudnn_rnn_flatten_weight(
                    &weights, each, n_in, MODE, hidden, 0, 1, true, false,
                )
            });
        }
        Lstm { weights, hidden }
    }

    /// Hidden state after the last step, padding included: `[batch, seq_len, n_in]` to
    /// `[batch, hidden]`.
    pub fn last(&self, x: &Tensor) -> Tensor {
        let batch = x.size().first().copied().unwrap_or(0);
        let start = || x.new_zeros([1, batch, self.hidden], (x.kind(), x.device()));
        // cuDNN keeps what a backward pass needs where it is told that this is training; the values are
        // the same.
        let is_training = true;
        let (_, hidden, _) =
            x.lstm(&[start(), start()], &self.weights, true, 1, 0.0, is_training, false, true);
        hidden.squeeze_dim(0)
    }
}
