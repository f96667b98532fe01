//! Figure 7: the error on the training and validation splits over the epochs.

use std::fmt::Write;

use serde::Serialize;

use super::{left_out, shown};
use crate::corpus::SplitName;
use crate::mean::mean_std;
use crate::report::chart::{Axis, Chart};
use crate::report::figure::{Figure, Mark};
use crate::run::metrics::MAE;
use crate::run::record::EpochRecord;

/// Epochs of several models.
#[derive(Debug, Clone)]
pub struct Convergence {
    /// ALMT first.
    pub models: Vec<ModelEpochs>,
    /// Models that these data cannot have, by the paper's name, and why.
    pub left_out: Vec<(String, String)>,
}

/// Epochs of a model over several seeds.
#[derive(Debug, Clone)]
pub struct ModelEpochs {
    /// The paper's name for it.
    pub name: String,
    /// One list per seed.
    pub runs: Vec<Vec<EpochRecord>>,
}

/// The error on one split after an epoch, or during it for training.
#[derive(Debug, Clone, Serialize)]
pub struct ConvergenceLine {
    /// The model.
    pub model: String,
    /// The split.
    pub split: SplitName,
    /// Counted from 1.
    pub epoch: usize,
    /// Number of seeds.
    pub n_runs: usize,
    /// Mean absolute error, the mean over seeds.
    pub mean: f64,
    /// Sample standard deviation over seeds; NaN for one seed.
    pub std: f64,
}

/// The curves: split, class of the marks, heading, an epoch's error.
type Curve = (SplitName, &'static str, &'static str, fn(&EpochRecord) -> f64);

const CURVES: [Curve; 2] = [
    (SplitName::Train, "train", "(a) training split", |epoch| epoch.train_mae),
    (SplitName::Valid, "valid", "(b) validation split", |epoch| epoch.valid.get(&MAE.id)),
];

/// Line classes of other models, in order.
const OTHERS: [&str; 3] = ["other-1", "other-2", "other-3"];

impl ModelEpochs {
    fn lines(&self) -> Vec<ConvergenceLine> {
        let n_epochs = self.runs.iter().map(Vec::len).max().unwrap_or(0);
        let mut lines = Vec::new();
        for (split, _, _, value) in CURVES {
            for idx in 0..n_epochs {
                let values = self.runs.iter().filter_map(|run| run.get(idx)).map(value);
                let (n_runs, mean, std) = mean_std(values);
                lines.push(ConvergenceLine {
                    model: self.name.clone(),
                    split,
                    epoch: idx + 1,
                    n_runs,
                    mean,
                    std,
                });
            }
        }
        lines
    }
}

impl Convergence {
    /// One line per model, split and epoch.
    pub fn lines(&self) -> Vec<ConvergenceLine> {
        self.models.iter().flat_map(ModelEpochs::lines).collect()
    }

    /// A page: the final and the lowest errors of the curves.
    pub fn markdown(&self, title: &str, about: &str) -> String {
        let mut text = format!(
            "# {title}\n\n{about} The error on the training split is that of each step before it, over \
             the epoch. The paper's own curves are not printed in its text.\n\n\
             ![error over the epochs](fig7.svg)\n\n\
             | model | split | first epoch | last epoch | lowest | in epoch |\n|---|---|---|---|---|---|\n"
        );
        let curves = self.models.iter().flat_map(|model| CURVES.map(|curve| (model, curve)));
        for (ModelEpochs { name, runs }, (split, _, _, value)) in curves {
            let errors = |run: &Vec<EpochRecord>| run.iter().map(value).collect::<Vec<f64>>();
            let runs: Vec<Vec<f64>> = runs.iter().map(errors).collect();
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
            let _ =
                writeln!(text, "| {name} | {split} | {first} | {last} | {lowest} | {epoch:.0} |");
        }
        text.push_str(&left_out(self.left_out.iter().map(|(name, reason)| (&**name, &**reason))));
        text
    }

    /// The curves as a picture: the paper's model in the splits' colours, with its deviation and each
    /// seed, the others as separate lines.
    pub fn svg(&self, title: &str, dataset: &str) -> String {
        let lines = self.lines();
        let panels = CURVES.map(|(split, class, heading, value)| {
            let of_split = || lines.iter().filter(|line| line.split == split);
            let of_model = |name: &str| {
                let own = of_split().filter(|line| line.model == name);
                own.cloned().collect::<Vec<ConvergenceLine>>()
            };
            let first = self.models.first();
            let own = first.map(|model| of_model(&model.name)).unwrap_or_default();
            let band: Vec<(f64, f64, f64)> = own
                .iter()
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
            for run in
                first.map(|model| &model.runs).filter(|runs| runs.len() > 1).into_iter().flatten()
            {
                let points = run.iter().map(|epoch| (epoch.epoch as f64, value(epoch)));
                chart.line(&format!("{class} thin"), &points.collect::<Vec<_>>(), "one seed");
            }
            let mean = |lines: &[ConvergenceLine]| -> Vec<(f64, f64)> {
                lines.iter().map(|line| (line.epoch as f64, line.mean)).collect()
            };
            for (model, other) in self.models.iter().skip(1).zip(OTHERS) {
                chart.line(&format!("{other} mean"), &mean(&of_model(&model.name)), &model.name);
            }
            chart.line(&format!("{class} mean"), &mean(&own), "mean");
            (heading.to_owned(), chart.finish(heading))
        });
        let n_runs = self.models.first().map_or(0, |model| model.runs.len());
        let about = match n_runs {
            1 => format!("{dataset}: one seed."),
            _ => format!(
                "{dataset}: the thick line is the mean of {n_runs} seeds, the band one standard \
                 deviation (n − 1) to each side, thin lines are single seeds."
            ),
        };
        let name = self.models.first().map_or("", |model| &model.name);
        let own = [("train", "training split"), ("valid", "validation split")];
        let own = own.map(|(class, split)| (Mark::Line, class, format!("{name}, {split}")));
        let others = self.models.iter().skip(1).zip(OTHERS);
        let others = others.map(|(model, class)| (Mark::Line, class, model.name.clone()));
        let figure = Figure {
            title: title.into(),
            about,
            legend: own.into_iter().chain(others).collect(),
            panels: panels.into(),
            n_columns: 2,
        };
        figure.finish()
    }
}
