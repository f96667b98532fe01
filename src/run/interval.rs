//! How far the metrics of one run depend on the segments that happen to be in its split.

use std::borrow::Cow;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rayon::prelude::*;

use super::metrics;
use crate::corpus::label::LabelScale;
use crate::mean::percentile;
use crate::seed::stream;

/// One metric of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Name of the metric.
    pub metric: Cow<'static, str>,
    /// Its value over all segments; NaN where it is not defined.
    pub value: f64,
    /// Its confidence interval: percentiles over resampled segments.
    pub interval: [f64; 2],
}

/// The rounds of a test that resamples segments.
pub struct Resampling<'a> {
    /// Number of rounds.
    pub n_rounds: usize,
    /// Random seed.
    pub seed: u64,
    /// Called before each round, by several threads. It may unwind to end the test: what other threads have
    /// left then unwinds at once, too.
    pub before_round: &'a (dyn Fn() + Sync),
}

impl Resampling<'_> {
    /// Rounds that nobody watches.
    pub fn new(n_rounds: usize, seed: u64) -> Resampling<'static> {
        Resampling { n_rounds, seed, before_round: &|| {} }
    }

    /// The results of all rounds. Each has a random stream of its own, so that the result does not depend
    /// on threading.
    pub(super) fn run<T: Send>(
        &self,
        test: &str,
        round: impl Fn(&mut ChaCha12Rng) -> T + Sync,
    ) -> Vec<T> {
        let rounds = (0..self.n_rounds).into_par_iter();
        rounds
            .map(|idx| {
                (self.before_round)();
                round(&mut stream(self.seed, &format!("{test}/{idx}")))
            })
            .collect()
    }
}

/// The metrics of predictions, `[n_segments]`, with confidence intervals of a `level` such as 0.95, from
/// a bootstrap over segments. Rounds in which a metric is not defined do not count for it.
///
/// # Panics
/// The lists differ in length, which is a caller's error.
pub fn intervals(
    scale: LabelScale<'_>,
    labels: &[f32],
    pred: &[f32],
    level: f64,
    resampling: &Resampling<'_>,
) -> Vec<Interval> {
    assert_eq!(labels.len(), pred.len(), "one prediction per label");
    let n = labels.len();
    let rounds: Vec<Vec<f64>> = resampling.run("interval", |rng| {
        let sample: Vec<usize> = (0..n).map(|_| rng.random_range(0..n)).collect();
        let pick = |of: &[f32]| sample.iter().map(|idx| of[*idx]).collect::<Vec<f32>>();
        let metrics = metrics::evaluate(scale, &pick(pred), &pick(labels));
        metrics.iter().map(|(_, value)| value).collect()
    });
    let tail = (1.0 - level) / 2.0;
    metrics::names(scale)
        .into_iter()
        .zip(metrics::evaluate(scale, pred, labels).iter())
        .enumerate()
        .map(|(metric_idx, (metric, (_, value)))| {
            let column = rounds.iter().map(|round| round[metric_idx]);
            let mut column: Vec<f64> = column.filter(|value| !value.is_nan()).collect();
            column.sort_by(f64::total_cmp);
            let interval = [percentile(&column, tail), percentile(&column, 1.0 - tail)];
            Interval { metric, value, interval }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_its_value_narrows_with_more_segments_and_repeats() {
        let labels = |n: usize| (0..n).map(|i| (i % 61) as f32 / 10.0 - 3.0).collect::<Vec<_>>();
        let width = |n: usize| {
            let labels = labels(n);
            let noise = |i: usize| ((i * 7919) % 101) as f32 / 50.0 - 1.0;
            let pred: Vec<f32> = labels.iter().enumerate().map(|(i, l)| l + noise(i)).collect();
            let found = intervals(LabelScale::Cmu, &labels, &pred, 0.95, &Resampling::new(200, 1));
            assert_eq!(
                found,
                intervals(LabelScale::Cmu, &labels, &pred, 0.95, &Resampling::new(200, 1))
            );
            let mae = found.into_iter().find(|each| each.metric == "MAE").unwrap();
            assert!(mae.interval[0] < mae.value && mae.value < mae.interval[1], "{mae:?}");
            mae.interval[1] - mae.interval[0]
        };
        assert!(width(1600) < 0.6 * width(100));
    }

    #[test]
    fn a_metric_that_is_never_defined_has_no_interval() {
        let found =
            intervals(LabelScale::Cmu, &[0.0, 0.0], &[0.5, -0.5], 0.95, &Resampling::new(20, 1));
        let non0 = found.iter().find(|each| each.metric == "Non0_acc_2").unwrap();
        assert!(non0.value.is_nan() && non0.interval.iter().all(|end| end.is_nan()));
    }
}
