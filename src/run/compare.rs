//! Tests whether two runs differ significantly on the segments that both predict.
//!
//! Both tests are paired: a segment that is hard for one model is hard for the other as well.

use std::borrow::Cow;
use std::path::PathBuf;

use rand::RngExt;
use schemars::JsonSchema;
use serde::Serialize;

use super::interval::Resampling;
use super::metrics::{self, CORR, Metrics};
use crate::corpus::SplitName;
use crate::corpus::label::LabelScale;
use crate::mean::percentile;

/// Two runs: `compare --json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Comparison {
    /// Folder of the first run.
    pub run_a: PathBuf,
    /// Folder of the second run.
    pub run_b: PathBuf,
    /// Which split.
    pub split: SplitName,
    /// Segments of the split.
    pub n_segments: usize,
    /// Rounds of the bootstrap and of the permutation test.
    pub n_resamples: usize,
    /// Seed of both.
    pub seed: u64,
    /// Metric by metric.
    pub metrics: Vec<Difference>,
}

impl Comparison {
    /// The JSON Schema of `compare --json`.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Comparison)
    }
}

/// One metric of two runs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Difference {
    /// Name of the metric.
    pub metric: Cow<'static, str>,
    /// Of the first run; `null` where it is not defined.
    #[schemars(with = "Option<f64>")]
    pub a: f64,
    /// Of the second run.
    #[schemars(with = "Option<f64>")]
    pub b: f64,
    /// `b - a`.
    #[schemars(with = "Option<f64>")]
    pub difference: f64,
    /// 95% confidence interval of the difference: percentiles over resampled segments.
    #[schemars(with = "[Option<f64>; 2]")]
    pub interval: [f64; 2],
    /// Share of random exchanges of the two predictions of each segment that make a difference at
    /// least as large, the observed one included (Phipson and Smyth, 2010). For the correlation, the
    /// predictions of each run are standardized first. `null` where the difference is not defined.
    #[schemars(with = "Option<f64>")]
    pub p_value: f64,
}

/// Compares predictions `a` and `b` of the same segments, `[n_segments]` each, by a paired bootstrap
/// and a paired permutation test, with all rounds for each.
///
/// # Panics
/// The lists differ in length, which is a caller's error.
pub fn compare(
    scale: LabelScale<'_>,
    labels: &[f32],
    a: &[f32],
    b: &[f32],
    resampling: &Resampling<'_>,
) -> Vec<Difference> {
    assert!(labels.len() == a.len() && a.len() == b.len(), "one prediction per segment and run");
    let n = labels.len();
    let values = |metrics: Metrics| metrics.iter().map(|(_, value)| value).collect::<Vec<f64>>();
    let differences = |labels: &[f32], a: &[f32], b: &[f32]| -> Vec<f64> {
        let (a, b) = (metrics::evaluate(scale, a, labels), metrics::evaluate(scale, b, labels));
        values(b).iter().zip(values(a)).map(|(b, a)| b - a).collect()
    };
    let bootstrap = resampling.run("compare/bootstrap", |rng| {
        let sample: Vec<usize> = (0..n).map(|_| rng.random_range(0..n)).collect();
        let pick = |of: &[f32]| sample.iter().map(|idx| of[*idx]).collect::<Vec<f32>>();
        differences(&pick(labels), &pick(a), &pick(b))
    });
    let truth = metrics::clipped(scale, labels);
    let [level_a, level_b] = [a, b].map(|pred| standardized(&metrics::clipped(scale, pred)));
    let corr_idx = metrics::names(scale).iter().position(|name| *name == CORR.id);
    let permuted = resampling.run("compare/permutation", |rng| {
        let is_exchanged: Vec<bool> = (0..n).map(|_| rng.random()).collect();
        let exchanged = |a: &[f32], b: &[f32]| -> (Vec<f32>, Vec<f32>) {
            let pairs = a.iter().zip(b).zip(&is_exchanged);
            pairs.map(|((a, b), swap)| if *swap { (*b, *a) } else { (*a, *b) }).unzip()
        };
        let (one, other) = exchanged(a, b);
        let mut differences = differences(labels, &one, &other);
        if let Some(corr) = corr_idx.and_then(|idx| differences.get_mut(idx)) {
            let (one, other) = exchanged(&level_a, &level_b);
            *corr = metrics::pearson(&other, &truth) - metrics::pearson(&one, &truth);
        }
        differences
    });
    let (of_a, of_b) = (metrics::evaluate(scale, a, labels), metrics::evaluate(scale, b, labels));
    metrics::names(scale)
        .into_iter()
        .zip(of_a.iter().zip(of_b.iter()))
        .enumerate()
        .map(|(metric_idx, (metric, ((_, a), (_, b))))| {
            let difference = b - a;
            let column = |rounds: &[Vec<f64>]| -> Vec<f64> {
                let column = rounds.iter().map(|round| round[metric_idx]);
                column.filter(|value| !value.is_nan()).collect()
            };
            let mut resampled = column(&bootstrap);
            resampled.sort_by(f64::total_cmp);
            let permuted = column(&permuted);
            // Sums in another order differ in their last bits.
            let least = difference.abs() * (1.0 - 1e-12);
            let n_extreme = permuted.iter().filter(|value| value.abs() >= least).count();
            let p_value = match difference.is_nan() {
                true => f64::NAN,
                false => (n_extreme + 1) as f64 / (permuted.len() + 1) as f64,
            };
            let interval = [percentile(&resampled, 0.025), percentile(&resampled, 0.975)];
            Difference { metric, a, b, difference, interval, p_value }
        })
        .collect()
}

