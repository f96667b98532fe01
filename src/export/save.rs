//! Exports a store, or a table about it, to a file, in one call.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::tables::{class_table, csv_of};
use super::{
    ExportError, croissant, csd, csv, is_parquet_export, mmsa_pickle, npz, parquet, table_parquet,
};
use crate::advice::{Advice, Advise, StoreAdvice};
use crate::chain::tried;
use crate::corpus::balance::Balance;
use crate::paths::{same_file, size_on_disk};
use crate::progress::{Progress, Stage};
use crate::publish::Draft;
use crate::store::{Store, StoreError};

/// Export format of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportForm {
    /// The pickle that MMSA, Self-MM and ALMT load.
    MmsaPickle,
    /// A folder of Parquet files.
    Parquet,
    /// One CSV file with all columns that have one value per segment.
    Csv,
    /// One NumPy archive.
    Npz,
    /// A folder of computational sequences.
    Csd,
    /// Croissant metadata.
    Croissant {
        /// The declared licence, as a URL or a short name.
        license: Option<String>,
    },
}

impl ExportForm {
    /// File name extension, without its first dot.
    pub fn ending(&self) -> &'static str {
        match self {
            // The pickle that a store was made from usually has its name.
            ExportForm::MmsaPickle => "mmsa.pkl",
            ExportForm::Parquet => "parquet",
            ExportForm::Csv => "csv",
            ExportForm::Npz => "npz",
            // A folder is not to be mistaken for one of its sequences.
            ExportForm::Csd => "sequences",
            ExportForm::Croissant { .. } => "croissant.json",
        }
    }
}

/// Format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableForm {
    /// CSV.
    Csv,
    /// Parquet.
    Parquet,
    /// One JSON document that contains the rows.
    Json,
}

impl TableForm {
    /// The format that a file name's extension implies, if any.
    pub fn of_name(path: &Path) -> Option<TableForm> {
        match path.extension()?.to_str()? {
            "csv" => Some(TableForm::Csv),
            "parquet" => Some(TableForm::Parquet),
            "json" => Some(TableForm::Json),
            _ => None,
        }
    }
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(StoreError),
    /// The output is the store being read.
    #[error("{path}: the output would replace the input")]
    OutputIsInput {
        /// The output.
        path: PathBuf,
    },
    /// The output is a source file of the store.
    #[error("{path}: the output would replace a file that the store was made from")]
    OutputIsSource {
        /// The output.
        path: PathBuf,
    },
    /// The output is a folder that contains something other than an export.
    #[error("{path}: is a folder that holds more than an export")]
    Foreign {
        /// The output.
        path: PathBuf,
    },
    /// The output already exists.
    #[error("{path}: already exists")]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// The output cannot be written.
    #[error("{path}: {}", tried("write", cause))]
    Write {
        /// The output.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: io::Error,
    },
    /// The format cannot hold the store, or this build does not write it.
    #[error("{path}")]
    Form {
        /// The output.
        path: PathBuf,
        /// The reason.
        #[source]
        cause: Box<ExportError>,
    },
}

impl SaveError {
    /// The failure to write the file at `path`.
    pub(crate) fn of(path: &Path, error: ExportError) -> SaveError {
        let path = path.into();
        match error {
            ExportError::Store(error) => SaveError::Store(error),
            ExportError::Write(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                SaveError::Exists { path }
            }
            ExportError::Write(cause) => SaveError::Write { path, cause },
            cause @ (ExportError::Unfit { .. } | ExportError::NoParquet) => {
                SaveError::Form { path, cause: Box::new(cause) }
            }
        }
    }
}

impl Advise for SaveError {
    fn advice(&self) -> Vec<Advice> {
        let advice = match self {
            SaveError::Store(error) => return error.advice(),
            SaveError::Form { cause, .. } => return cause.advice(),
            SaveError::OutputIsInput { .. } | SaveError::Write { .. } => return Vec::new(),
            SaveError::Foreign { .. } | SaveError::OutputIsSource { .. } => {
                StoreAdvice::OtherOutput
            }
            SaveError::Exists { .. } => StoreAdvice::Overwrite,
        };
        vec![advice.into()]
    }
}

