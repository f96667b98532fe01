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

pub use table::{Better, CORR, MAE, Metric, coarsest_accuracy, find, finest_accuracy, of};

pub use corr::pearson;

use crate::corpus::label::{Bins, LabelScale};

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
    fn new(scale: LabelScale<'_>, values: impl IntoIterator<Item = f64>) -> Metrics {
        let ids = of(scale).into_iter().map(|metric| metric.id);
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

/// The metric names of a scale of labels, in the order of [`Metrics`].
pub fn names(scale: LabelScale<'_>) -> Vec<Cow<'static, str>> {
    of(scale).into_iter().map(|metric| metric.id).collect()
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
                    let name = find(&name).map_or(name.into(), |metric| metric.id);
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
/// its authors corrected it. Datasets of one's own: `Has0_*` and `Non0_*` as for CMU, if there is a
/// neutral value, which takes the place of zero; and an accuracy per binning scheme.
///
/// # Panics
/// `pred` and `label` differ in length, which is a caller's error.
pub fn evaluate(scale: LabelScale<'_>, pred: &[f32], label: &[f32]) -> Metrics {
    assert_eq!(pred.len(), label.len(), "one prediction per label");
    match scale {
        LabelScale::Sims => sims(pred, label),
        LabelScale::Cmu | LabelScale::Own(_) => of_sides(scale, pred, label),
    }
}

fn classes(scale: LabelScale<'_>, bins: Bins, values: &[f32]) -> Vec<i8> {
    values.iter().map(|value| scale.class(bins, *value)).collect()
}

/// The values of a scale whose labels are on two sides of a neutral one, if it has that: all but that of
/// CH-SIMS.
fn of_sides(scale: LabelScale<'_>, pred: &[f32], label: &[f32]) -> Metrics {
    let of = |bins, values: &[f32]| classes(scale, bins, values);
    let mut values = Vec::new();
    if let Some(neutral) = scale.neutral() {
        let has0 = (of(Bins::Acc2Has0, pred), of(Bins::Acc2Has0, label));
        // A prediction of exactly zero counts as negative here; only the label decides which samples
        // count.
        let positive = |value: f32| i8::from(value > neutral);
        let kept = || pred.iter().zip(label).filter(|(_, label)| **label != neutral);
        let non0: (Vec<i8>, Vec<i8>) = kept().map(|(p, l)| (positive(*p), positive(*l))).unzip();
        for (pred, label) in [has0, non0] {
            values.extend([acc::accuracy(&pred, &label), f1::weighted(&pred, &label)]);
        }
    }
    let bins = scale.bins();
    let others = bins.iter().filter(|bins| !table::is_of_neutral(**bins));
    values.extend(others.map(|bins| acc::accuracy(&of(*bins, pred), &of(*bins, label))));
    values.extend([mae::mean_absolute_error(pred, label), corr::pearson(pred, label)]);
    Metrics::new(scale, values)
}

/// Labels or predictions for MAE and correlation: clipped to [-1, 1] for CH-SIMS.
pub fn clipped<'a>(scale: LabelScale<'_>, values: &'a [f32]) -> Cow<'a, [f32]> {
    match scale {
        LabelScale::Cmu | LabelScale::Own(_) => values.into(),
        LabelScale::Sims => values.iter().map(|value| value.clamp(-1.0, 1.0)).collect(),
    }
}

/// The values of CH-SIMS.
fn sims(pred: &[f32], label: &[f32]) -> Metrics {
    let scale = LabelScale::Sims;
    let [pred, label] = [pred, label].map(|values| clipped(scale, values));
    let of = |bins, values: &[f32]| classes(scale, bins, values);
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
    Metrics::new(scale, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::scale::OwnScale;

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
        let metrics = evaluate(LabelScale::Cmu, &[0.5, -0.5], &[0.0, 0.0]);
        assert!(metrics.get("Non0_acc_2").is_nan());
        let json = serde_json::to_value(&metrics).unwrap();
        assert!(json["Non0_acc_2"].is_null());
        assert_eq!(json["Has0_acc_2"], 0.5);
    }

    #[test]
    fn a_neutral_value_of_ones_own_takes_the_place_of_zero() {
        let text = "range = [1, 5]\nneutral = 3\n[bins.stars]\nedges = [1.5, 2.5, 3.5, 4.5]\n";
        let own = OwnScale::of_toml(text).unwrap();
        let (pred, label) = ([3.0, 2.0, 4.6, 7.0], [3.0, 4.0, 5.0, 5.0]);
        let found = evaluate(LabelScale::Own(&own), &pred, &label);
        // As for labels around 0 of CMU, which are these less 3.
        let moved = |values: [f32; 4]| values.map(|value| value - 3.0);
        let cmu = evaluate(LabelScale::Cmu, &moved(pred), &moved(label));
        for name in ["Has0_acc_2", "Has0_F1_score", "Non0_acc_2", "Non0_F1_score", "MAE"] {
            assert!((found.get(name) - cmu.get(name)).abs() < 1e-6, "{name}");
        }
        assert_eq!((found.get("Non0_acc_2"), found.get("acc_stars")), (2.0 / 3.0, 0.75));
        assert!(found.iter().map(|(name, _)| name).eq([
            "Has0_acc_2",
            "Has0_F1_score",
            "Non0_acc_2",
            "Non0_F1_score",
            "acc_stars",
            "MAE",
            "Corr"
        ]));
    }

    #[test]
    fn swapped_f1_weighs_classes_by_the_predictions() {
        let metrics = evaluate(LabelScale::Sims, &[0.5, 0.5, 0.5, 0.5], &[0.2, -0.2, -0.4, -0.4]);
        // Only the positive class is ever right: F1 0.4, weight 1/4 among labels, 1 among predictions.
        assert!((metrics.get("F1_score") - 0.1).abs() < 1e-15);
        assert!((metrics.get("F1_score_swapped") - 0.4).abs() < 1e-15);
    }
}
