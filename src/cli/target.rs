//! Checks a command's output file: it must not be an input.

use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};

use super::Failure;
use super::advice::hint;
use crate::advice::StoreAdvice;
use crate::paths::same_file;

/// Refuses an output that is one of the inputs, even with overwriting; or that exists and may not be
/// replaced.
pub fn check_output(
    output: &Path,
    overwrite: bool,
    inputs: impl IntoIterator<Item = impl AsRef<Path>>,
) -> Result<(), Failure> {
    if inputs.into_iter().any(|input| same_file(input.as_ref(), output)) {
        return Err(Failure::at(output, "the output would replace the input")
            .hint(hint(&StoreAdvice::OtherOutput.into())));
    }
    if output.exists() && !overwrite {
        let advice = hint(&StoreAdvice::Overwrite.into());
        return Err(Failure::at(output, "already exists").hint(advice));
    }
    Ok(())
}

/// Kinds of output, with their extensions.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    what: &'static str,
    endings: &'static [&'static str],
}

pub const STORE: Written = Written { what: "a store", endings: &["h5", "hdf5", "arrow"] };
#[cfg(feature = "train")]
pub const PREDICTIONS: Written = Written { what: "a table", endings: &["csv", "parquet"] };
pub const PAGE: Written = Written { what: "an HTML page", endings: &["html"] };
pub const PICTURE: Written = Written { what: "an SVG picture", endings: &["svg"] };
pub const SPLITS: Written = Written { what: "a split manifest", endings: &["json"] };

/// Extensions with an established meaning.
const KNOWN: [&str; 26] = [
    "arrow",
    "csv",
    "doc",
    "docx",
    "feather",
    "gz",
    "h5",
    "hdf5",
    "html",
    "json",
    "npy",
    "npz",
    "parquet",
    "pdf",
    "pickle",
    "pkl",
    "png",
    "pt",
    "pth",
    "safetensors",
    "svg",
    "tar",
    "tsv",
    "xls",
    "xlsx",
    "zip",
];

/// Parses an output's name, which must not have the extension of another kind.
pub fn named(written: Written) -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(move |path| {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let Written { what, endings } = written;
        match !KNOWN.contains(&&*ending) || endings.contains(&&*ending) {
            true => Ok(path),
            false => {
                let dotted: Vec<String> = endings.iter().map(|it| format!("`.{it}`")).collect();
                Err(format!("the name of {what} ends in {}", dotted.join(" or ")))
            }
        }
    })
}
