//! The lengths of a store's samples as an SVG file: a row per modality, a column per split.

use std::fmt::Write;

use crate::corpus::summary::{BlockSummary, Summary};
use crate::corpus::{Modality, SplitName};

/// Size of one panel and the space around it, in pixels.
const PANEL: [f64; 2] = [260.0, 130.0];
const GAP: [f64; 2] = [40.0, 62.0];
const LEFT: f64 = 50.0;
const TOP: f64 = 60.0;

/// Draws the length distributions of all blocks of a store.
pub fn draw(summary: &Summary) -> String {
    let Summary { dataset, blocks, .. } = summary;
    let has = |modality| blocks.iter().any(|block| block.modality == modality);
    let modalities: Vec<Modality> = Modality::ALL.into_iter().filter(|m| has(*m)).collect();
    let splits: Vec<SplitName> = SplitName::ALL
        .into_iter()
        .filter(|split| blocks.iter().any(|block| block.split == *split))
        .collect();
    let width = LEFT + splits.len().max(1) as f64 * (PANEL[0] + GAP[0]);
    let height = TOP + modalities.len().max(1) as f64 * (PANEL[1] + GAP[1]);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{dataset}: samples by length, in frames</text>\n"
    );
    for (row, modality) in modalities.iter().enumerate() {
        for (col, split) in splits.iter().enumerate() {
            let block = blocks.iter().find(|b| b.modality == *modality && b.split == *split);
            if let Some(block) = block {
                let left = LEFT + col as f64 * (PANEL[0] + GAP[0]);
                let top = TOP + row as f64 * (PANEL[1] + GAP[1]);
                // Writing to a string does not fail.
                let _ = panel(&mut svg, block, left, top);
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, block: &BlockSummary, left: f64, top: f64) -> std::fmt::Result {
    let [width, height] = PANEL;
    let [n_samples, seq_len, _] = block.shape;
    let lengths = &block.lengths;
    let most = lengths.histogram.iter().copied().max().unwrap_or(0).max(1);
    let bottom = top + height;
    let (split, modality) = (block.split, block.modality);
    writeln!(svg, "<text x=\"{left}\" y=\"{:.1}\">{split} {modality}</text>", top - 8.0)?;
    writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{n_samples} \
         samples</text>",
        left + width,
        top - 8.0
    )?;
    let step = width * lengths.class_width as f64 / (seq_len as f64 + 1.0);
    for (class, count) in lengths.histogram.iter().enumerate().filter(|(_, count)| **count > 0) {
        let x = left + class as f64 * step;
        let extent = height * f64::from(*count) / f64::from(most);
        writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{extent:.1}\" \
             fill=\"#4878a8\"/>",
            bottom - extent,
            // The last class may extend beyond the longest possible length.
            (step * 0.9).min(left + width - x)
        )?;
    }
    writeln!(
        svg,
        "<path d=\"M{left} {top} V{bottom} H{:.1}\" fill=\"none\" stroke=\"#333\"/>",
        left + width
    )?;
    let below = bottom + 16.0;
    let ticks =
        [(left - 4.0, top + 10.0, "end", most.to_string()), (left, below, "middle", "0".into())];
    let last = (left + width, below, "middle", seq_len.to_string());
    for (x, y, anchor, text) in ticks.into_iter().chain([last]) {
        writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>")?;
    }
    let (middle, source) = (left + width / 2.0, lengths.source.describe());
    writeln!(
        svg,
        "<text x=\"{middle:.1}\" y=\"{below:.1}\" text-anchor=\"middle\" \
         fill=\"#555\">{source}</text>"
    )
}
