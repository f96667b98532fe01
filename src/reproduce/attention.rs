//! Figure 4: mean attention of language in the last AHL layer.

use std::fmt::Write;

use serde::Serialize;

use super::shown;
use crate::corpus::Modality;
use crate::mean::mean_std;
use crate::report::figure::Figure;
use crate::report::heat::{heat_map, range};
use crate::run::attention::{AttentionMap, AttentionRecord};

/// The records of several seeds.
#[derive(Debug, Clone, Default)]
pub struct AverageAttention {
    /// One per seed.
    pub records: Vec<AttentionRecord>,
}

/// One weight of one map.
#[derive(Debug, Clone, Serialize)]
pub struct AttentionLine {
    /// The attended modality.
    pub modality: Modality,
    /// The layer, counted from 1.
    pub layer: usize,
    /// Language token, counted from 1.
    pub query: usize,
    /// Token of the modality, counted from 1.
    pub key: usize,
    /// Number of seeds.
    pub n_runs: usize,
    /// Mean over seeds; for one run, over its samples and heads.
    pub mean: f64,
    /// Sample standard deviation over seeds; NaN for one seed.
    pub std: f64,
}

/// The paper's name of a modality's weights.
pub fn symbol(modality: Modality) -> &'static str {
    match modality {
        Modality::Text => "",
        Modality::Audio => "α",
        Modality::Vision => "β",
    }
}

impl AverageAttention {
    fn modalities(&self) -> Vec<Modality> {
        let maps = self.records.first().map_or(&[][..], |record| &record.maps);
        maps.iter().map(|map| map.modality).collect()
    }

    fn maps(&self, modality: Modality) -> Vec<&AttentionMap> {
        let maps = self.records.iter().flat_map(|record| &record.maps);
        maps.filter(|map| map.modality == modality).collect()
    }

    /// One line per weight.
    pub fn lines(&self) -> Vec<AttentionLine> {
        let mut lines = Vec::new();
        let layer = self.records.first().map_or(0, |record| record.layer);
        for modality in self.modalities() {
            let maps = self.maps(modality);
            for (query_idx, row) in maps[0].weights.iter().enumerate() {
                for key_idx in 0..row.len() {
                    let values = maps.iter().map(|map| map.weights[query_idx][key_idx]);
                    let (n_runs, mean, std) = mean_std(values);
                    let (query, key) = (query_idx + 1, key_idx + 1);
                    lines.push(AttentionLine { modality, layer, query, key, n_runs, mean, std });
                }
            }
        }
        lines
    }

    /// Mean over seeds, `[n_queries, n_keys]`.
    fn mean(lines: &[AttentionLine], modality: Modality) -> Vec<Vec<f64>> {
        let of_one = lines.iter().filter(|line| line.modality == modality).collect::<Vec<_>>();
        let rows = of_one.chunk_by(|one, next| one.query == next.query);
        rows.map(|row| row.iter().map(|line| line.mean).collect()).collect()
    }

    /// A page: summary of the maps, and the maps.
    pub fn markdown(&self, title: &str, about: &str) -> String {
        let mut text = format!("# {title}\n\n{about}\n\n");
        let lines = self.lines();
        if lines.is_empty() {
            text.push_str(NOTHING);
            return text;
        }
        text.push_str(
            "Each weight is the mean over heads, segments and seeds. A row of weights adds up to 1 \
             in either map, so that the mean of all weights is 1/T in both and does not tell which \
             modality counts for more. Two things do: how far a row is from \
             even (the share of the token that it attends to most; its entropy, where 1 is even), \
             and the mean length of what the layer adds to a token of the hyper-modality from each \
             modality (Eq. 5).\n\n![average attention](fig4.svg)\n\n\
             | weights | largest in a row | entropy of a row | length of what is added |\n\
             |---|---|---|---|\n",
        );
        for modality in self.modalities() {
            let maps = self.maps(modality);
            let over_seeds = |value: fn(&AttentionMap) -> f64| {
                let (_, mean, std) = mean_std(maps.iter().map(|map| value(map)));
                shown(mean, std)
            };
            let (symbol, largest) = (symbol(modality), over_seeds(largest));
            let (entropy, shift) = (over_seeds(entropy), over_seeds(|map| map.shift));
            let _ = writeln!(text, "| {symbol}, {modality} | {largest} | {entropy} | {shift} |");
        }
        for modality in self.modalities() {
            let mean = AverageAttention::mean(&lines, modality);
            let n_keys = mean.first().map_or(0, Vec::len);
            let _ = write!(text, "\n{}: language by {modality}\n\n| |", symbol(modality));
            (1..=n_keys).for_each(|key| text.push_str(&format!(" {key} |")));
            let _ = writeln!(text, "\n|---|{}", "---|".repeat(n_keys));
            for (query_idx, row) in mean.iter().enumerate() {
                let _ = write!(text, "| **{}** |", query_idx + 1);
                row.iter().for_each(|weight| text.push_str(&format!(" {weight:.4} |")));
                text.push('\n');
            }
        }
        text
    }

