//! `almt-data stats`: describes a store's features as text, JSON or picture.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::target::{self, check_output};
use super::{Failure, progress};
use crate::corpus::summary::{BlockSummary, QUANTILES, Summary};
use crate::progress::Progress;
use crate::publish;
use crate::report::lengths;
use crate::store::Store;

/// Describe the features of a store: moments, zeros, sample lengths
#[derive(Args)]
pub struct StatsArgs {
    /// Input store
    store: PathBuf,
    /// Print JSON instead of text, as described by `almt-data schema stats`
    #[arg(long)]
    json: bool,
    /// Plot the length distributions to this file
    #[arg(long, value_name = "FILE", value_parser = target::named(target::PICTURE))]
    svg: Option<PathBuf>,
    /// Overwrite existing output
    #[arg(long, requires = "svg")]
    overwrite: bool,
}

/// Describes one store.
pub fn run(args: &StatsArgs, progress: &dyn Progress) -> Result<Summary, Failure> {
    if let Some(target) = &args.svg {
        check_output(target, args.overwrite, [&args.store])?;
    }
    let summary = Store::open(&args.store)?.summary(progress)?;
    if let Some(target) = &args.svg {
        publish::write(target, lengths::draw(&summary).as_bytes())
            .map_err(|error| Failure::io(target, "write", &error))?;
    }
    Ok(summary)
}

/// Describes one store, and prints the description.
pub fn stats(args: StatsArgs) -> Result<ExitCode, Failure> {
    let summary = progress::shown(|bars| run(&args, bars))?;
    if args.json {
        super::output::json(&summary)?;
    } else {
        outln!("{}: {}", summary.path.display(), summary.dataset);
        for known in &summary.features {
            outln!("  {:<6}  {known}", known.modality);
        }
        summary.blocks.iter().for_each(print);
    }
    Ok(ExitCode::SUCCESS)
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

/// A number with three decimals; zero has no sign.
fn digits(value: f64) -> String {
    let text = format!("{value:.3}");
    if text == "-0.000" { "0.000".into() } else { text }
}

/// A histogram on one line: empty classes are blank, others at least an eighth of a block high.
fn bars(counts: &[u32]) -> String {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    counts
        .iter()
        .map(|count| BLOCKS[(u64::from(*count) * 8).div_ceil(most.into()) as usize])
        .collect()
}
