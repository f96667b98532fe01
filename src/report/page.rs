//! The complete page: head, summary, and the sections in order.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::groups::groups;
use super::html::{Text, count, decimals};
use super::{RunReport, attention, chart, confusion, curves, errors, tables};
use crate::corpus::SplitName;
use crate::corpus::degenerate::Degenerate;
use crate::corpus::known::KnownFeatures;
use crate::mean::mean_std;
use crate::paper;
use crate::run::Run;
use crate::run::metrics::{self, CORR, MAE, Metric};
use crate::run::record::RunResult;

const STYLE: &str = include_str!("style.css");

/// Forbids loading and running anything; the empty icon keeps browsers from requesting one.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Writes the page.
pub(super) fn page(report: &RunReport) -> String {
    let title = title(report);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n\
         <style>\n{0}{STYLE}</style>\n</head>\n<body>\n<main>\n",
        chart::STYLE
    );
    for section in [
        header(report, &title),
        tables::results(report),
        curves::section(report),
        confusion::section(report),
        attention::section(report),
        errors::section(report),
        errors::worst(report),
        tables::runs(report),
    ] {
        page.push_str(&section);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn title(report: &RunReport) -> String {
    let dataset = Text(report.title().unwrap_or_default());
    let runs = count(report.runs().len(), "run", "runs");
    let models: BTreeSet<String> =
        report.runs().iter().map(|run| run.config.model().to_uppercase()).collect();
    let models: Vec<String> = models.into_iter().collect();
    format!("{} on {dataset}: {runs}", models.join(", "))
}

fn header(report: &RunReport, title: &str) -> String {
    let mut html = format!("<header>\n<h1>{title}</h1>\n");
    // Writing to a string does not fail.
    let _ = notices(&mut html, report);
    let _ = tiles(&mut html, report);
    let _ = facts(&mut html, report);
    html.push_str("</header>\n");
    html
}

/// Notices that a reader must see before any figure.
fn notices(html: &mut String, report: &RunReport) -> std::fmt::Result {
    let runs = report.runs();
    let unfinished: Vec<String> = runs
        .iter()
        .filter(|run| run.result.is_none())
        .map(|run| {
            let (done, of) = (run.epochs.len(), run.config.n_epochs());
            format!("<b>{}</b> ({done} of {of} epochs)", Text(&run.name))
        })
        .collect();
    if !unfinished.is_empty() {
        writeln!(
            html,
            "<p class=\"notice\">Not complete: {}. Curves show what is there; means, tables and \
             matrices leave it out.</p>",
            unfinished.join(", ")
        )?;
    }
    let groups = groups(report);
    if groups.len() > 1 {
        let names: Vec<String> =
            groups.iter().map(|group| format!("<b>{}</b>", Text(&group.name))).collect();
        writeln!(
            html,
            "<p class=\"notice\">The runs differ in more than the seed: {}. Means in the tables of metrics \
             are of runs with the same settings; those of all other figures are over all runs.</p>",
            names.join("; ")
        )?;
    }
    let split = report.split();
    for (run, result) in report.complete() {
        if run.config.is_idle(result.selected.epoch) {
            writeln!(
                html,
                "<p class=\"notice\">The selected epoch of <b>{}</b> has a learning rate of 0: its figures are \
                 of the initial weights.</p>",
                Text(&run.name)
            )?;
        }
    }
    for run in runs {
        let of_split = || run.predictions.iter().filter(|row| row.split == split);
        let predictions: Vec<f32> = of_split().map(|row| row.prediction).collect();
        let labels: Vec<f32> = of_split().map(|row| row.label_or_nan()).collect();
        if let Some(problem) = Degenerate::find(run.config.scale(), &predictions, &labels) {
            writeln!(
                html,
                "<p class=\"notice\">The predictions of <b>{}</b> barely distinguish segments: \
                 {}.</p>",
                Text(&run.name),
                Text(problem)
            )?;
        }
    }
    if split == SplitName::Valid {
        writeln!(
            html,
            "<p class=\"notice\">The runs have no test split: all figures are of the validation \
             split, on which the epochs were chosen.</p>"
        )?;
    }
    Ok(())
}

/// The most important figures.
fn tiles(html: &mut String, report: &RunReport) -> std::fmt::Result {
    let (Some(dataset), Some(scale)) = (report.dataset(), report.scale()) else { return Ok(()) };
    let accuracies = [metrics::finest_accuracy(scale), metrics::coarsest_accuracy(scale)];
    let mut metrics: Vec<Metric> = vec![MAE, CORR];
    metrics.extend(accuracies.into_iter().flatten());
    metrics.dedup();
    // Means over different models or settings mean nothing.
    if report.complete().next().is_none() || groups(report).len() > 1 {
        return Ok(());
    }
    let split = tables::split_words(report.split());
    writeln!(html, "<dl class=\"tiles\">")?;
    for metric in metrics {
        let (n, mean, std) = mean_std(tables::selected(report).map(|of| of.get(&metric.id)));
        let Metric { title, variant, .. } = &metric;
        let spread = match n {
            0 | 1 => String::new(),
            n => format!("<small>± {} over {n} runs</small>", decimals(std, 3)),
        };
        let paper = paper::of(report.model_of_paper(), dataset).get(&*metric.id);
        let paper = paper
            .map_or(String::new(), |paper| format!("<small>paper {}</small>", decimals(*paper, 3)));
        writeln!(
            html,
            "<div><dt>{title} {variant}<small> \
             {split}</small></dt><dd>{}{spread}{paper}</dd></div>",
            decimals(mean, 3)
        )?;
    }
    writeln!(html, "</dl>")
}

/// Properties common to all runs, or those of each run.
fn facts(html: &mut String, report: &RunReport) -> std::fmt::Result {
    let runs = report.runs();
    let distinct = |values: &mut dyn Iterator<Item = String>| {
        let mut found: Vec<String> = Vec::new();
        for value in values {
            if !found.contains(&value) {
                found.push(value);
            }
        }
        let shown = if found.is_empty() { "–".into() } else { found.join(", ") };
        Text(shown).to_string()
    };
    let each = |of: &dyn Fn(&Run) -> String| distinct(&mut runs.iter().map(of));
    let of_result = |of: &dyn Fn(&RunResult) -> String| {
        distinct(&mut report.complete().map(|(_, result)| of(result)))
    };
    let facts = [
        ("Dataset", each(&|run| run.config.title().to_owned())),
        ("Seeds", each(&|run| run.config.seed.to_string())),
        (
            "Epochs",
            each(&|run| {
                let (done, of) = (run.epochs.len(), run.config.n_epochs());
                if done == of { done.to_string() } else { format!("{done} of {of}") }
            }),
        ),
        ("Epoch chosen by", of_result(&|result| result.selected.by.clone())),
        (
            "Segments",
            of_result(&|result| {
                let parts = result.n_samples.iter().map(|(split, n)| format!("{split} {n}"));
                parts.collect::<Vec<String>>().join(" · ")
            }),
        ),
        ("Splits", distinct(&mut report.splits().into_iter())),
        ("Features", distinct(&mut report.features.iter().map(features))),
        ("Parameters", of_result(&|result| thousands(result.n_parameters))),
        (
            "Device",
            each(&|run| match &run.result {
                Some(result) => result.device.clone(),
                None => run.config.device.clone(),
            }),
        ),
        (
            "Written by",
            each(&|run| format!("{}, libtorch {}", run.config.writer, run.config.libtorch)),
        ),
        ("Checkpoints", "<a href=\"#runs\">digests, commands, configurations</a>".into()),
        ("Store digest", format!("<code>{}</code>", each(&|run| run.config.store_digest.clone()))),
    ];
    writeln!(html, "<dl class=\"facts\">")?;
    let is_shown = |(name, _): &(&str, String)| *name != "Features" || !report.features.is_empty();
    for (name, value) in facts.into_iter().filter(is_shown) {
        writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>")?;
    }
    writeln!(html, "</dl>")
}

/// What is known of a modality's features, and where that is from.
fn features(known: &KnownFeatures) -> String {
    let origin = known.origin.map_or_else(String::new, |origin| format!(" ({origin})"));
    format!("{}: {known}{origin}", known.modality)
}

/// A number with thin spaces as thousands separators.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join("\u{2009}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!([thousands(12), thousands(1_234_567)], ["12", "1\u{2009}234\u{2009}567"]);
    }
}
