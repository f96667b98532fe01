//! Mean attention of language in the last AHL layer (Figure 4 of the paper).

use std::fmt::Write;

use super::html::{count, decimals};
use super::{RunReport, heat, tables};
use crate::corpus::Modality;
use crate::mean::mean_std;
use crate::run::attention::{AttentionMap, AttentionRecord};

/// The section of attention maps; empty if no run has any.
pub(super) fn section(report: &RunReport) -> String {
    let recorded: Vec<&AttentionRecord> =
        report.complete().filter_map(|(run, _)| run.attention.as_ref()).collect();
    let maps: Vec<Mean> = [Modality::Audio, Modality::Vision]
        .into_iter()
        .filter_map(|modality| mean(&recorded, modality))
        .collect();
    let (Some(first), false) = (recorded.first(), maps.is_empty()) else { return String::new() };
    let mut html =
        String::from("<section id=\"attention\">\n<h2>Attention in the last AHL layer</h2>\n");
    // Writing to a string does not fail.
    let _ = write_section(&mut html, first, &maps);
    html.push_str("</section>\n");
    html
}

/// The mean over runs for one modality.
struct Mean {
    modality: Modality,
    n_runs: usize,
    weights: Vec<Vec<f64>>,
    shift: f64,
}

/// The mean over the runs whose maps have the shape of the first one.
fn mean(recorded: &[&AttentionRecord], modality: Modality) -> Option<Mean> {
    let form = |map: &AttentionMap| map.weights.iter().map(Vec::len).collect::<Vec<usize>>();
    let maps = recorded.iter().flat_map(|each| &each.maps).filter(|map| map.modality == modality);
    let mut maps = maps.peekable();
    let first = form(maps.peek()?);
    let maps: Vec<&AttentionMap> = maps.filter(|map| form(map) == first).collect();
    let at = |query: usize, key: usize| {
        maps.iter().map(|map| map.weights[query][key]).sum::<f64>() / maps.len() as f64
    };
    let row = |(query, n_keys): (usize, &usize)| (0..*n_keys).map(|key| at(query, key)).collect();
    let weights = first.iter().enumerate().map(row).collect();
    let (_, shift, _) = mean_std(maps.iter().map(|map| map.shift));
    Some(Mean { modality, n_runs: maps.len(), weights, shift })
}

fn write_section(html: &mut String, first: &AttentionRecord, maps: &[Mean]) -> std::fmt::Result {
    let [low, high] = heat::range(maps.iter().map(|map| &map.weights));
    writeln!(
        html,
        "<p>Weights with which the tokens of language (rows) attend to those of audio and vision \
         (columns) in layer {}, the mean over heads and over the segments of the {} split. Every \
         row adds up to 1. The fullest shade is {}, the faintest {}.</p>\n<div class=\"charts\">",
        first.layer,
        tables::split_words(first.split),
        decimals(high, 3),
        decimals(low, 3)
    )?;
    for Mean { modality, n_runs, weights, shift } in maps {
        let symbol = if *modality == Modality::Audio { "α" } else { "β" };
        writeln!(html, "<figure>\n<h3>{symbol}: language to {modality}</h3>")?;
        let n_keys = weights.iter().map(Vec::len).max().unwrap_or(0);
        if weights.len().max(n_keys) > heat::MOST_TOKENS {
            writeln!(html, "<p>{} by {n_keys} tokens are too many to draw.</p>", weights.len())?;
        } else {
            let chart = heat::heat_map(&format!("token of {modality}"), weights, [low, high]);
            write!(html, "{}", chart.finish(&format!("Attention of language to {modality}")))?;
        }
        let over = match n_runs {
            1 => String::new(),
            n => format!(", the mean of {}", count(*n, "run", "runs")),
        };
        writeln!(
            html,
            "<figcaption>What the layer adds to a token of the hyper-modality from {modality} has a \
             mean length of {}{over}.</figcaption>\n</figure>",
            decimals(*shift, 2)
        )?;
    }
    writeln!(html, "</div>")
}
