//! Curves over epochs: a thin line per run, and for several runs their mean with a band.

use std::fmt::Write;

use super::RunReport;
use super::chart::{Axis, Chart};
use super::html::{Text, count};
use super::terms;
use crate::mean::mean_std;
use crate::run::Run;
use crate::run::metrics::{CORR, MAE};
use crate::run::record::EpochRecord;

/// One quantity over epochs.
struct Curve {
    /// Class of the marks, which sets the colour.
    class: &'static str,
    /// Name in the legend.
    name: &'static str,
    /// An epoch's value; NaN if absent.
    value: fn(&EpochRecord) -> f64,
}

/// Curves that share a chart.
struct Panel {
    title: &'static str,
    axis: &'static str,
    /// Limits of possible values: the band ends there.
    limits: [f64; 2],
    curves: &'static [Curve],
}

const TRAIN: &str = "train";
const VALID: &str = "valid";
const TEST: &str = "test";

const PANELS: [Panel; 4] = [
    Panel {
        title: "Training loss",
        axis: "mean loss",
        limits: [0.0, f64::INFINITY],
        curves: &[Curve { class: TRAIN, name: "training", value: |epoch| epoch.train_loss }],
    },
    Panel {
        title: "Mean absolute error",
        axis: "MAE, in units of the label",
        limits: [0.0, f64::INFINITY],
        curves: &[
            Curve { class: TRAIN, name: "training", value: |epoch| epoch.train_mae },
            Curve { class: VALID, name: "validation", value: |epoch| epoch.valid.get(&MAE.id) },
            Curve { class: TEST, name: "test", value: |epoch| test(epoch, &MAE.id) },
        ],
    },
    Panel {
        title: "Correlation",
        axis: "Pearson’s r",
        limits: [-1.0, 1.0],
        curves: &[
            Curve { class: VALID, name: "validation", value: |epoch| epoch.valid.get(&CORR.id) },
            Curve { class: TEST, name: "test", value: |epoch| test(epoch, &CORR.id) },
        ],
    },
    Panel {
        title: "Learning rate",
        axis: "learning rate",
        limits: [0.0, f64::INFINITY],
        curves: &[Curve { class: "rate", name: "schedule", value: |epoch| epoch.lr }],
    },
];

fn test(epoch: &EpochRecord, metric: &str) -> f64 {
    epoch.test.as_ref().map_or(f64::NAN, |test| test.get(metric))
}

/// The section of curves.
pub(super) fn section(report: &RunReport) -> String {
    let mut html = String::from("<section id=\"curves\">\n<h2>Curves over epochs</h2>\n");
    // Writing to a string does not fail.
    let _ = write_section(&mut html, report);
    html.push_str(&terms::table(report));
    html.push_str("</section>\n");
    html
}

fn write_section(html: &mut String, report: &RunReport) -> std::fmt::Result {
    let runs: Vec<&Run> = report.runs().iter().filter(|run| !run.epochs.is_empty()).collect();
    if runs.is_empty() {
        return writeln!(html, "<p>No run has an epoch yet.</p>");
    }
    let mut text = String::from("A ring marks the epoch that the validation split chose.");
    let n_averaged = averaged(&runs).len();
    if n_averaged > 1 {
        let runs = count(n_averaged, "run", "runs");
        text.push_str(&format!(
            " Thin lines are single runs, the thick one is the mean of {runs}, the band is one \
             standard deviation (n − 1) to each side."
        ));
    }
    if runs.iter().any(|run| run.result.is_none()) {
        text.push_str(" Dotted lines are runs that are not complete.");
    }
    writeln!(html, "<p>{text}</p>\n<div class=\"charts\">")?;
    for panel in &PANELS {
        write_panel(html, panel, &runs)?;
    }
    writeln!(html, "</div>")
}

/// The runs whose mean is drawn: the complete ones, or all if none is complete.
fn averaged<'a>(runs: &[&'a Run]) -> Vec<&'a Run> {
    let complete: Vec<&Run> = runs.iter().copied().filter(|run| run.result.is_some()).collect();
    if complete.is_empty() { runs.to_vec() } else { complete }
}