    /// The maps as a picture; `None` without maps.
    pub fn svg(&self, title: &str, dataset: &str) -> Option<String> {
        let lines = self.lines();
        let first = self.records.first().filter(|_| !lines.is_empty())?;
        let maps: Vec<(Modality, Vec<Vec<f64>>)> = self
            .modalities()
            .into_iter()
            .map(|modality| (modality, AverageAttention::mean(&lines, modality)))
            .collect();
        let [low, high] = range(maps.iter().map(|(_, map)| map));
        let panels = maps.iter().map(|(modality, map)| {
            let chart = heat_map(&format!("token of {modality}"), map, [low, high]);
            let heading = format!("{}: language to {modality}", symbol(*modality));
            (heading.clone(), chart.finish(&heading))
        });
        let figure = Figure {
            title: title.into(),
            about: format!(
                "{dataset}, {} split, layer {}: the mean over heads, {} segments and {} seeds. The \
                 fullest shade is {high:.3}, the faintest {low:.3}; every row adds up to 1.",
                first.split,
                first.layer,
                first.n_samples,
                self.records.len()
            ),
            legend: Vec::new(),
            panels: panels.collect(),
            n_columns: 2,
        };
        Some(figure.finish())
    }
}

/// Text for models without a guided modality.
pub const NOTHING: &str =
    "The store has neither audio nor vision: there is nothing that language could attend to.\n";

/// The largest weight of a row, averaged over rows.
fn largest(map: &AttentionMap) -> f64 {
    let largest = map.weights.iter().map(|row| row.iter().copied().fold(f64::NAN, f64::max));
    mean_std(largest).1
}

/// Entropy of a row relative to uniform weights, averaged over rows.
fn entropy(map: &AttentionMap) -> f64 {
    let of_row = |row: &Vec<f64>| {
        let sum: f64 = row.iter().filter(|weight| **weight > 0.0).map(|w| -w * w.ln()).sum();
        sum / (row.len() as f64).ln()
    };
    mean_std(map.weights.iter().map(of_row)).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::SplitName;

    fn record(weights: Vec<Vec<f64>>, shift: f64) -> AttentionRecord {
        let maps = vec![AttentionMap { modality: Modality::Vision, weights, shift }];
        AttentionRecord { split: SplitName::Test, n_samples: 3, layer: 3, maps }
    }

    #[test]
    fn seeds_are_averaged_cell_by_cell() {
        let records = vec![
            record(vec![vec![0.5, 0.5], vec![1.0, 0.0]], 1.0),
            record(vec![vec![0.7, 0.3], vec![0.0, 1.0]], 3.0),
        ];
        let figure = AverageAttention { records };
        let lines = figure.lines();
        let means: Vec<f64> = lines.iter().map(|line| line.mean).collect();
        assert_eq!((means, lines[3].query, lines[3].key), (vec![0.6, 0.4, 0.5, 0.5], 2, 2));
        let page = figure.markdown("Title", "About.");
        // Largest: 0.75 and 0.85; entropy: of (0.5, 0.5) 1 and of (0.7, 0.3) 0.8813, else 0.
        assert!(
            page.contains("| β, vision | 0.8000 ± 0.0707 | 0.4703 ± 0.0420 | 2.0000 ± 1.4142 |"),
            "{page}"
        );
        assert!(page.contains("| **1** | 0.6000 | 0.4000 |"), "{page}");
        let svg = figure.svg("Title", "CH-SIMS").unwrap();
        assert_eq!(svg.matches("class=\"cell\"").count(), 4);
    }

    #[test]
    fn without_anything_to_attend_to_it_is_said() {
        let figure = AverageAttention::default();
        assert!(figure.markdown("Title", "About.").ends_with(NOTHING));
        assert!(figure.svg("Title", "CH-SIMS").is_none());
    }
}
