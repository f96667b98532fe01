//! Why a file could not be unpacked, and what its owner can do about it.

use std::io;
use std::path::PathBuf;

use crate::signature::archive::{Entry, shown};
use crate::signature::quoted;
use crate::words::human_bytes;

/// Entries that a message names.
const NAMED: usize = 8;

/// Why a file could not be opened or unpacked.
#[derive(Debug, thiserror::Error)]
#[error("{}{cause}", .inside.as_ref().map(|name| format!("within it `{name}`: ")).unwrap_or_default())]
pub struct ContainerError {
    /// The content in which it happened, if not the file itself.
    pub inside: Option<String>,
    /// What happened.
    pub cause: Cause,
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The file cannot be opened or mapped.
    #[error("cannot be opened: {0}")]
    Open(io::Error),
    /// The folder for temporary files did not take the content.
    #[error("cannot unpack into {}: {cause}", .folder.display())]
    Temporary {
        /// The folder.
        folder: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
    /// The folder for temporary files has less space than the content needs.
    #[error(
        "cannot unpack into {}: it needs {}, of which {} are free",
        .folder.display(),
        human_bytes(*.needed),
        human_bytes(*.free)
    )]
    NoSpace {
        /// The folder.
        folder: PathBuf,
        /// Bytes of the content.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The content is larger than the limit.
    #[error(
        "unpacks to {} bytes, the limit is {limit}",
        .found.map_or(format!("more than {limit}"), |found| found.to_string())
    )]
    TooLarge {
        /// The limit.
        limit: u64,
        /// The size, where it is known.
        found: Option<u64>,
    },
    /// A decoder would need more memory than it may have.
    #[error("{what} that take more than {} of memory to unpack", human_bytes(*.limit))]
    Memory {
        /// The kind of data.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The data end before they should.
    #[error("{what} that end too early, after {n_bytes} bytes unpacked: the file was cut short")]
    Cut {
        /// The kind of data.
        what: &'static str,
        /// What could be unpacked.
        n_bytes: u64,
    },
    /// The data contradict themselves.
    #[error("{what}, damaged: {problem}")]
    Damaged {
        /// The kind of data.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// More levels of files in files than any file has.
    #[error("too many files packed into each other")]
    Nested,
    /// Several pickles, of which none was asked for.
    #[error("{what} that holds {n_pickles} pickles: {names}")]
    Several {
        /// The kind of archive.
        what: &'static str,
        /// How many.
        n_pickles: usize,
        /// Their names and sizes.
        names: String,
        /// What to do.
        hint: String,
    },
    /// An archive of other things.
    #[error("{what} without a pickle: {}", held(.names, *.n_files))]
    NoPickle {
        /// The kind of archive.
        what: &'static str,
        /// Names of its first files.
        names: String,
        /// How many files it has.
        n_files: usize,
    },
    /// Two entries have the name of the one that is read.
    #[error("{what} that holds `{name}` twice")]
    Twice {
        /// The kind of archive.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The entry that was asked for is absent.
    #[error("{what} without an entry `{name}`; it holds {names}")]
    NoEntry {
        /// The kind of archive.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// Names of its first files.
        names: String,
    },
    /// An entry was asked for of what is no archive.
    #[error("is no archive, and has no entry `{name}`")]
    NoArchive {
        /// What was asked for.
        name: String,
    },
    /// The entry is encrypted.
    #[error("the entry `{name}` is encrypted")]
    Encrypted {
        /// The entry.
        name: String,
    },
    /// The entry is packed in a way that is not read.
    #[error("{what} whose entry `{name}` is packed in a way that is not read")]
    Method {
        /// The kind of archive.
        what: &'static str,
        /// The entry.
        name: String,
    },
}

fn held(names: &str, n_files: usize) -> String {
    match n_files {
        0 if names.is_empty() => "it is empty".into(),
        _ => format!("it holds {names}"),
    }
}

impl Cause {
    /// The refusal to choose among several pickles.
    pub(super) fn several(
        what: &'static str,
        pickles: Vec<Entry>,
        n_pickles: usize,
        id: &str,
        archive: &str,
    ) -> Cause {
        let named = pickles.iter().take(NAMED);
        let named =
            named.map(|entry| format!("{} ({})", shown(&entry.name), human_bytes(entry.size)));
        let mut names: Vec<String> = named.collect();
        if n_pickles > names.len() {
            names.push(format!("{} more", n_pickles.saturating_sub(names.len())));
        }
        let first = pickles.first().map(|entry| quoted(&entry.name)).unwrap_or_default();
        let splits = ["train", "dev", "valid", "val", "test"];
        let is_split = |entry: &Entry| {
            let base = entry.name.rsplit('/').next().unwrap_or_default();
            base.split_once('.').is_some_and(|(stem, _)| splits.contains(&stem))
        };
        let hint = match pickles.iter().all(is_split) {
            // One split each: they belong together.
            true => {
                let archive = quoted(archive);
                let unpack = match id {
                    "zip" => format!("unzip {archive} -d unpacked"),
                    _ => format!("mkdir unpacked && tar -xf {archive} -C unpacked"),
                };
                let folder = match pickles.first().and_then(|entry| entry.name.rsplit_once('/')) {
                    Some((folder, _)) => quoted(&format!("unpacked/{folder}")),
                    None => "unpacked".into(),
                };
                format!(
                    "`{unpack}`, then `almt-data convert {folder}`, reads them as the splits of one dataset"
                )
            }
            false => format!("`--entry {first}` takes one of them"),
        };
        Cause::Several { what, n_pickles, names: names.join(", "), hint }
    }
}

impl ContainerError {
    /// What the owner of the file can do.
    pub fn hint(&self) -> Option<String> {
        let hint = match &self.cause {
            Cause::Open(_) => return None,
            Cause::Temporary { .. } | Cause::NoSpace { .. } => {
                "the environment variable `TMPDIR` names another folder for it, on a disk with more \
                 space"
            }
            Cause::TooLarge { .. } => {
                "no known feature file comes near this limit; if you trust this one, \
                 `--max-unpacked` raises it"
            }
            Cause::Memory { .. } => {
                "unpack it with the program that packed it, and give the file that comes out"
            }
            Cause::Cut { .. } | Cause::Damaged { .. } => "download or copy the file again",
            Cause::Nested => "unpack it step by step, and give the file that comes out",
            Cause::Several { hint, .. } => hint,
            Cause::NoPickle { .. } => {
                "feature files end in `.pkl`; `--entry NAME` takes a file of another name"
            }
            Cause::Twice { .. } => {
                "one of the two is meant: unpack them with `7z x`, which asks for another name, and \
                 give the file that is"
            }
            Cause::NoEntry { .. } => "`--entry` takes the whole name, with its folders",
            Cause::NoArchive { .. } => "leave `--entry` out",
            Cause::Encrypted { .. } => {
                "unpack it with its password, and give the file that comes out"
            }
            Cause::Method { .. } => "unpack it with `7z x`, and give the file that comes out",
        };
        Some(hint.into())
    }
}
