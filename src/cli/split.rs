//! `almt-data split`: draws new splits for a store, written to a separate file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Failure, output, target, wrong_call};
use crate::corpus::check::Finding;
use crate::corpus::draw;
use crate::corpus::spec::SplitBy;
use crate::split::{self, DrawMethod, Drawn, DrawnSplit, SplitOptions, are_shares};
use crate::words::quoted_path;

/// Draw new splits for a store: k-fold or by ratio, stratified by label, keeping videos whole
#[derive(Args)]
#[command(group = clap::ArgGroup::new("method").required(true))]
pub struct SplitArgs {
    /// Input store
    store: PathBuf,
    /// K-fold cross-validation, K of 3 or more: each part is the test split once, the next part is the validation split
    #[arg(long, group = "method", value_name = "K")]
    #[arg(value_parser = super::number::within::<u16>(3, 1000))]
    k_fold: Option<u16>,
    /// One fold with these shares of train, valid and test, such as 0.7,0.1,0.2
    #[arg(long, group = "method", value_name = "TRAIN,VALID,TEST", allow_hyphen_values = true)]
    ratio: Option<Shares>,
    /// Draw only a validation split that is missing or has no labels, from the training split: `--from train
    /// --ratio 0.9,0.1`. The test split does not change
    #[arg(long, requires = "ratio", value_name = "train")]
    #[arg(conflicts_with_all = ["k_fold", "from_manifest"])]
    from: Option<DrawFrom>,
    /// Apply the folds of another split manifest to a store with the same segments
    #[arg(long, group = "method", value_name = "JSON")]
    from_manifest: Option<PathBuf>,
    /// Unit that is kept together: video or segment
    #[arg(long, default_value_t = SplitBy::Video, conflicts_with = "from_manifest")]
    #[arg(hide_possible_values = true)]
    by: SplitBy,
    /// Random seed; decides the order of groups of equal size, so few large videos leave it little choice
    #[arg(long, default_value_t = 1, conflicts_with = "from_manifest", value_parser = super::number::from::<u64>(0))]
    seed: u64,
    /// Output split manifest
    #[arg(short, long, value_name = "JSON", value_parser = target::named(target::SPLITS))]
    output: PathBuf,
    /// Overwrite existing output
    #[arg(long)]
    overwrite: bool,
}

/// What a validation split can be drawn from.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum DrawFrom {
    Train,
}

/// Shares of train, valid and test, or of the first two: all non-negative, the first and the last
/// positive.
#[derive(Debug, Clone)]
struct Shares(Vec<f64>);

impl FromStr for Shares {
    type Err = String;

    fn from_str(text: &str) -> Result<Shares, String> {
        let shares: Vec<f64> = text
            .split(',')
            .map(|share| share.trim().parse().map_err(|_| format!("`{share}` is not a number")))
            .collect::<Result<_, _>>()?;
        if ![2, 3].contains(&shares.len()) {
            let n_found = shares.len();
            return Err(format!(
                "expected three shares, or two with `--from train`, found {n_found}"
            ));
        }
        if !are_shares(&shares) {
            return Err(
                "shares must be between 0 and 1, the first and last above 0, and sum to 1".into()
            );
        }
        Ok(Shares(shares))
    }
}

/// Name of this command.
const CALL: &str = "almt-data split";

/// A split manifest that was written.
#[derive(Serialize)]
pub struct SplitReport {
    #[serde(serialize_with = "output::path")]
    output: PathBuf,
    folds: Vec<Vec<DrawnSplit>>,
    store_digest: String,
    /// Segments of `--from-manifest` that the store lacks.
    n_unused: usize,
    /// Segments of an unlabelled validation split, in place of which one was drawn.
    n_left_out: usize,
    findings: Vec<Finding>,
}

/// Writes one split manifest.
pub fn run(args: &SplitArgs) -> Result<SplitReport, Failure> {
    let options = SplitOptions {
        method: args.method()?,
        by: args.by,
        seed: args.seed,
        overwrite: args.overwrite,
    };
    let Drawn { plan, folds, n_unused, n_left_out, findings } =
        split::split(&args.store, &args.output, &options)?;
    let (output, store_digest) = (args.output.clone(), plan.store_digest);
    Ok(SplitReport { output, folds, store_digest, n_unused, n_left_out, findings })
}

/// Writes one split manifest, and prints what is in it.
pub fn split(args: SplitArgs) -> Result<ExitCode, Failure> {
    let report = run(&args)?;
    if let (Some(path), 1..) = (&args.from_manifest, report.n_unused) {
        let path = path.display();
        errln!("note: {path}: segments that are not in the store: {}", report.n_unused);
    }
    if report.n_left_out > 0 {
        errln!("note: {}", draw::valid_left_out(report.n_left_out));
    }
    print(&report);
    let fold = if report.folds.len() > 1 { " --fold 0" } else { "" };
    output::next(&format!(
        "`almt-data train --store {} --manifest {}{fold}`",
        quoted_path(&args.store),
        quoted_path(&args.output)
    ));
    Ok(ExitCode::SUCCESS)
}

impl SplitArgs {
    /// How the splits are drawn. The call is invalid if the number of shares is wrong.
    fn method(&self) -> Result<DrawMethod, Failure> {
        if let Some(path) = &self.from_manifest {
            return Ok(DrawMethod::FromPlan { path: path.clone() });
        }
        let shares = self.ratio.as_ref().map_or(&[][..], |Shares(shares)| shares);
        match (self.k_fold, self.from, shares) {
            (Some(k), ..) => Ok(DrawMethod::KFold { k: k.into() }),
            (_, Some(DrawFrom::Train), &[train, valid]) => {
                Ok(DrawMethod::FromTrain { shares: [train, valid] })
            }
            (_, None, &[train, valid, test]) => {
                Ok(DrawMethod::Ratio { shares: [train, valid, test] })
            }
            _ => Err(wrong_call::<SplitArgs>(
                CALL,
                ErrorKind::WrongNumberOfValues,
                "`--ratio` takes three shares, and two with `--from train`",
            )),
        }
    }
}

/// Size and mean label of each split of each fold.
fn print(report: &SplitReport) {
    outln!("{}", report.output.display());
    for (fold_idx, fold) in report.folds.iter().enumerate() {
        let splits = fold.iter().map(|split| {
            let label = split.mean_label.map(|label| format!("mean label {label:+.2}"));
            let label = label.unwrap_or_else(|| "no labels".into());
            format!("{} {} ({label})", split.name, split.n_segments)
        });
        outln!("  fold {fold_idx}  {}", splits.collect::<Vec<_>>().join("  "));
    }
    outln!("  store   {}", report.store_digest);
    for findings in report.findings.chunk_by(|one, next| one.advice == next.advice) {
        findings.iter().for_each(|finding| outln!("  {finding}"));
        outln!("    hint: {}", findings[0].advice);
    }
}
