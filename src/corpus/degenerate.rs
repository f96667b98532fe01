//! Detects predictions that are nearly constant.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::label::{EXCLUDED, LabelScale};

/// Share of predictions in one class above which they no longer distinguish segments.
const MOST_IN_ONE_CLASS: f64 = 0.99;

/// Standard deviation, relative to the largest label, below which predictions are nearly equal.
const LEAST_DEVIATION: f64 = 0.01;

/// Predictions of fewer segments may be in one class by chance.
const FEWEST: usize = 10;

/// How predictions are the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Degenerate {
    /// The division into classes, as the columns of a store call it.
    pub bins: String,
    /// The class that most predictions are in.
    pub class: String,
    /// The share of predictions in it.
    pub share: f64,
    /// The share of labels in it, where there are labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_of_labels: Option<f64>,
    /// Standard deviation of the predictions.
    pub deviation: f64,
}

impl fmt::Display for Degenerate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Degenerate { bins, class, share, share_of_labels, deviation } = self;
        write!(
            f,
            "{:.1}% of the predictions are in one class (`{class}` of {bins}",
            share * 100.0
        )?;
        if let Some(share) = share_of_labels {
            write!(f, ", which has {:.1}% of the labels", share * 100.0)?;
        }
        write!(f, "), with a standard deviation of {deviation:.4}")
    }
}

impl Degenerate {
    /// Checks whether predictions distinguish segments. `labels` are those of the same segments; NaNs
    /// are ignored.
    pub fn find(scale: LabelScale<'_>, predictions: &[f32], labels: &[f32]) -> Option<Degenerate> {
        if predictions.len() < FEWEST {
            return None;
        }
        let deviation = deviation(predictions);
        let bins = scale.bins();
        let most = bins.iter().filter_map(|bins| {
            let classes = |values: &[f32]| {
                let mut counts: BTreeMap<i8, usize> = BTreeMap::new();
                for value in values {
                    *counts.entry(scale.class(*bins, *value)).or_default() += 1;
                }
                counts.remove(&EXCLUDED);
                counts
            };
            let (class, n) = classes(predictions).into_iter().max_by_key(|(_, n)| *n)?;
            let of_labels = classes(labels);
            let n_labels: usize = of_labels.values().sum();
            let share_of_labels = (n_labels > 0)
                .then(|| of_labels.get(&class).copied().unwrap_or(0) as f64 / n_labels as f64);
            let names = scale.class_names(*bins);
            Some(Degenerate {
                bins: bins.name().into(),
                class: usize::try_from(class).ok().and_then(|idx| names.get(idx))?.to_string(),
                share: n as f64 / predictions.len() as f64,
                share_of_labels,
                deviation,
            })
        });
        let all: Vec<Degenerate> = most.collect();
        // If all labels are in one class, the predictions may be, too.
        let in_one_class = all.iter().find(|it| {
            let labels_are_not = it.share_of_labels.is_none_or(|share| share <= MOST_IN_ONE_CLASS);
            it.share > MOST_IN_ONE_CLASS && labels_are_not
        });
        let is_flat = deviation < LEAST_DEVIATION * f64::from(scale.reach());
        let whole = || {
            let [low, high] = scale.range()?;
            let (bins, class) = ("range".into(), format!("[{low}, {high}]"));
            Some(Degenerate { bins, class, share: 1.0, share_of_labels: None, deviation })
        };
        match (in_one_class, is_flat) {
            (Some(found), _) => Some(found.clone()),
            (None, true) => all.first().cloned().or_else(whole),
            (None, false) => None,
        }
    }
}

fn deviation(values: &[f32]) -> f64 {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / n;
    (values.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_class_and_one_value_are_found_and_other_predictions_are_not() {
        let labels: Vec<f32> = (0..200).map(|idx| (idx % 7) as f32 - 3.0).collect();
        let find = |predictions: &[f32]| Degenerate::find(LabelScale::Cmu, predictions, &labels);
        assert_eq!(find(&labels), None);
        let positive: Vec<f32> = (0..200).map(|idx| 0.1 + (idx % 29) as f32 / 10.0).collect();
        let found = find(&positive).unwrap();
        assert_eq!((&*found.bins, &*found.class, found.share), ("acc_2_has0", "0 and above", 1.0));
        assert!(found.share_of_labels.unwrap() < 0.6);
        // One differing prediction does not matter, two of a hundred do.
        let mut nearly = positive.clone();
        nearly[0] = -1.0;
        assert!(find(&nearly).is_some());
        nearly[1..5].fill(-1.0);
        assert_eq!(find(&nearly), None);
        // Two values are not constant; two nearly equal ones on both sides of a limit are.
        let two: Vec<f32> = (0..200).map(|idx| if idx % 2 == 0 { 0.6 } else { -0.6 }).collect();
        assert_eq!(find(&two), None);
        let flat: Vec<f32> = (0..200).map(|idx| if idx % 2 == 0 { 1e-3 } else { -1e-3 }).collect();
        assert!(find(&flat).is_some_and(|it| it.deviation < 2e-3));
    }

    #[test]
    fn labels_of_one_class_excuse_predictions_of_it_but_not_of_one_value() {
        let labels = [1.0; 50];
        let varied: Vec<f32> = (0..50).map(|idx| 0.6 + idx as f32 / 60.0).collect();
        assert_eq!(Degenerate::find(LabelScale::Cmu, &varied, &labels), None);
        assert!(Degenerate::find(LabelScale::Cmu, &[1.0; 50], &labels).is_some());
        // Without labels.
        let unlabelled = Degenerate::find(LabelScale::Sims, &[0.3; 50], &[]).unwrap();
        assert_eq!(unlabelled.share_of_labels, None);
        assert!(unlabelled.to_string().starts_with("100.0% of the predictions are in one class ("));
    }
}
