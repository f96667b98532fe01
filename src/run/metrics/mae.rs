//! Mean absolute error, in units of the label. Lower is better.

/// Mean of |pred - label| as numpy computes it: a float32 sum in pairwise order.
pub fn mean_absolute_error(pred: &[f32], label: &[f32]) -> f64 {
    let errors: Vec<f32> =
        pred.iter().zip(label).map(|(pred, label)| (pred - label).abs()).collect();
    f64::from(pairwise_sum(&errors) / errors.len() as f32)
}

/// numpy's summation (`pairwise_sum` in `loops_utils.h.src`): blocks of up to 128 values in eight
/// running sums, halves above that. Its rounding error only grows with log n.
fn pairwise_sum(values: &[f32]) -> f32 {
    const BLOCK: usize = 128;
    const LANES: usize = 8;
    if values.len() < LANES {
        return values.iter().fold(0.0, |sum, value| sum + value);
    }
    if values.len() > BLOCK {
        let half = values.len() / 2;
        let (left, right) = values.split_at(half - half % LANES);
        return pairwise_sum(left) + pairwise_sum(right);
    }
    let (lanes, rest) = values.split_at(values.len() - values.len() % LANES);
    let mut sums = [0.0_f32; LANES];
    for group in lanes.chunks_exact(LANES) {
        sums.iter_mut().zip(group).for_each(|(sum, value)| *sum += value);
    }
    let [a, b, c, d, e, f, g, h] = sums;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairwise_sum_stays_close_to_the_exact_sum() {
        let values: Vec<f32> = (0..100_000).map(|i| 0.1 + (i % 7) as f32).collect();
        let exact: f64 = values.iter().map(|value| f64::from(*value)).sum();
        assert!((f64::from(pairwise_sum(&values)) - exact).abs() < 1e-6 * exact);
    }

    #[test]
    fn is_the_mean_of_absolute_errors() {
        assert_eq!(mean_absolute_error(&[1.0, -1.0], &[0.0, 1.0]), 1.5);
        assert!(mean_absolute_error(&[], &[]).is_nan());
    }
}
