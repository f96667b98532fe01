//! Tables: metrics per run next to the paper's, the released protocol, the runs themselves.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use super::RunReport;
use super::groups::groups;
use super::html::{Text, count, decimals, signed};
use crate::corpus::SplitName;
use crate::mean::mean_std;
use crate::paper;
use crate::run::Run;
use crate::run::metrics::{self, Better, Metric, Metrics};
use crate::run::record::RunResult;
use crate::words::quoted;

/// Title and variant of a metric, with an arrow in its better direction; just the name for a metric of
/// another version.
fn heading(id: &str) -> (Text<&str>, Cow<'static, str>, &'static str) {
    match metrics::find(id) {
        None => (Text(id), "".into(), "↑"),
        Some(Metric { title, variant, better, .. }) => {
            (Text(title), variant, if better == Better::Lower { "↓" } else { "↑" })
        }
    }
}

/// A split's name within a sentence.
pub(super) fn split_words(split: SplitName) -> &'static str {
    match split {
        SplitName::Train => "training",
        SplitName::Valid => "validation",
        SplitName::Test => "test",
    }
}

fn of_split(result: &RunResult, split: SplitName) -> Option<&Metrics> {
    match split {
        SplitName::Test => result.selected.test.as_ref(),
        _ => Some(&result.selected.valid),
    }
}

/// Metrics of the complete runs at their selected epochs, on the split that the page evaluates.
pub(super) fn selected(report: &RunReport) -> impl Iterator<Item = &Metrics> {
    let split = report.split();
    report.complete().filter_map(move |(_, result)| of_split(result, split))
}

/// The section of metrics.
pub(super) fn results(report: &RunReport) -> String {
    let mut html = String::from("<section id=\"metrics\">\n");
    // Writing to a string does not fail.
    let _ = write_results(&mut html, report);
    html.push_str("</section>\n");
    html
}

fn write_results(html: &mut String, report: &RunReport) -> std::fmt::Result {
    let split = report.split();
    writeln!(html, "<h2>Metrics on the {} split</h2>", split_words(split))?;
    if report.complete().next().is_none() {
        return writeln!(html, "<p>No run is complete yet.</p>");
    }
    writeln!(html, "<p>Each run at the epoch that its validation split chose.</p>")?;
    selected_table(html, report, split)?;
    if split == SplitName::Test {
        writeln!(html, "<details><summary>The same epochs on the validation split</summary>")?;
        selected_table(html, report, SplitName::Valid)?;
        writeln!(html, "</details>")?;
        released_table(html, report)?;
    }
    Ok(())
}

/// One line of a table of metrics.
struct Row<'a> {
    name: String,
    epoch: String,
    cells: Vec<(f64, String)>,
    class: &'a str,
}

fn selected_table(html: &mut String, report: &RunReport, split: SplitName) -> std::fmt::Result {
    let of_runs: Vec<(&Run, &RunResult, &Metrics)> = report
        .complete()
        .filter_map(|(run, result)| Some((run, result, of_split(result, split)?)))
        .collect();
    let Some((first, ..)) = of_runs.first() else { return Ok(()) };
    let metrics = metrics(of_runs.iter().map(|(.., values)| *values));
    let rows = of_runs.iter().map(|(run, result, values)| Row {
        name: name(report, run),
        epoch: result.selected.epoch.to_string(),
        cells: metrics.iter().map(|metric| plain(values.get(metric))).collect(),
        class: "run",
    });
    let mut rows: Vec<Row> = rows.collect();
    let groups = groups(report);
    for group in &groups {
        let of_group = of_runs.iter().filter(|(run, ..)| group.has(run));
        let values: Vec<&Metrics> = of_group.map(|(.., values)| *values).collect();
        let means = |metric: &&str| mean_std(values.iter().map(|values| values.get(metric)));
        add_means(&mut rows, &metrics, (&group.name, values.len()), means);
    }
    let means = |metric: &&str| mean_std(of_runs.iter().map(|(.., values)| values.get(metric)));
    if split == SplitName::Test && groups.len() == 1 {
        add_paper(&mut rows, &metrics, paper::of(report.model_of_paper(), first.dataset()), means);
    }
    table(html, "Run", &metrics, &rows)
}

