//! `almt-data labels`: counts the segments in each label class.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;

use super::target::check_output;
use super::{Failure, chart, output};
use crate::corpus::balance::Balance;
use crate::export::{self, TableForm};
use crate::store::Store;

/// Count the segments of each label class per split, as a table with bars or as a file
///
/// Classes that a binning scheme excludes, such as zero in acc_2_non0, have the number -1. Shares are
/// relative to all segments of the split; the longest bar of a scheme is its largest share.
#[derive(Args)]
pub struct LabelsArgs {
    /// Input store
    store: PathBuf,
    /// Print JSON instead of a table, as described by `almt-data schema labels`
    #[arg(long)]
    json: bool,
    /// Also write the counts to this file: .csv, .parquet or .json
    #[arg(short, long, value_name = "FILE")]
    output: Option<Target>,
    /// Overwrite existing output
    #[arg(long)]
    overwrite: bool,
}

/// An output file whose extension determines its format.
#[derive(Debug, Clone)]
struct Target {
    path: PathBuf,
    form: TableForm,
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Target, &'static str> {
        let path = PathBuf::from(text);
        match TableForm::of_name(&path) {
            Some(form) => Ok(Target { path, form }),
            None => Err("the file ends in none of: .csv, .parquet, .json"),
        }
    }
}

/// Counts the labels of one store.
pub fn run(args: &LabelsArgs) -> Result<Balance, Failure> {
    if let Some(Target { path, .. }) = &args.output {
        check_output(path, args.overwrite, [&args.store])?;
    }
    let balance = Store::open(&args.store)?.balance()?;
    if let Some(Target { path, form }) = &args.output {
        export::save_balance(&balance, path, *form, args.overwrite)?;
    }
    Ok(balance)
}

/// Counts the labels of one store, and prints the counts.
pub fn labels(args: LabelsArgs) -> Result<ExitCode, Failure> {
    let balance = run(&args)?;
    if args.json {
        output::json(&balance)?;
    } else {
        output::write(format_args!("{}", chart::draw(&balance, chart::width())));
    }
    Ok(ExitCode::SUCCESS)
}
