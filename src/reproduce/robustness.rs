//! How a model's error grows as its inputs get worse.

use std::fmt::Write;

use serde::Serialize;

use crate::mean::mean_std;
use crate::train::corrupt::Corruption;
use crate::train::metrics::Metrics;

/// One model on inputs made worse in one way.
#[derive(Debug, Clone)]
pub struct RobustnessPoint {
    /// What was done; `None` for the inputs as they are.
    pub corruption: Option<Corruption>,
    /// Seed of the model.
    pub seed: u64,
    /// Metrics on the test split.
    pub metrics: Metrics,
}

/// One metric of a point.
#[derive(Debug, Clone, Serialize)]
pub struct RobustnessLine {
    /// The modality; empty for the inputs as they are.
    pub modality: String,
    /// What was done to it; empty for the inputs as they are.
    pub kind: String,
    /// How much of it.
    pub amount: f32,
    /// Seed of the model.
    pub seed: u64,
    /// Name of the metric.
    pub metric: &'static str,
    /// Its value.
    pub value: f64,
}

impl RobustnessPoint {
    /// A point.
    pub fn new(corruption: Option<Corruption>, seed: u64, metrics: Metrics) -> RobustnessPoint {
        RobustnessPoint { corruption, seed, metrics }
    }

    /// One line per point and metric.
    pub fn lines(points: &[RobustnessPoint]) -> Vec<RobustnessLine> {
        let lines = points.iter().flat_map(|point| {
            point.metrics.iter().map(move |(metric, value)| RobustnessLine {
                modality: point.corruption.map_or(String::new(), |it| it.modality.to_string()),
                kind: point.corruption.map_or(String::new(), |it| it.kind.to_string()),
                amount: point.corruption.map_or(0.0, |it| it.amount),
                seed: point.seed,
                metric,
                value,
            })
        });
        lines.collect()
    }

    /// A table of the error and of how much it grew, each the mean over seeds.
    pub fn markdown(points: &[RobustnessPoint], about: &str) -> String {
        let mut text = format!(
            "# Robustness: inputs made worse\n\n{about} MAE with its standard deviation over seeds; \
             growth is the mean difference to the same seed on the inputs as they are.\n\n\
             | inputs | MAE | growth |\n|---|---|---|\n"
        );
        let mae = |point: &RobustnessPoint| point.metrics.get("MAE");
        let clean = |seed| {
            let found = points.iter().find(|it| it.corruption.is_none() && it.seed == seed);
            found.map_or(f64::NAN, mae)
        };
        for of_one in points.chunk_by(|one, next| one.corruption == next.corruption) {
            let name = of_one[0].corruption.map_or("as they are".into(), |it| it.to_string());
            let (_, mean_mae, std) = mean_std(of_one.iter().map(mae));
            let growth = of_one.iter().map(|it| mae(it) - clean(it.seed));
            let (_, mean_growth, _) = mean_std(growth);
            let shown = match std.is_nan() {
                true => format!("{mean_mae:.4}"),
                false => format!("{mean_mae:.4} ± {std:.4}"),
            };
            let _ = writeln!(text, "| {name} | {shown} | {mean_growth:+.4} |");
        }
        text
    }
}
