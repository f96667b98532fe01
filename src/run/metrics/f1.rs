//! Weighted F1: per-class F1, weighted by each class's share of the labels. Higher is better.
//!
//! A class that is neither predicted nor true contributes 0, as with scikit-learn's
//! `f1_score(average="weighted")`.

use std::collections::BTreeSet;

/// Weighted F1 over the classes of `label`; NaN without samples.
pub fn weighted(pred: &[i8], label: &[i8]) -> f64 {
    let classes: BTreeSet<i8> = label.iter().copied().collect();
    let sum: f64 = classes.into_iter().map(|class| one_class(pred, label, class)).sum();
    sum / label.len() as f64
}

/// F1 of one class times its number of labels.
fn one_class(pred: &[i8], label: &[i8], class: i8) -> f64 {
    let n_pred = pred.iter().filter(|p| **p == class).count();
    let n_label = label.iter().filter(|l| **l == class).count();
    let n_both = pred.iter().zip(label).filter(|(p, l)| **p == class && **l == class).count();
    n_label as f64 * (2 * n_both) as f64 / (n_pred + n_label) as f64
}

#[cfg(test)]
mod tests {
    use super::weighted;

    #[test]
    fn agrees_with_the_definition_on_a_small_case() {
        // Class 0: precision 1/2, recall 1; class 1: precision 1, recall 2/3.
        let expected = (1.0 * (2.0 / 3.0) + 3.0 * 0.8) / 4.0;
        assert!((weighted(&[0, 0, 1, 1], &[0, 1, 1, 1]) - expected).abs() < 1e-15);
    }

    #[test]
    fn a_class_that_is_only_predicted_has_no_weight() {
        assert_eq!(weighted(&[1, 1], &[0, 0]), 0.0);
    }
}
