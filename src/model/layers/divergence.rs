//! Distances between the distributions of samples.

use tch::{Kind, Tensor};

/// Central moment discrepancy of `x` and `y` `[batch, dim]`: the distance of their means, and of their
/// central moments of order 2 to `n_moments` (Zellinger et al., ICLR 2017, as in thuiar/MMSA
/// `trains/singleTask/misc`).
pub fn central_moment_discrepancy(x: &Tensor, y: &Tensor, n_moments: i64) -> Tensor {
    let mean = |x: &Tensor| x.mean_dim(0, false, x.kind());
    let distance = |x: &Tensor, y: &Tensor| length(&(x - y));
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (centred_x, centred_y) = (x - &mean_x, y - &mean_y);
    let moment = |x: &Tensor, order: i64| mean(&x.pow_tensor_scalar(order));
    (2..=n_moments)
        .map(|order| distance(&moment(&centred_x, order), &moment(&centred_y, order)))
        .fold(distance(&mean_x, &mean_y), |sum, term| sum + term)
}

/// The Euclidean norm of a vector. That of zeros has no slope, where the chain rule would give NaN: all central
/// moments of a single sample are 0, and so is their distance.
fn length(x: &Tensor) -> Tensor {
    let squares = x.square().sum(Kind::Float);
    let is_zero = squares.eq(0.0);
    squares.masked_fill(&is_zero, 1.0).sqrt().masked_fill(&is_zero, 0.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `[batch, 2]`.
    fn samples(values: &[[f32; 2]]) -> Tensor {
        Tensor::from_slice2(values)
    }

    fn near(found: &Tensor, expected: f64) {
        let found = found.double_value(&[]);
        assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
    }

    #[test]
    fn moments_are_compared_order_by_order() {
        let x = samples(&[[0.0, 0.0], [2.0, 4.0]]);
        let y = samples(&[[1.0, 2.0], [1.0, 2.0]]);
        // Equal means; of x, every centred feature is plus and minus 1 and 2.
        let of_order = |order: i32| (1.0 + 4.0_f64.powi(order)).sqrt();
        near(&central_moment_discrepancy(&x, &y, 2), of_order(2));
        near(&central_moment_discrepancy(&x, &y, 4), of_order(2) + of_order(4));
        let shifted = &y + samples(&[[3.0, 4.0]]);
        near(&central_moment_discrepancy(&y, &shifted, 5), 5.0);
    }

    #[test]
    fn moments_of_one_sample_have_a_gradient() {
        let x = samples(&[[1.0, 2.0]]).set_requires_grad(true);
        let y = samples(&[[4.0, 6.0]]);
        let discrepancy = central_moment_discrepancy(&x, &y, 5);
        near(&discrepancy, 5.0);
        discrepancy.backward();
        near(&x.grad().get(0).get(0), -0.6);
        near(&x.grad().get(0).get(1), -0.8);
        // Equal samples are at a minimum.
        let x = x.detach().set_requires_grad(true);
        central_moment_discrepancy(&x, &x.detach(), 5).backward();
        assert_eq!(Vec::<f32>::try_from(x.grad().view([-1])).unwrap(), [0.0, 0.0]);
    }

    #[test]
    fn mean_discrepancy_is_that_of_the_kernel() {
        let x = samples(&[[0.0, 0.0], [2.0, 0.0]]);
        let y = samples(&[[0.0, 2.0]]);
        // Mean squares over features, divided by their number again.
        let kernel = |squares: f64| (-squares / 4.0).exp();
        let own = 0.5 + 0.5 * kernel(4.0);
        let both = 0.5 * (kernel(4.0) + kernel(8.0));
        near(&maximum_mean_discrepancy(&x, &y), own + 1.0 - 2.0 * both);
        near(&maximum_mean_discrepancy(&x, &x), 0.0);
    }

    #[test]
    fn features_that_vary_together_overlap() {
        let x = samples(&[[1.0, 0.0], [-1.0, 0.0]]);
        // One of the four products is 2: both samples agree.
        near(&overlap(&x, &(3.0 * &x + 5.0)), 1.0);
        let other = samples(&[[1.0, 0.0], [1.0, 0.0]]);
        near(&overlap(&x, &other), 0.0);
        let x = x.set_requires_grad(true);
        overlap(&x.narrow(0, 0, 1), &other.narrow(0, 0, 1)).backward();
        assert!(bool::try_from(x.grad().isfinite().all()).unwrap());
    }
}
