//! Differences between predictions and labels: by point, by class, and the worst segments.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use super::chart::{Axis, Chart, nice_step};
use super::curves::write_legend;
use super::html::{Text, count, decimals, signed};
use super::{RunReport, Texts, tables};
use crate::corpus::label::{Bins, LabelScale};
use crate::mean::mean_std;
use crate::run::metrics::{self, MAE};
use crate::run::predictions::Prediction;

/// Number of segments in the table of the worst.
const N_WORST: usize = 10;

/// Approximate number of bars in the error distribution.
const N_BARS: usize = 32;

/// The section of charts.
pub(super) fn section(report: &RunReport) -> String {
    let mut html = String::from("<section id=\"errors\">\n<h2>Predictions and labels</h2>\n");
    // Writing to a string does not fail.
    let _ = write_section(&mut html, report);
    html.push_str("</section>\n");
    html
}

fn write_section(html: &mut String, report: &RunReport) -> std::fmt::Result {
    let predictions = report.predictions();
    let rows: Vec<&Prediction> = predictions
        .iter()
        .flatten()
        .copied()
        .filter(|row| row.label_or_nan().is_finite() && row.prediction.is_finite())
        .collect();
    let (Some(scale), false) = (report.scale(), rows.is_empty()) else {
        return writeln!(html, "<p>No run is complete yet.</p>");
    };
    let over = match predictions.len() {
        1 => "at the selected epoch".into(),
        n => format!("of {} at their selected epochs, together", count(n, "run", "runs")),
    };
    let clipped = match scale {
        LabelScale::Cmu | LabelScale::Own(_) => "",
        LabelScale::Sims => {
            " Errors are those of the predictions as they are; the metrics of CH-SIMS clip them to \
             [−1, 1] before."
        }
    };
    writeln!(
        html,
        "<p>The {} split: {} {over}.{clipped}</p>\n<div class=\"charts\">",
        tables::split_words(report.split()),
        count(rows.len(), "prediction", "predictions")
    )?;
    scatter(html, scale, &rows)?;
    distribution(html, &rows)?;
    if let Some(division) = Division::finest(scale) {
        by_class(html, &division, &rows)?;
        classes(html, &division, &rows)?;
    }
    writeln!(html, "</div>")
}

/// The finest binning scheme of the labels.
struct Division<'a> {
    scale: LabelScale<'a>,
    bins: Bins,
    /// Its accuracy in papers.
    title: String,
    /// Names of its classes.
    names: Vec<Cow<'a, str>>,
}

