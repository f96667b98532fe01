//! The metrics of the field, with MMSA's names and the exact arithmetic of the published metric
//! code (Haoyu-ha/ALMT `core/metric.py`). One file per metric, each with its conventions.
//!
//! All of them are computed over a whole split, never as a mean over batches. Only `table` defines
//! their names and directions.

mod acc;
mod corr;
mod f1;
mod mae;
mod table;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use table::{
    Better, CMU, CORR, MAE, Metric, SIMS, coarsest_accuracy, find, finest_accuracy, of,
};

pub use corr::pearson;

use crate::corpus::label::{BinScheme, Bins};

/// Metrics of one split by name, in the order in which papers list them.
///
/// A metric that is not defined on the data (a correlation with a constant, an accuracy over no
/// sample) is NaN, and `null` in JSON. Of a run of another version, names that this one does not know
/// are kept.
#[derive(Debug, Clone, Default, PartialEq, JsonSchema)]
#[schemars(transparent)]
pub struct Metrics {
    #[schemars(with = "BTreeMap<String, Option<f64>>")]
    values: Vec<(Cow<'static, str>, f64)>,
}

impl Metrics {
    fn new<const N: usize>(metrics: &[Metric; N], values: [f64; N]) -> Metrics {
        let ids = metrics.iter().map(|metric| metric.id.into());
        Metrics { values: ids.zip(values).collect() }
    }

    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> + '_ {
        self.values.iter().map(|(name, value)| (&**name, *value))
    }

    /// One value; NaN if absent.
    pub fn get(&self, name: &str) -> f64 {
        self.iter().find(|(known, _)| *known == name).map_or(f64::NAN, |(_, value)| value)
    }
}

/// The metric names of a bin scheme, in the order of [`Metrics`].
pub fn names(scheme: BinScheme) -> Vec<&'static str> {
    of(scheme).iter().map(|metric| metric.id).collect()
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Metrics, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Metrics;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("metrics by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metrics, A::Error> {
                let mut values = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Option<f64>>()? {
                    let name = find(&name).map_or(name.into(), |metric| metric.id.into());
                    values.push((name, value.unwrap_or(f64::NAN)));
                }
                Ok(Metrics { values })
            }
        }
        deserializer.deserialize_map(Values)
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len()))?;
        for (name, value) in &self.values {
            map.serialize_entry(name, &value.is_finite().then_some(value))?;
        }
        map.end()
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.values.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        self.values.iter().try_for_each(|(name, value)| writeln!(f, "{name:<width$}  {value:.4}"))
    }
}

/// All metrics of predictions against labels, `[n_samples]` each.
///
/// CMU: `Has0_*` over all samples, negative against non-negative; `Non0_*` over samples with a nonzero
/// label. The published code fails if every label is zero; here those two are NaN. CH-SIMS: predictions
/// and labels are clipped to [-1, 1] first, also for `MAE` and `Corr`; `F1_score_swapped` is the
/// weighted F1 with prediction and truth exchanged, which the published CH-SIMS table contained before
/// its authors corrected it.
///
/// # Panics
/// `pred` and `label` differ in length, which is a caller's error.
pub fn evaluate(scheme: BinScheme, pred: &[f32], label: &[f32]) -> Metrics {
    assert_eq!(pred.len(), label.len(), "one prediction per label");
    match scheme {
        BinScheme::Cmu => cmu(pred, label),
        BinScheme::Sims => sims(pred, label),
    }
}

fn classes(scheme: BinScheme, bins: Bins, values: &[f32]) -> Vec<i8> {
    values.iter().map(|value| scheme.class(bins, *value)).collect()
}