fn released_table(html: &mut String, report: &RunReport) -> std::fmt::Result {
    let of_runs: Vec<(&Run, &RunResult)> = report
        .complete()
        .filter(|(_, result)| !result.best_on_test_per_metric.is_empty())
        .collect();
    let Some((first, _)) = of_runs.first() else { return Ok(()) };
    writeln!(
        html,
        "<h3>Released protocol: best epoch on the test split, metric by metric</h3>\n\
         <p>The released training script of ALMT reports, for each metric, the best epoch on the \
         test split. Such figures are selected on the data that they are reported on; they are shown \
         only for comparison with published results selected in the same way. The epoch is in \
         brackets.</p>"
    )?;
    let metrics = metrics(of_runs.iter().filter_map(|(_, result)| result.selected.test.as_ref()));
    let value = |result: &RunResult, metric: &str| {
        result.best_on_test_per_metric.get(metric).map_or(f64::NAN, |best| best.value)
    };
    let rows = of_runs.iter().map(|(run, result)| Row {
        name: name(report, run),
        epoch: String::new(),
        cells: metrics
            .iter()
            .map(|metric| {
                let best = result.best_on_test_per_metric.get(*metric);
                let epoch =
                    best.map_or(String::new(), |best| format!(" <small>({})</small>", best.epoch));
                let (value, shown) = plain(value(result, metric));
                (value, shown + &epoch)
            })
            .collect(),
        class: "run",
    });
    let mut rows: Vec<Row> = rows.collect();
    let groups = groups(report);
    for group in &groups {
        let of_group = of_runs.iter().filter(|(run, _)| group.has(run));
        let results: Vec<&RunResult> = of_group.map(|(_, result)| *result).collect();
        let means = |metric: &&str| mean_std(results.iter().map(|result| value(result, metric)));
        add_means(&mut rows, &metrics, (&group.name, results.len()), means);
    }
    let means = |metric: &&str| mean_std(of_runs.iter().map(|(_, result)| value(result, metric)));
    if groups.len() == 1 {
        add_paper(&mut rows, &metrics, paper::of(report.model_of_paper(), first.dataset()), means);
    }
    table(html, "Run", &metrics, &rows)
}

/// Names of all metrics, in the order of the first run that has them.
fn metrics<'a>(of_runs: impl Iterator<Item = &'a Metrics>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (name, _) in of_runs.flat_map(Metrics::iter) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn plain(value: f64) -> (f64, String) {
    (value, decimals(value, 4))
}

/// The name of a run, and its model if the report has several.
fn name(report: &RunReport, run: &Run) -> String {
    match report.models()[..] {
        [_, _, ..] => format!("{} <small>{}</small>", Text(&run.name), run.config.model()),
        _ => Text(&run.name).to_string(),
    }
}

/// Adds the mean and the standard deviation over a group's runs, if there are several.
fn add_means(
    rows: &mut Vec<Row>,
    metrics: &[&str],
    (group, n_runs): (&str, usize),
    means: impl Fn(&&str) -> (usize, f64, f64),
) {
    if n_runs < 2 {
        return;
    }
    let of = if group.is_empty() { String::new() } else { format!("of {}, ", Text(group)) };
    let over = format!("{of}over {}", count(n_runs, "run", "runs"));
    let cells = metrics.iter().map(|metric| plain(means(metric).1)).collect();
    let name = format!("Mean <small>{over}</small>");
    rows.push(Row { name, epoch: String::new(), cells, class: "mean" });
    let cells = metrics.iter().map(|metric| plain(means(metric).2)).collect();
    let name = "Standard deviation <small>n − 1</small>".into();
    rows.push(Row { name, epoch: String::new(), cells, class: "std" });
}

fn add_paper(
    rows: &mut Vec<Row>,
    metrics: &[&str],
    paper: &BTreeMap<String, f64>,
    means: impl Fn(&&str) -> (usize, f64, f64),
) {
    if paper.is_empty() {
        return;
    }
    let of_paper = |metric: &str| paper.get(metric).copied().unwrap_or(f64::NAN);
    let cells = metrics.iter().map(|metric| plain(of_paper(metric))).collect();
    let name = "Paper <small>Zhang et al., EMNLP 2023</small>".into();
    rows.push(Row { name, epoch: String::new(), cells, class: "paper" });
    let what = if rows.iter().any(|row| row.class == "mean") { "Mean" } else { "Run" };
    let differences = metrics.iter().map(|metric| {
        let difference = means(metric).1 - of_paper(metric);
        (difference, signed(difference, 4))
    });
    let (name, cells) = (format!("{what} − paper"), differences.collect());
    rows.push(Row { name, epoch: String::new(), cells, class: "difference" });
}

