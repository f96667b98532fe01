//! Accuracy: the share of samples whose predicted class equals the true one. Higher is better.

/// Share of equal classes; NaN without samples. Excluded labels (-1) are compared like any other class:
/// callers filter samples first.
pub fn accuracy(pred: &[i8], label: &[i8]) -> f64 {
    let n_equal = pred.iter().zip(label).filter(|(pred, label)| pred == label).count();
    n_equal as f64 / label.len() as f64
}

#[cfg(test)]
mod tests {
    use super::accuracy;

    #[test]
    fn counts_equal_classes() {
        assert_eq!(accuracy(&[1, 0, 2, 2], &[1, 1, 2, 0]), 0.5);
        assert!(accuracy(&[], &[]).is_nan());
    }
}
