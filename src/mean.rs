//! Mean, standard deviation and percentiles.

/// Number, mean and sample standard deviation (with n - 1) of the values that are not NaN; the
/// deviation of a single value, and both of no values, are NaN.
pub(crate) fn mean_std(values: impl IntoIterator<Item = f64>) -> (usize, f64, f64) {
    let values: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len(), mean, (square / (n - 1.0)).sqrt())
}

/// The percentile of sorted values for a share, with linear interpolation; NaN for no values.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_interpolate() {
        assert_eq!(percentile(&[1.0, 2.0, 3.0], 0.25), 1.5);
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn means_leave_out_what_is_no_number() {
        assert_eq!(mean_std([1.0, f64::NAN, 3.0]), (2, 2.0, 2.0_f64.sqrt()));
        let (n, mean, std) = mean_std([5.0]);
        assert!((n, mean) == (1, 5.0) && std.is_nan());
        assert!(mean_std([]).1.is_nan());
    }
}
