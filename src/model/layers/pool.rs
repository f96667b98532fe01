//! Pooling over time.

use tch::{Kind, Tensor};

/// Pools to `seq_len` steps, `[batch, n, feat_dim]` to `[batch, seq_len, feat_dim]`: means over windows
/// of equal length, for which the last step is repeated as needed. Padding counts (the average pooling
/// of thuiar/MMSA `models/subNets/AlignNets.py`).
pub fn pool_to(x: &Tensor, seq_len: i64) -> Tensor {
    let (batch, found, feat_dim) = x.size3().expect("sequences have three axes");
    if found == seq_len {
        return x.shallow_clone();
    }
    let window = (found + seq_len - 1) / seq_len;
    let last = x.narrow(1, found - 1, 1).expand([batch, window * seq_len - found, feat_dim], false);
    let padded = Tensor::cat(&[x.shallow_clone(), last], 1);
    padded.view([batch, seq_len, window, feat_dim]).mean_dim(2, false, x.kind())
}

/// Means over the steps before the padding, `[batch, seq_len, feat_dim]` to `[batch, feat_dim]`; `lengths` is int64
/// `[batch]`.
pub fn mean_of(x: &Tensor, lengths: &Tensor) -> Tensor {
    let steps = Tensor::arange(x.size()[1], (Kind::Int64, x.device())).unsqueeze(0);
    let lengths = lengths.unsqueeze(1);
    let is_real = steps.less_tensor(&lengths).unsqueeze(2).to_kind(x.kind());
    (x * is_real).sum_dim_intlist([1_i64].as_slice(), false, x.kind()) / lengths.to_kind(x.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_has_no_part_in_a_mean() {
        let x = Tensor::from_slice(&[1.0_f32, 3.0, 9.0, 2.0, 9.0, 9.0]).view([2, 3, 1]);
        let mean = mean_of(&x, &Tensor::from_slice(&[2_i64, 1]));
        assert_eq!(Vec::<f32>::try_from(mean.view([-1])).unwrap(), [2.0, 2.0]);
    }
}
