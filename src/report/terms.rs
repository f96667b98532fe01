//! Loss terms over the epochs, for runs of models with several terms.

use std::fmt::Write;

use super::RunReport;
use super::html::{Text, decimals};
use crate::run::Run;
use crate::run::record::EpochRecord;

/// A table of all terms; empty if every loss has one.
pub(super) fn table(report: &RunReport) -> String {
    let mut html = String::new();
    let has_terms = |run: &&Run| run.epochs.iter().any(|epoch| !epoch.train_terms.is_empty());
    let runs: Vec<&Run> = report.runs().iter().filter(has_terms).collect();
    if !runs.is_empty() {
        // Writing to a string does not fail.
        let _ = write_table(&mut html, &runs);
    }
    html
}

fn write_table(html: &mut String, runs: &[&Run]) -> std::fmt::Result {
    writeln!(
        html,
        "<h3>Terms of the training loss</h3>\n<div class=\"scroll\" tabindex=\"0\"><table>\n\
         <thead><tr><th>Run</th><th>Phase</th><th>Term</th><th>First epoch</th>\
         <th>Selected epoch</th><th>Last epoch</th></tr></thead>\n<tbody>"
    )?;
    for run in runs {
        let mut names: Vec<(&str, &str)> = Vec::new();
        for term in run.epochs.iter().flat_map(|epoch| &epoch.train_terms) {
            let name = (&*term.phase, &*term.term);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let selected = run.result.as_ref().map(|result| result.selected.epoch);
        let selected = run.epochs.iter().find(|epoch| Some(epoch.epoch) == selected);
        for (phase, term) in names {
            let at = |epoch: Option<&EpochRecord>| {
                let mut terms = epoch.into_iter().flat_map(|epoch| &epoch.train_terms);
                let found = terms.find(|it| it.phase == phase && it.term == term);
                decimals(found.map_or(f64::NAN, |it| it.mean), 4)
            };
            writeln!(
                html,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
                 <td>{}</td></tr>",
                Text(&run.name),
                Text(phase),
                Text(term),
                at(run.epochs.first()),
                at(selected),
                at(run.epochs.last())
            )?;
        }
    }
    writeln!(html, "</tbody></table></div>")
}
