//! Figure 7: the error on training and validation split over the epochs.

use std::fmt::Write;

use serde::Serialize;

use super::shown;
use crate::corpus::SplitName;
use crate::mean::mean_std;
use crate::report::chart::{Axis, Chart};
use crate::report::figure::{Figure, Mark};
use crate::run::metrics::MAE;
use crate::run::record::EpochRecord;

/// Epochs of several seeds.
#[derive(Debug, Clone)]
pub struct Convergence {
    /// One list per seed.
    pub runs: Vec<Vec<EpochRecord>>,
}

/// The error on one split after, or of training during, one epoch.
#[derive(Debug, Clone, Serialize)]
pub struct ConvergenceLine {
    /// The split.
    pub split: SplitName,
    /// Counted from 1.
    pub epoch: usize,
    /// Number of seeds.
    pub n_runs: usize,
    /// Mean absolute error, the mean over seeds.
    pub mean: f64,
    /// Sample standard deviation over seeds; NaN of one.
    pub std: f64,
}

/// The curves: split, class of the marks, heading, error of an epoch.
type Curve = (SplitName, &'static str, &'static str, fn(&EpochRecord) -> f64);

const CURVES: [Curve; 2] = [
    (SplitName::Train, "train", "(a) training split", |epoch| epoch.train_mae),
    (SplitName::Valid, "valid", "(b) validation split", |epoch| epoch.valid.get(MAE.id)),
];

impl Convergence {
    /// A line per split and epoch.
    pub fn lines(&self) -> Vec<ConvergenceLine> {
        let n_epochs = self.runs.iter().map(Vec::len).max().unwrap_or(0);
        let mut lines = Vec::new();
        for (split, _, _, value) in CURVES {
            for idx in 0..n_epochs {
                let values = self.runs.iter().filter_map(|run| run.get(idx)).map(value);
                let (n_runs, mean, std) = mean_std(values);
                lines.push(ConvergenceLine { split, epoch: idx + 1, n_runs, mean, std });
            }
        }
        lines
    }

    /// A page: where the curves end and where they are lowest.
    pub fn markdown(&self, title: &str, about: &str) -> String {
        let mut text = format!(
            "# {title}\n\n{about} The error on the training split is that of each step before it, over \
             the epoch. The paper's own curves are not printed in its text.\n\n\
             ![error over the epochs](fig7.svg)\n\n\
             | split | first epoch | last epoch | lowest | in epoch |\n|---|---|---|---|---|\n"
        );
        for (split, _, _, value) in CURVES {
            let errors = |run: &Vec<EpochRecord>| run.iter().map(value).collect::<Vec<f64>>();
            let runs: Vec<Vec<f64>> = self.runs.iter().map(errors).collect();
            let over_seeds = |of_run: &dyn Fn(&Vec<f64>) -> f64| {
                let (_, mean, std) = mean_std(runs.iter().map(of_run));
                (mean, std)
            };
            let cell = |of_run: &dyn Fn(&Vec<f64>) -> f64| {
                let (mean, std) = over_seeds(of_run);
                shown(mean, std)
            };
            let first = cell(&|run| run.first().copied().unwrap_or(f64::NAN));
            let last = cell(&|run| run.last().copied().unwrap_or(f64::NAN));
            let lowest = |run: &Vec<f64>| run.iter().copied().fold(f64::NAN, f64::min);
            let (epoch, _) = over_seeds(&|run| {
                let found = run.iter().position(|error| *error == lowest(run));
                found.map_or(f64::NAN, |idx| idx as f64 + 1.0)
            });
            let lowest = cell(&lowest);
            let _ = writeln!(text, "| {split} | {first} | {last} | {lowest} | {epoch:.0} |");
        }
        text
    }

    /// The curves as a picture.
    pub fn svg(&self, title: &str, dataset: &str) -> String {
        let lines = self.lines();
        let panels = CURVES.map(|(split, class, heading, value)| {
            let of_split = || lines.iter().filter(|line| line.split == split);
            let band: Vec<(f64, f64, f64)> = of_split()
                .filter(|line| !line.std.is_nan())
                .map(|line| {
                    let (epoch, low) = (line.epoch as f64, (line.mean - line.std).max(0.0));
                    (epoch, low, line.mean + line.std)
                })
                .collect();
            let edges = band.iter().flat_map(|(_, low, high)| [*low, *high]);
            let y = Axis::around(MAE.title, of_split().map(|line| line.mean).chain(edges));
            let x = Axis::counting("epoch", of_split().map(|line| line.epoch as f64));
            let mut chart = Chart::new(x, y);
            chart.band(class, &band);
            if self.runs.len() > 1 {
                for run in &self.runs {
                    let points = run.iter().map(|epoch| (epoch.epoch as f64, value(epoch)));
                    chart.line(&format!("{class} thin"), &points.collect::<Vec<_>>(), "one seed");
                }
            }
            let mean = of_split().map(|line| (line.epoch as f64, line.mean));
            chart.line(&format!("{class} mean"), &mean.collect::<Vec<_>>(), "mean");
            (heading.to_owned(), chart.finish(heading))
        });
        let n_runs = self.runs.len();
        let about = match n_runs {
            1 => format!("{dataset}: one seed."),
            _ => format!(
                "{dataset}: the thick line is the mean of {n_runs} seeds, the band one standard \
                 deviation (n − 1) to each side, thin lines are single seeds."
            ),
        };
        let legend = [("train", "training split"), ("valid", "validation split")];
        let figure = Figure {
            title: title.into(),
            about,
            legend: legend.map(|(class, name)| (Mark::Line, class, name.into())).into(),
            panels: panels.into(),
            n_columns: 2,
        };
        figure.finish()
    }
}
