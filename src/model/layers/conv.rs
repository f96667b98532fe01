//! Convolution over time.

use tch::Tensor;

use super::Init;

/// PyTorch's `nn.Conv1d` without bias and padding, with stride 1.
#[derive(Debug)]
pub struct Conv {
    /// `[n_out, n_in, kernel]`.
    weight: Tensor,
}

impl Conv {
    /// A convolution from `n_in` features to `n_out` over `kernel` steps.
    pub fn new(init: &Init<'_>, n_in: i64, n_out: i64, kernel: i64) -> Conv {
        let bound = 1.0 / ((n_in * kernel) as f32).sqrt();
        Conv { weight: init.uniform("weight", &[n_out, n_in, kernel], bound) }
    }

    /// `[batch, seq_len, n_in]` to `[batch, seq_len - kernel + 1, n_out]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let bias: Option<Tensor> = None;
        x.transpose(1, 2).conv1d(&self.weight, bias, 1, 0, 1, 1).transpose(1, 2)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, nn};

    use super::*;
    use crate::model::drawn;
    use crate::seed::stream;

    #[test]
    fn each_step_is_a_sum_over_its_window() {
        let vars = nn::VarStore::new(Device::Cpu);
        let conv = Conv::new(&Init::new(vars.root(), 1), 3, 2, 2);
        let x = drawn(&mut stream(1, "conv"), &[2, 4, 3]);
        let found = conv.forward(&x);
        assert_eq!(found.size(), [2, 3, 2]);
        for step in 0..3 {
            let window = |offset: i64| {
                x.select(1, step + offset).matmul(&conv.weight.select(2, offset).tr())
            };
            assert!(found.select(1, step).allclose(&(window(0) + window(1)), 1e-5, 1e-6, false));
        }
    }
}
