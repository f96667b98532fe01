//! `almt-data stats`: what the features of a store look like, as text, JSON or picture.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, progress};
use crate::corpus::check::BlockReading;
use crate::corpus::column::ColumnKind;
use crate::corpus::summary::{BlockSummary, LengthSource, QUANTILES, Summary};
use crate::corpus::{Modality, SplitName};
use crate::publish;
use crate::store::{Store, StoreError};

mod svg;

/// Describe the features of a store: moments, zeros, and how long the samples are
#[derive(Args)]
pub struct StatsArgs {
    /// The store
    store: PathBuf,
    /// Print one JSON document in place of text; `almt-data schema stats` describes it
    #[arg(long)]
    json: bool,
    /// Draw the distributions of lengths into this file, replacing it
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Describes one store.
pub fn stats(args: StatsArgs) -> Result<ExitCode, Failure> {
    let store = Store::open(&args.store)?;
    let dataset = store.manifest().dataset.title();
    let blocks = summaries(&store)?;
    if let Some(target) = &args.svg {
        publish::write(target, svg::draw(dataset, &blocks).as_bytes())
            .map_err(|error| Failure::io(target, "write", &error))?;
    }
    let digest = store.manifest().digest.clone();
    let report = Summary { path: args.store, dataset, digest, blocks };
    if args.json {
        super::output::json(&report)?;
    } else {
        outln!("{}: {dataset}", report.path.display());
        report.blocks.iter().for_each(print);
    }
    Ok(ExitCode::SUCCESS)
}

fn summaries(store: &Store) -> Result<Vec<BlockSummary>, StoreError> {
    let total = store.path().metadata().map_or(0, |meta| meta.len());
    let bar = progress::bytes("reading", total);
    let mut summaries = Vec::new();
    for split in &store.manifest().splits {
        for modality in Modality::ALL {
            let id = ColumnKind::Features(modality).of(split.name);
            let Some(column) = store.manifest().column(&id) else { continue };
            let Ok(shape) = <[usize; 3]>::try_from(column.shape.as_slice()) else { continue };
            let recorded = store.lengths(split.name, modality)?;
            let mut reading = BlockReading::default();
            store.feature_pieces(split.name, modality, |values| {
                reading.take(values, shape, recorded.as_deref());
                bar.inc(size_of_val(values) as u64);
                Ok::<_, StoreError>(())
            })?;
            let lengths = match recorded {
                Some(lengths) => Some((LengthSource::Recorded, as_counts(&lengths))),
                None if modality == Modality::Text => masks(store, split.name)?,
                None => None,
            };
            summaries.push(BlockSummary::new(split.name, modality, shape, &reading, lengths));
        }
    }
    bar.finish_and_clear();
    Ok(summaries)
}

fn as_counts(lengths: &[i32]) -> Vec<u32> {
    lengths.iter().map(|length| u32::try_from(*length).unwrap_or(0)).collect()
}

/// Numbers of tokens from the masks of `text_bert`, `[n_samples, 3, seq_len]`.
fn masks(store: &Store, split: SplitName) -> Result<Option<(LengthSource, Vec<u32>)>, StoreError> {
    let tokens = store.numbers::<i32>(&ColumnKind::TextBert.of(split))?;
    Ok(tokens.map(|tokens| {
        let rows = tokens.outer_iter();
        let counts = rows.map(|row| {
            let mask = row.outer_iter().nth(1);
            mask.map_or(0, |mask| mask.iter().filter(|value| **value == 1).count() as u32)
        });
        (LengthSource::Mask, counts.collect())
    }))
}

fn print(block: &BlockSummary) {
    let [n_samples, seq_len, feat_dim] = block.shape;
    let number = |value: Option<f32>| value.map_or("none".into(), |value| digits(value.into()));
    outln!(
        "  {:<5}  {:<6}  [{n_samples}, {seq_len}, {feat_dim}]  mean {}  std {}  min {}  max \
         {}",
        block.split,
        block.modality,
        digits(block.mean),
        digits(block.std),
        number(block.min),
        number(block.max)
    );
    let share = 100.0 * block.zero_share;
    outln!(
        "         zeros {share:.1}%  all-zero samples {}  not finite {}",
        block.n_zero_samples,
        block.n_nonfinite
    );
    let lengths = &block.lengths;
    outln!(
        "         lengths 0 {} {seq_len}  {}",
        bars(&lengths.histogram),
        lengths.source.describe()
    );
    let quantiles: Vec<String> = QUANTILES
        .iter()
        .zip(&lengths.quantiles)
        .map(|(share, length)| match share {
            0.0 => format!("shortest {length}"),
            1.0 => format!("longest {length}"),
            _ => format!("{}% {length}", 100.0 * share),
        })
        .collect();
    outln!("         {}", quantiles.join("  "));
}

/// A number with three decimals, and without the sign of a zero.
fn digits(value: f64) -> String {
    let text = format!("{value:.3}");
    if text == "-0.000" { "0.000".into() } else { text }
}

/// A histogram in one line: nothing for an empty class, an eighth of a block at least for others.
fn bars(counts: &[u32]) -> String {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    counts
        .iter()
        .map(|count| BLOCKS[(u64::from(*count) * 8).div_ceil(most.into()) as usize])
        .collect()
}
