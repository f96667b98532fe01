//! `almt-data labels`: how many segments are in each class of labels.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;

use super::{Failure, chart, output};
use crate::corpus::balance::{Balance, ClassCount, count};
use crate::corpus::column::ColumnKind;
use crate::export::{ExportError, class_table, csv_of, table_parquet};
use crate::publish::Draft;
use crate::store::{Store, StoreError};

/// Count the segments in each class of labels, per split: a table with bars, or a file for programs
///
/// A class that takes no part in a division, such as zero in acc_2_non0, has the number -1. Shares
/// are those of all segments of the split, and the longest bar of a division is its largest share.
#[derive(Args)]
pub struct LabelsArgs {
    /// The store
    store: PathBuf,
    /// Print one JSON document in place of the table; `almt-data schema labels` describes it
    #[arg(long)]
    json: bool,
    /// Write the counts into this file too: a table if it ends in .csv or .parquet, the document of
    /// `--json` if it ends in .json
    #[arg(short, long, value_name = "FILE")]
    output: Option<Target>,
    /// Replace an existing output
    #[arg(long)]
    overwrite: bool,
}

/// A file whose ending says what it is.
#[derive(Debug, Clone)]
struct Target {
    path: PathBuf,
    form: TableFormat,
}

#[derive(Debug, Clone, Copy)]
enum TableFormat {
    Csv,
    Parquet,
    Json,
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Target, &'static str> {
        let path = PathBuf::from(text);
        let form = match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => TableFormat::Csv,
            Some("parquet") => TableFormat::Parquet,
            Some("json") => TableFormat::Json,
            _ => return Err("the file ends in none of: .csv, .parquet, .json"),
        };
        Ok(Target { path, form })
    }
}

/// Counts the labels of one store.
pub fn labels(args: LabelsArgs) -> Result<ExitCode, Failure> {
    let store = Store::open(&args.store)?;
    let balance = Balance {
        path: args.store,
        dataset: store.manifest().dataset.title(),
        digest: store.manifest().digest.clone(),
        classes: classes(&store)?,
    };
    let json =
        serde_json::to_string_pretty(&balance).map_err(|error| Failure::new(error.to_string()))?;
    if let Some(target) = &args.output {
        let draft = Draft::new(&target.path, args.overwrite)
            .map_err(|error| super::cannot_write(&target.path, error))?;
        write(&balance.classes, &json, target.form, &draft.path())
            .map_err(|error| super::export_failure(&target.path, error))?;
        draft.publish().map_err(|error| super::cannot_write(&target.path, error))?;
    }
    if args.json {
        outln!("{json}");
    } else {
        output::write(format_args!("{}", chart::draw(&balance, chart::width())));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the bins of each split; a division that the store lacks is left out.
fn classes(store: &Store) -> Result<Vec<ClassCount>, StoreError> {
    let splits = &store.manifest().splits;
    // Counts of no labels would look like counts of none.
    if let Some(first) = splits.first()
        && splits.iter().all(|split| {
            store.manifest().column(&ColumnKind::RegressionLabels.of(split.name)).is_none()
        })
    {
        return Err(StoreError::NoLabels { path: store.path().into(), split: first.name });
    }
    let scheme = store.manifest().dataset.bin_scheme();
    let mut counts = Vec::new();
    for split in &store.manifest().splits {
        for bins in scheme.bins() {
            let id = ColumnKind::Bins(*bins).of(split.name);
            if let Some(classes) = store.numbers::<i8>(&id)? {
                let classes: Vec<i8> = classes.into_iter().collect();
                counts.extend(count(split.name, scheme, *bins, &classes));
            }
        }
    }
    Ok(counts)
}

fn write(
    classes: &[ClassCount],
    json: &str,
    form: TableFormat,
    path: &Path,
) -> Result<(), ExportError> {
    let mut file = BufWriter::new(File::options().write(true).open(path)?);
    match form {
        TableFormat::Csv => file.write_all(&csv_of(classes)?)?,
        TableFormat::Parquet => file.write_all(&table_parquet(&class_table(classes))?)?,
        TableFormat::Json => writeln!(file, "{json}")?,
    }
    Ok(file.flush()?)
}