/// The values of [`CMU`].
fn cmu(pred: &[f32], label: &[f32]) -> Metrics {
    let of = |bins, values: &[f32]| classes(BinScheme::Cmu, bins, values);
    let has0 = (of(Bins::Acc2Has0, pred), of(Bins::Acc2Has0, label));
    // A prediction of exactly zero counts as negative here; only the label decides which samples count.
    let positive = |value: f32| i8::from(value > 0.0);
    let kept = || pred.iter().zip(label).filter(|(_, label)| **label != 0.0);
    let non0: (Vec<i8>, Vec<i8>) = kept().map(|(p, l)| (positive(*p), positive(*l))).unzip();
    let acc = |bins| acc::accuracy(&of(bins, pred), &of(bins, label));
    let values = [
        acc::accuracy(&has0.0, &has0.1),
        f1::weighted(&has0.0, &has0.1),
        acc::accuracy(&non0.0, &non0.1),
        f1::weighted(&non0.0, &non0.1),
        acc(Bins::Acc3),
        acc(Bins::Acc5),
        acc(Bins::Acc7),
        mae::mean_absolute_error(pred, label),
        corr::pearson(pred, label),
    ];
    Metrics::new(&CMU, values)
}

/// Labels or predictions for MAE and correlation: clipped to [-1, 1] for CH-SIMS.
pub fn clipped(scheme: BinScheme, values: &[f32]) -> Cow<'_, [f32]> {
    match scheme {
        BinScheme::Cmu => values.into(),
        BinScheme::Sims => values.iter().map(|value| value.clamp(-1.0, 1.0)).collect(),
    }
}

/// The values of [`SIMS`].
fn sims(pred: &[f32], label: &[f32]) -> Metrics {
    let [pred, label] = [pred, label].map(|values| clipped(BinScheme::Sims, values));
    let of = |bins, values: &[f32]| classes(BinScheme::Sims, bins, values);
    let acc = |bins| acc::accuracy(&of(bins, &pred), &of(bins, &label));
    let two = (of(Bins::Acc2, &pred), of(Bins::Acc2, &label));
    let values = [
        acc(Bins::Acc2),
        acc(Bins::Acc3),
        acc(Bins::Acc5),
        f1::weighted(&two.0, &two.1),
        f1::weighted(&two.1, &two.0),
        mae::mean_absolute_error(&pred, &label),
        corr::pearson(&pred, &label),
    ];
    Metrics::new(&SIMS, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_another_version_keep_their_place_and_null_is_nan() {
        let json = r#"{"MAE":1.0,"Median":0.5,"Corr":null}"#;
        let metrics: Metrics = serde_json::from_str(json).unwrap();
        let names: Vec<&str> = metrics.iter().map(|(name, _)| name).collect();
        assert_eq!((names, metrics.get("Median")), (vec!["MAE", "Median", "Corr"], 0.5));
        assert!(metrics.get("Corr").is_nan() && metrics.get("Acc").is_nan());
        assert_eq!(serde_json::to_string(&metrics).unwrap(), json);
        assert!(serde_json::from_str::<Metrics>(r#"{"MAE": "low"}"#).is_err());
    }

    #[test]
    fn all_zero_labels_give_nan_and_null_not_a_crash() {
        let metrics = evaluate(BinScheme::Cmu, &[0.5, -0.5], &[0.0, 0.0]);
        assert!(metrics.get("Non0_acc_2").is_nan());
        let json = serde_json::to_value(&metrics).unwrap();
        assert!(json["Non0_acc_2"].is_null());
        assert_eq!(json["Has0_acc_2"], 0.5);
    }

    #[test]
    fn swapped_f1_weighs_classes_by_the_predictions() {
        let metrics = evaluate(BinScheme::Sims, &[0.5, 0.5, 0.5, 0.5], &[0.2, -0.2, -0.4, -0.4]);
        // Only the positive class is ever right: F1 0.4, weight 1/4 among labels, 1 among predictions.
        assert!((metrics.get("F1_score") - 0.1).abs() < 1e-15);
        assert!((metrics.get("F1_score_swapped") - 0.4).abs() < 1e-15);
    }
}