/// Predictions standardised to mean 0 and deviation 1, with the same correlations. Two runs differ in
/// both, which alone would lower the correlation of a mixture of their raw predictions.
fn standardized(pred: &[f32]) -> Vec<f32> {
    let n = pred.len().max(1) as f64;
    let mean = pred.iter().map(|value| f64::from(*value)).sum::<f64>() / n;
    let square = pred.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / n;
    pred.iter().map(|value| ((f64::from(*value) - mean) / square.sqrt()) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<f32> {
        (0..200).map(|i| (i % 61) as f32 / 10.0 - 3.0).collect()
    }

    fn shifted(labels: &[f32], by: impl Fn(usize) -> f32) -> Vec<f32> {
        labels.iter().enumerate().map(|(i, label)| label + by(i)).collect()
    }

    fn find<'a>(found: &'a [Difference], metric: &str) -> &'a Difference {
        found.iter().find(|each| each.metric == metric).unwrap()
    }

    #[test]
    fn a_run_does_not_differ_from_itself() {
        let labels = labels();
        let pred = shifted(&labels, |i| (i % 7) as f32 / 10.0);
        for each in compare(LabelScale::Cmu, &labels, &pred, &pred, &Resampling::new(99, 1)) {
            assert_eq!((each.difference, each.interval, each.p_value), (0.0, [0.0, 0.0], 1.0));
        }
    }

    #[test]
    fn a_better_run_is_told_from_a_worse_one_and_the_result_repeats() {
        let labels = labels();
        let a = shifted(&labels, |i| if i % 2 == 0 { 0.8 } else { -0.8 });
        let b = shifted(&labels, |i| if i % 2 == 0 { 0.1 } else { -0.1 });
        let found = compare(LabelScale::Cmu, &labels, &a, &b, &Resampling::new(999, 1));
        let mae = find(&found, "MAE");
        assert!((mae.difference + 0.7).abs() < 1e-6);
        assert!(mae.interval[1] < -0.6 && mae.p_value == 0.001, "{mae:?}");
        let again = compare(LabelScale::Cmu, &labels, &a, &b, &Resampling::new(999, 1));
        assert_eq!(find(&again, "Corr").interval, find(&found, "Corr").interval);
    }

    /// A run with small predictions can correlate as well as one with large ones.
    #[test]
    fn the_scale_of_a_run_has_no_part_in_the_test_of_its_correlation() {
        let labels = labels();
        let noise = |i: usize, salt: usize| ((i * 7919 + salt) % 101) as f32 / 50.0 - 1.0;
        let a = shifted(&labels, |i| 2.0 * noise(i, 13));
        let b: Vec<f32> = shifted(&labels, |i| 0.3 * noise(i, 57));
        let small: Vec<f32> = b.iter().map(|value| 0.02 * value + 0.3).collect();
        for b in [&b, &small] {
            let found = compare(LabelScale::Cmu, &labels, &a, b, &Resampling::new(999, 1));
            let corr = find(&found, "Corr");
            assert!(corr.interval[0] > 0.0 && corr.p_value == 0.001, "{corr:?}");
        }
    }

    #[test]
    fn noise_around_zero_is_no_difference() {
        let labels = labels();
        let noise = |salt: usize| move |i: usize| (((i * 7919 + salt) % 101) as f32 - 50.0) / 100.0;
        let (a, b) = (shifted(&labels, noise(13)), shifted(&labels, noise(57)));
        let found = compare(LabelScale::Cmu, &labels, &a, &b, &Resampling::new(999, 1));
        let mae = find(&found, "MAE");
        assert!(mae.interval[0] < 0.0 && mae.interval[1] > 0.0 && mae.p_value > 0.05, "{mae:?}");
    }
}