fn write_panel(html: &mut String, panel: &Panel, runs: &[&Run]) -> std::fmt::Result {
    let epochs = || runs.iter().flat_map(|run| &run.epochs);
    let curves: Vec<&Curve> = panel
        .curves
        .iter()
        .filter(|curve| epochs().any(|epoch| !(curve.value)(epoch).is_nan()))
        .collect();
    let averaged = averaged(runs);
    let means: Vec<Vec<(f64, f64, f64)>> =
        curves.iter().map(|curve| mean_curve(curve, &averaged)).collect();
    let [least, most] = panel.limits;
    let band =
        |(x, mean, std): (f64, f64, f64)| (x, (mean - std).max(least), (mean + std).min(most));
    let bands: Vec<Vec<(f64, f64, f64)>> = means
        .iter()
        .map(|mean| mean.iter().copied().filter(|(.., std)| !std.is_nan()).map(band).collect())
        .collect();
    let edges = bands.iter().flatten().flat_map(|(_, low, high)| [*low, *high]);
    let values = epochs().flat_map(|epoch| curves.iter().map(move |curve| (curve.value)(epoch)));
    let y = Axis::around(panel.axis, values.chain(edges));
    let mut chart = Chart::new(Axis::counting("epoch", epochs().map(|e| e.epoch as f64)), y);
    for (curve, band) in curves.iter().zip(&bands) {
        chart.band(curve.class, band);
    }
    for (curve, mean) in curves.iter().zip(&means) {
        for run in runs {
            let mut class = curve.class.to_owned();
            if averaged.len() > 1 {
                class.push_str(" thin");
            }
            if run.result.is_none() {
                class.push_str(" unfinished");
            }
            let points: Vec<(f64, f64)> =
                run.epochs.iter().map(|epoch| (epoch.epoch as f64, (curve.value)(epoch))).collect();
            chart.line(&class, &points, &format!("{}, {}", run.name, curve.name));
        }
        if averaged.len() > 1 {
            let points: Vec<(f64, f64)> = mean.iter().map(|(x, mean, _)| (*x, *mean)).collect();
            chart.line(&format!("{} mean", curve.class), &points, &format!("mean, {}", curve.name));
        }
    }
    for curve in curves.iter().filter(|curve| curve.class == VALID) {
        for run in runs {
            let Some(selected) = run.result.as_ref().map(|result| result.selected.epoch) else {
                continue;
            };
            if let Some(epoch) = run.epochs.iter().find(|epoch| epoch.epoch == selected) {
                let name = format!("{}, selected epoch {selected}", run.name);
                chart.ring(curve.class, (selected as f64, (curve.value)(epoch)), &name);
            }
        }
    }
    writeln!(html, "<figure>\n<h3>{}</h3>", panel.title)?;
    let legend: Vec<(&str, &str)> = curves.iter().map(|curve| (curve.class, curve.name)).collect();
    write_legend(html, &legend)?;
    write!(html, "{}", chart.finish(&format!("{} over epochs", panel.title)))?;
    writeln!(html, "</figure>")
}

/// Mean and standard deviation over the runs, for each epoch that all of them have.
fn mean_curve(curve: &Curve, runs: &[&Run]) -> Vec<(f64, f64, f64)> {
    let n_epochs = runs.iter().map(|run| run.epochs.len()).min().unwrap_or(0);
    let at = |idx: usize| runs.iter().map(move |run| &run.epochs[idx]);
    (0..n_epochs)
        .map(|idx| {
            let (_, mean, std) = mean_std(at(idx).map(curve.value));
            (runs[0].epochs[idx].epoch as f64, mean, std)
        })
        .collect()
}

/// Legend of a chart's colours.
pub(super) fn write_legend(html: &mut String, entries: &[(&str, &str)]) -> std::fmt::Result {
    writeln!(html, "<ul class=\"legend\">")?;
    for (class, name) in entries {
        writeln!(html, "<li class=\"{class}\"><i></i>{}</li>", Text(name))?;
    }
    writeln!(html, "</ul>")
}
