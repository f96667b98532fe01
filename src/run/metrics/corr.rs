//! Pearson correlation. Higher is better; only the caller clips values.

/// Correlation in float64; NaN if one side is constant, as with `numpy.corrcoef`.
pub fn pearson(pred: &[f32], label: &[f32]) -> f64 {
    let n = label.len() as f64;
    let mean = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let (mean_pred, mean_label) = (mean(pred), mean(label));
    let (mut cross, mut square_pred, mut square_label) = (0.0, 0.0, 0.0);
    for (pred, label) in pred.iter().zip(label) {
        let (p, l) = (f64::from(*pred) - mean_pred, f64::from(*label) - mean_label);
        cross += p * l;
        square_pred += p * p;
        square_label += l * l;
    }
    // A constant side leaves a rounding residue around its mean, which must not yield a correlation.
    if is_constant(pred) || is_constant(label) {
        return f64::NAN;
    }
    (cross / square_pred.sqrt() / square_label.sqrt()).clamp(-1.0, 1.0)
}

fn is_constant(values: &[f32]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::pearson;

    #[test]
    fn is_one_for_a_line_and_nan_for_a_constant() {
        assert!((pearson(&[1.0, 2.0, 4.0], &[3.0, 5.0, 9.0]) - 1.0).abs() < 1e-15);
        assert!((pearson(&[1.0, 2.0], &[2.0, 1.0]) + 1.0).abs() < 1e-15);
        assert!(pearson(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]).is_nan());
        assert!(pearson(&[], &[]).is_nan());
    }
}