/// A table of metrics; among several runs, the best value is bold.
fn table(html: &mut String, first: &str, metrics: &[&str], rows: &[Row]) -> std::fmt::Result {
    let with_epoch = rows.iter().any(|row| !row.epoch.is_empty());
    writeln!(
        html,
        "<div class=\"scroll\" tabindex=\"0\"><table \
         class=\"numbers\">\n<thead><tr><th>{first}</th>"
    )?;
    if with_epoch {
        writeln!(html, "<th>Epoch</th>")?;
    }
    for metric in metrics {
        let (title, variant, arrow) = heading(metric);
        writeln!(
            html,
            "<th title=\"{}\">{title} {arrow}<small>{variant}</small></th>",
            Text(metric)
        )?;
    }
    writeln!(html, "</tr></thead>\n<tbody>")?;
    let n_runs = rows.iter().filter(|row| row.class == "run").count();
    for row in rows {
        write!(html, "<tr class=\"{}\"><th scope=\"row\">{}</th>", row.class, row.name)?;
        if with_epoch {
            write!(html, "<td>{}</td>", row.epoch)?;
        }
        for (idx, (value, shown)) in row.cells.iter().enumerate() {
            let metric = metrics::find(metrics[idx]);
            let lower = metric.is_some_and(|metric| metric.better == Better::Lower);
            let values = rows.iter().filter(|row| row.class == "run").map(|row| row.cells[idx].0);
            let best = values.fold(f64::NAN, if lower { f64::min } else { f64::max });
            let class = match row.class == "run" && n_runs > 1 && *value == best {
                true => " class=\"best\"",
                false => "",
            };
            write!(html, "<td{class}>{shown}</td>")?;
        }
        writeln!(html, "</tr>")?;
    }
    writeln!(html, "</tbody></table></div>")
}

/// The section of the runs: the properties and full settings of each.
pub(super) fn runs(report: &RunReport) -> String {
    let mut html = String::from("<section id=\"runs\">\n<h2>Runs</h2>\n");
    // Writing to a string does not fail.
    let _ = write_runs(&mut html, report);
    html.push_str("</section>\n");
    html
}

fn write_runs(html: &mut String, report: &RunReport) -> std::fmt::Result {
    writeln!(
        html,
        "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th>Run</th><th>Seed</th>\
         <th>Fold</th><th>Epochs</th><th>Selected</th><th>Time</th><th>BLAKE3 of the \
         checkpoint</th></tr></thead>\n<tbody>"
    )?;
    for run in report.runs() {
        let config = &run.config;
        let fold =
            config.split_manifest.as_ref().map_or("–".into(), |fold| fold.fold.to_string());
        let (selected, time, digest) = match &run.result {
            Some(result) => (
                result.selected.epoch.to_string(),
                format!("{} s", decimals(result.seconds, 1)),
                format!("<code>{}</code>", Text(&result.checkpoint_blake3)),
            ),
            None => ("–".into(), "–".into(), "not complete".into()),
        };
        let n_epochs = run.result.as_ref().map_or(run.epochs.len(), |result| result.n_epochs);
        writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{fold}</td><td>{n_epochs} of {}</td>\
             <td>{selected}</td><td>{time}</td><td>{digest}</td></tr>",
            Text(&run.name),
            config.seed,
            config.n_epochs()
        )?;
    }
    writeln!(html, "</tbody></table></div>")?;
    for run in report.runs() {
        let words: Vec<String> = run.config.command.iter().map(|word| quoted(word)).collect();
        writeln!(
            html,
            "<details><summary>{}: command and configuration</summary>\n<pre>$ {}</pre>\n\
             <pre>{}</pre>\n</details>",
            Text(&run.name),
            Text(words.join(" ")),
            Text(run.config_text.trim_end())
        )?;
    }
    Ok(())
}