/// An export that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Size of the output in bytes.
    pub n_bytes: u64,
    /// What is not as in the store, in sentences.
    pub notes: Vec<String>,
}

/// Exports the store at `store` to `output`. The output appears only when complete.
///
/// # Errors
/// The store cannot be read or differs from its digests, the format cannot hold it, or the output is
/// the store, exists and may not be replaced, or cannot be written.
pub fn export(
    store: &Path,
    output: &Path,
    form: &ExportForm,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<Exported, SaveError> {
    let path = store;
    let store = Store::open(path).map_err(SaveError::Store)?;
    if same_file(path, output) {
        return Err(SaveError::OutputIsInput { path: output.into() });
    }
    let (name, size) = (output.file_name(), output.metadata().map_or(0, |found| found.len()));
    let mut sources = store.manifest().sources.iter();
    if sources.any(|it| Some(it.file_name.as_ref()) == name && it.size == size) {
        return Err(SaveError::OutputIsSource { path: output.into() });
    }
    let is_ours: Option<fn(&Path) -> bool> = match form {
        ExportForm::Parquet => Some(is_parquet_export),
        ExportForm::Csd => Some(super::csd::is_ours),
        _ => None,
    };
    let is_folder = is_ours.is_some();
    if overwrite && output.is_dir() && is_ours.is_some_and(|is_ours| !is_ours(output)) {
        return Err(SaveError::Foreign { path: output.into() });
    }
    let draft = match is_folder {
        true => Draft::folder(output, overwrite),
        false => Draft::new(output, overwrite),
    };
    progress.begin(Stage::Exporting, store.size());
    let advance = |n_bytes| progress.advance(n_bytes);
    let notes = put(output, draft, |path| write(&store, form, path, &advance))?;
    Ok(Exported { n_bytes: size_on_disk(output), notes })
}

/// Writes class counts to `output`.
///
/// # Errors
/// The output exists and may not be replaced, cannot be written, or is to be Parquet, which this build
/// does not write.
pub fn save_balance(
    balance: &Balance,
    output: &Path,
    form: TableForm,
    overwrite: bool,
) -> Result<(), SaveError> {
    put(output, Draft::new(output, overwrite), |path| {
        let mut file = BufWriter::new(File::options().write(true).open(path)?);
        match form {
            TableForm::Csv => file.write_all(&csv_of(&balance.classes)?)?,
            TableForm::Parquet => {
                file.write_all(&table_parquet(&class_table(&balance.classes))?)?;
            }
            TableForm::Json => {
                serde_json::to_writer_pretty(&mut file, balance).map_err(io::Error::from)?;
                writeln!(file)?;
            }
        }
        Ok(file.flush()?)
    })
}

/// Writes a draft of `output` by `write`, and publishes it.
fn put<T>(
    output: &Path,
    draft: io::Result<Draft>,
    write: impl FnOnce(&Path) -> Result<T, ExportError>,
) -> Result<T, SaveError> {
    let failed = |error| SaveError::of(output, error);
    let draft = draft.map_err(|error| failed(error.into()))?;
    let written = write(&draft.path()).map_err(failed)?;
    draft.publish().map_err(|error| failed(error.into()))?;
    Ok(written)
}

/// Writes a store, and returns what is not as in it.
fn write(
    store: &Store,
    form: &ExportForm,
    path: &Path,
    advance: &dyn Fn(u64),
) -> Result<Vec<String>, ExportError> {
    match form {
        ExportForm::Parquet => return parquet(store, path, advance).map(|()| Vec::new()),
        ExportForm::Csd => return csd(store, path, advance),
        _ => {}
    }
    let mut file = BufWriter::new(File::options().write(true).open(path)?);
    match form {
        ExportForm::Parquet | ExportForm::Csd => {}
        ExportForm::MmsaPickle => file = mmsa_pickle(store, file, advance)?,
        ExportForm::Npz => file = npz(store, file, advance)?,
        ExportForm::Csv => csv(store, &mut file)?,
        ExportForm::Croissant { license } => {
            croissant(store, license.as_deref(), &mut file, advance)?;
        }
    }
    file.flush()?;
    Ok(Vec::new())
}