impl<'a> Division<'a> {
    /// `None` of labels that are not divided.
    fn finest(scale: LabelScale<'a>) -> Option<Division<'a>> {
        let (bins, metric) = (scale.finest()?, metrics::finest_accuracy(scale)?);
        let title = format!("{} {}", metric.title, metric.variant).trim_end().to_owned();
        Some(Division { scale, bins, title, names: scale.class_names(bins) })
    }

    fn names(&self) -> Vec<&str> {
        self.names.iter().map(|name| &**name).collect()
    }

    /// The class of a value; the end of the list of none.
    fn class(&self, value: f32) -> usize {
        usize::try_from(self.scale.class(self.bins, value)).unwrap_or(usize::MAX)
    }
}

fn scatter(html: &mut String, scale: LabelScale<'_>, rows: &[&Prediction]) -> std::fmt::Result {
    let values = || {
        let both = rows.iter().flat_map(|row| [row.label_or_nan(), row.prediction]).map(f64::from);
        both.chain(scale.range().into_iter().flatten().map(f64::from))
    };
    let centre = f64::from(scale.centre());
    let (low, high) = values().fold((centre, centre), |(low, high), v| (v.min(low), v.max(high)));
    let mut chart =
        Chart::new(Axis::around("label", values()), Axis::around("prediction", values()));
    chart.line("guide", &[(low, low), (high, high)], "prediction = label");
    let points = rows.iter().map(|row| (f64::from(row.label_or_nan()), f64::from(row.prediction)));
    // Many overlapping points should look dense, and few should be visible at all.
    let class = if rows.len() > 1500 { "test many" } else { "test" };
    chart.dots(class, points);
    writeln!(html, "<figure>\n<h3>Predictions against labels</h3>")?;
    write_legend(html, &[("test dot", "segment"), ("guide", "prediction = label")])?;
    write!(html, "{}", chart.finish("Predictions against labels"))?;
    let std = |value: fn(&Prediction) -> f32| mean_std(rows.iter().map(|row| value(row).into())).2;
    writeln!(
        html,
        "<figcaption>Standard deviation of the predictions {}, of the labels {}.</figcaption>\n\
         </figure>",
        decimals(std(|row| row.prediction), 3),
        decimals(std(|row| row.label_or_nan()), 3)
    )
}

fn distribution(html: &mut String, rows: &[&Prediction]) -> std::fmt::Result {
    let errors: Vec<f64> = rows.iter().map(|row| row.error()).collect();
    let largest = errors.iter().fold(1e-3, |largest: f64, error| largest.max(error.abs()));
    let width = nice_step(2.0 * largest, N_BARS);
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for error in &errors {
        // Bars are one step wide, and one is centred on zero.
        *counts.entry((error / width).round() as i64).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(0) as f64;
    let edge = (largest / width).round() * width + width;
    let mut chart = Chart::new(
        Axis::around("error: prediction − label", [-edge, edge]),
        Axis::around("predictions", [0.0, most]),
    );
    for (place, n) in &counts {
        let middle = *place as f64 * width;
        let name = format!("around {}: {n}", signed(middle, 2));
        chart.bar("error", [middle - 0.47 * width, middle + 0.47 * width], *n as f64, &name);
    }
    let (_, mean, std) = mean_std(errors.iter().copied());
    chart.upright("guide", 0.0, "no error");
    chart.upright("mean-error", mean, "mean error");
    writeln!(html, "<figure>\n<h3>Distribution of errors</h3>")?;
    write_legend(
        html,
        &[("error", "predictions"), ("guide", "no error"), ("mean-error", "mean error")],
    )?;
    write!(html, "{}", chart.finish("Distribution of errors"))?;
    let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let quantile = |share: f64| sizes[((sizes.len() - 1) as f64 * share).round() as usize];
    writeln!(
        html,
        "<figcaption>Mean {}, standard deviation {}. Half of the errors are within ±{}, 90% within \
         ±{}.</figcaption>\n</figure>",
        signed(mean, 3),
        decimals(std, 3),
        decimals(quantile(0.5), 2),
        decimals(quantile(0.9), 2)
    )
}

/// Rows by label class.
fn by_label<'a>(division: &Division<'_>, rows: &[&'a Prediction]) -> Vec<Vec<&'a Prediction>> {
    let mut classes = vec![Vec::new(); division.names.len()];
    for row in rows {
        if let Some(class) = classes.get_mut(division.class(row.label_or_nan())) {
            class.push(*row);
        }
    }
    classes
}

fn by_class(html: &mut String, division: &Division<'_>, rows: &[&Prediction]) -> std::fmt::Result {
    let names = division.names();
    let classes = by_label(division, rows);
    let mae = |rows: &[&Prediction]| mean_std(rows.iter().map(|row| row.error().abs())).1;
    let heights: Vec<f64> = classes.iter().map(|rows| mae(rows)).collect();
    // Space for the numbers above the bars.
    let largest = heights.iter().copied().fold(0.0, f64::max);
    let y = Axis::around(&MAE.axis(), [0.0, 1.06 * largest]);
    let mut chart =
        Chart::new(Axis::classes(&format!("class of the label ({})", division.title), &names), y);
    for (idx, (class, height)) in classes.iter().zip(&heights).enumerate() {
        let middle = idx as f64;
        let n = class.len();
        let name = format!("{}: MAE {}, n = {n}", names[idx], decimals(*height, 3));
        chart.bar("error", [middle - 0.36, middle + 0.36], *height, &name);
    }
    let all = mae(rows);
    let ends = [(-0.5, all), (names.len() as f64 - 0.5, all)];
    chart.line("mean-error", &ends, &format!("all: MAE {}", decimals(all, 3)));
    for (idx, (class, height)) in classes.iter().zip(&heights).enumerate() {
        let above = if height.is_nan() { 0.0 } else { *height };
        chart.label((idx as f64, above), &format!("n={}", class.len()));
    }
    writeln!(html, "<figure>\n<h3>Error by class of the label</h3>")?;
    write_legend(html, &[("error", "class"), ("mean-error", "all predictions")])?;
    write!(html, "{}", chart.finish("Mean absolute error by class of the label"))?;
    writeln!(html, "</figure>")
}

fn classes(html: &mut String, division: &Division<'_>, rows: &[&Prediction]) -> std::fmt::Result {
    let names = division.names();
    let count_by = |value: fn(&Prediction) -> f32| {
        let mut counts = vec![0usize; names.len()];
        for row in rows {
            if let Some(n) = counts.get_mut(division.class(value(row))) {
                *n += 1;
            }
        }
        counts
    };
    let share = |n: usize| 100.0 * n as f64 / rows.len() as f64;
    let (labels, predictions) =
        (count_by(|row| row.label_or_nan()), count_by(|row| row.prediction));
    let most = labels.iter().chain(&predictions).copied().max().unwrap_or(0);
    let x = Axis::classes(&format!("class ({})", division.title), &names);
    let mut chart = Chart::new(x, Axis::around("share, in %", [0.0, share(most)]));
    for (idx, name) in names.iter().enumerate() {
        let middle = idx as f64;
        let word = |what: &str, n: usize| format!("{name}: {n} {what}, {:.1}%", share(n));
        let (n_labels, n_predictions) = (labels[idx], predictions[idx]);
        let (left, right) = ([middle - 0.4, middle - 0.02], [middle + 0.02, middle + 0.4]);
        chart.bar("label", left, share(n_labels), &word("labels", n_labels));
        chart.bar("test", right, share(n_predictions), &word("predictions", n_predictions));
    }
    writeln!(html, "<figure>\n<h3>Classes of labels and of predictions</h3>")?;
    write_legend(html, &[("label box", "labels"), ("test box", "predictions")])?;
    write!(html, "{}", chart.finish("Shares of the classes among labels and predictions"))?;
    writeln!(html, "</figure>")
}

/// A segment over all runs that predict it.
struct Segment<'a> {
    id: &'a str,
    label: f64,
    predictions: Vec<f64>,
}

impl Segment<'_> {
    fn mae(&self) -> f64 {
        mean_std(self.predictions.iter().map(|prediction| (prediction - self.label).abs())).1
    }
}

/// The section of the worst predictions.
pub(super) fn worst(report: &RunReport) -> String {
    let mut html = String::from("<section id=\"worst\">\n<h2>The worst predictions</h2>\n");
    // Writing to a string does not fail.
    let _ = write_worst(&mut html, report);
    html.push_str("</section>\n");
    html
}

fn write_worst(html: &mut String, report: &RunReport) -> std::fmt::Result {
    let predictions = report.predictions();
    let mut segments: BTreeMap<&str, Segment> = BTreeMap::new();
    for row in predictions.iter().flatten() {
        let (label, prediction) = (f64::from(row.label_or_nan()), f64::from(row.prediction));
        let new = || Segment { id: &row.id, label, predictions: Vec::new() };
        segments.entry(&row.id).or_insert_with(new).predictions.push(prediction);
    }
    if segments.is_empty() {
        return writeln!(html, "<p>No run is complete yet.</p>");
    }
    let mut worst: Vec<Segment> = segments.into_values().collect();
    // A NaN is worse than any error; ties are ordered by id.
    worst.sort_by(|a, b| b.mae().total_cmp(&a.mae()).then_with(|| a.id.cmp(b.id)));
    worst.truncate(N_WORST);
    let several = predictions.len() > 1;
    let how = match several {
        false => "by the size of the error",
        true => {
            "by the mean size of the error over the runs; predictions are means ± one standard \
                 deviation"
        }
    };
    let split = tables::split_words(report.split());
    write!(html, "<p>Segments of the {split} split, {how}.")?;
    let texts = match &report.texts {
        Texts::Known(texts) => Some(texts),
        Texts::Absent(why) => {
            write!(html, " Without texts: {why}.")?;
            None
        }
    };
    writeln!(
        html,
        "</p>\n<div class=\"scroll\" tabindex=\"0\"><table class=\"worst\">\n<thead><tr><th>Segment\
         </th><th>Label</th><th>Prediction</th><th>Error</th>{}</tr></thead>\n<tbody>",
        if texts.is_some() { "<th>Text</th>" } else { "" }
    )?;
    for segment in &worst {
        let (n, mean, std) = mean_std(segment.predictions.iter().copied());
        let spread = match n {
            0 | 1 => String::new(),
            _ => format!(" <small>± {}</small>", decimals(std, 2)),
        };
        write!(
            html,
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}{spread}</td><td>{}</td>",
            Text(segment.id),
            signed(segment.label, 2),
            signed(mean, 2),
            signed(mean - segment.label, 2)
        )?;
        if let Some(texts) = texts {
            let text = texts.get(segment.id).map_or("–", |text| text);
            write!(html, "<td class=\"text\" dir=\"auto\">{}</td>", Text(text))?;
        }
        writeln!(html, "</tr>")?;
    }
    writeln!(html, "</tbody></table></div>")
}
