//! Distances between the distributions of samples.

use tch::{Kind, Tensor};

/// Central moment discrepancy of `x` and `y` `[batch, dim]`: the distance of their means, and of their
/// central moments of order 2 to `n_moments` (Zellinger et al., ICLR 2017, as in thuiar/MMSA
/// `trains/singleTask/misc`).
pub fn central_moment_discrepancy(x: &Tensor, y: &Tensor, n_moments: i64) -> Tensor {
    let mean = |x: &Tensor| x.mean_dim(0, false, x.kind());
    let distance = |x: &Tensor, y: &Tensor| (x - y).square().sum(Kind::Float).sqrt();
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (centred_x, centred_y) = (x - &mean_x, y - &mean_y);
    let moment = |x: &Tensor, order: i64| mean(&x.pow_tensor_scalar(order));
    (2..=n_moments)
        .map(|order| distance(&moment(&centred_x, order), &moment(&centred_y, order)))
        .fold(distance(&mean_x, &mean_y), |sum, term| sum + term)
}

/// Maximum mean discrepancy of `x` and `y` `[batch, dim]` with the kernel `exp(-|x - y|^2 / dim^2)`,
/// including diagonals (as in thuiar/MMSA `models/singleTask/MFM.py`).
pub fn maximum_mean_discrepancy(x: &Tensor, y: &Tensor) -> Tensor {
    let dim = x.size()[1] as f64;
    let kernel = |x: &Tensor, y: &Tensor| {
        let squares = (x.unsqueeze(1) - y.unsqueeze(0)).square();
        // The means nearly cancel, and recipes multiply what is left by 100: in single precision the
        // result would depend on the order in which a processor adds.
        (squares.mean_dim(2, false, Kind::Float) / -dim).exp().mean(Kind::Double)
    };
    let distance: Tensor = kernel(x, x) + kernel(y, y) - 2.0 * kernel(x, y);
    distance.to_kind(x.kind())
}

/// Overlap of `x` and `y`, `[batch, dim]` each: the mean square of their features' products, after
/// centring over the batch and scaling rows to length 1 (MISA's difference loss).
pub fn overlap(x: &Tensor, y: &Tensor) -> Tensor {
    let unit = |x: &Tensor| {
        let centred = x - x.mean_dim(0, true, x.kind());
        let norm = centred.square().sum_dim_intlist([1_i64].as_slice(), true, Kind::Float).sqrt();
        // A row's length is treated as a constant.
        centred / (norm.detach() + 1e-6)
    };
    unit(x).tr().matmul(&unit(y)).square().mean(Kind::Float)
}
