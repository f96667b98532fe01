//! Growth of a model's error as its inputs are corrupted.

use std::fmt::Write;

use serde::Serialize;

use super::shown;
use crate::corpus::Modality;
use crate::mean::mean_std;
use crate::report::chart::{Axis, Chart};
use crate::report::figure::{Figure, Mark};
use crate::run::metrics::{MAE, Metrics};
use crate::train::corrupt::{Corruption, CorruptionKind};

/// One model on inputs with one corruption.
#[derive(Debug, Clone)]
pub struct RobustnessPoint {
    /// The corruption; `None` for unchanged inputs.
    pub corruption: Option<Corruption>,
    /// Random seed of the model.
    pub seed: u64,
    /// Metrics on the test split.
    pub metrics: Metrics,
}

/// One metric of a point.
#[derive(Debug, Clone, Serialize)]
pub struct RobustnessLine {
    /// The modality; empty for unchanged inputs.
    pub modality: String,
    /// The kind of corruption; empty for unchanged inputs.
    pub kind: String,
    /// Its amount.
    pub amount: f32,
    /// Random seed of the model.
    pub seed: u64,
    /// Name of the metric.
    pub metric: String,
    /// Its value.
    pub value: f64,
}

impl RobustnessPoint {
    /// Creates a point.
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
                metric: metric.into(),
                value,
            })
        });
        lines.collect()
    }

    /// A table of the error and its growth, each averaged over seeds.
    pub fn markdown(points: &[RobustnessPoint], about: &str) -> String {
        let mut text = format!(
            "# Robustness: inputs made worse\n\n{about} MAE with its standard deviation over seeds; \
             growth is the mean difference to the same seed on the inputs as they are.\n\n\
             ![error by corruption](robustness.svg)\n\n\
             | inputs | MAE | growth |\n|---|---|---|\n"
        );
        let mae = |point: &RobustnessPoint| point.metrics.get(&MAE.id);
        let clean = |seed| {
            let found = points.iter().find(|it| it.corruption.is_none() && it.seed == seed);
            found.map_or(f64::NAN, mae)
        };
        for of_one in points.chunk_by(|one, next| one.corruption == next.corruption) {
            let name = of_one[0].corruption.map_or("as they are".into(), |it| it.to_string());
            let (_, mean_mae, std) = mean_std(of_one.iter().map(mae));
            let growth = of_one.iter().map(|it| mae(it) - clean(it.seed));
            let (_, mean_growth, _) = mean_std(growth);
            let mae = shown(mean_mae, std);
            let _ = writeln!(text, "| {name} | {mae} | {mean_growth:+.4} |");
        }
        text
    }

    /// The error against the amount of each kind of corruption, with one panel per modality.
    pub fn svg(points: &[RobustnessPoint], dataset: &str) -> String {
        let mut panels = Vec::new();
        let seeds: std::collections::BTreeSet<u64> = points.iter().map(|it| it.seed).collect();
        for modality in Modality::ALL {
            let curves: Vec<(&str, Vec<Point>)> = KINDS
                .iter()
                .map(|(kind, class, _)| (*class, curve(points, modality, *kind)))
                .filter(|(_, curve)| curve.len() > 1)
                .collect();
            if curves.is_empty() {
                continue;
            }
            let all = || curves.iter().flat_map(|(_, curve)| curve);
            let ends = all().flat_map(|(_, mae, std)| {
                let std = if std.is_nan() { 0.0 } else { *std };
                [mae - std, mae + std]
            });
            let x = Axis::around("amount", all().map(|(amount, ..)| *amount));
            let mut chart = Chart::new(x, Axis::around(MAE.title, ends));
            for (class, curve) in &curves {
                let with_std = curve.iter().filter(|(.., std)| !std.is_nan());
                let band = with_std.map(|(x, mae, std)| (*x, mae - std, mae + std));
                chart.band(class, &band.collect::<Vec<_>>());
                let line: Vec<(f64, f64)> = curve.iter().map(|(x, mae, _)| (*x, *mae)).collect();
                chart.line(class, &line, class);
            }
            panels
                .push((modality.to_string(), chart.finish(&format!("MAE, {modality} made worse"))));
        }
        let n_runs = seeds.len();
        let bands = match n_runs {
            1 => "one seed".to_owned(),
            n => {
                format!("the mean of {n} seeds, bands are one standard deviation (n − 1) each way")
            }
        };
        let figure = Figure {
            title: "Robustness: inputs made worse".into(),
            about: format!(
                "{dataset}, test split: {bands}. The amount of noise is in standard deviations of the \
                 sample’s own values, that of the others a share."
            ),
            legend: KINDS.map(|(_, class, name)| (Mark::Line, class, name.into())).into(),
            panels,
            n_columns: 3,
        };
        figure.finish()
    }
}

const KINDS: [(CorruptionKind, &str, &str); 3] = [
    (CorruptionKind::Noise, "noise", "noise"),
    (CorruptionKind::Drop, "drop", "share of frames lost"),
    (CorruptionKind::Missing, "missing", "share of samples that lack the modality"),
];

/// Amount, mean error, and its deviation over seeds.
type Point = (f64, f64, f64);

/// The error for one kind of corruption, starting with unchanged inputs.
fn curve(points: &[RobustnessPoint], modality: Modality, kind: CorruptionKind) -> Vec<Point> {
    let of_curve = points.chunk_by(|one, next| one.corruption == next.corruption);
    let of_curve = of_curve.filter_map(|of_one| {
        let amount = match of_one[0].corruption {
            None => 0.0,
            Some(it) if (it.modality, it.kind) == (modality, kind) => it.amount,
            Some(_) => return None,
        };
        let (_, mae, std) = mean_std(of_one.iter().map(|point| point.metrics.get(&MAE.id)));
        Some((f64::from(amount), mae, std))
    });
    of_curve.collect()
}
