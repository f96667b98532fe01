//! Why a file could not be unpacked, and possible fixes.

use std::io;
use std::path::PathBuf;

use crate::advice::{Advice, Advise, PackedAdvice};
use crate::chain::tried;
use crate::limit::Limit;
use crate::signature::archive::{Entry, shown};
use crate::words::human_bytes;
use crate::words::quoted_name;

/// Maximum number of entries in a message.
const NAMED: usize = 8;

/// Why a file could not be opened or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// The problem is in the file itself.
    #[error(transparent)]
    Itself(Cause),
    /// The problem is in the content with this name.
    #[error("within it `{name}`")]
    Inside {
        /// Name of the content.
        name: String,
        /// The problem.
        #[source]
        cause: Cause,
    },
}

/// The problem.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The file cannot be opened or mapped.
    #[error("{}", tried("be opened", .0))]
    Open(#[source] io::Error),
    /// Writing the content to the temporary folder failed.
    #[error("cannot unpack into {}", .folder.display())]
    Temporary {
        /// The folder.
        folder: PathBuf,
        /// The operating system's error.
        #[source]
        cause: io::Error,
    },
    /// The temporary folder has less space than the content needs.
    #[error(
        "cannot unpack into {}: {} needed, {} free",
        .folder.display(),
        human_bytes(*.needed),
        human_bytes(*.free)
    )]
    NoSpace {
        /// The folder.
        folder: PathBuf,
        /// Bytes of the content.
        needed: u64,
        /// Free bytes.
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
        /// The size, if known.
        found: Option<u64>,
    },
    /// A decoder would exceed its memory limit.
    #[error("{what} that take more than {} of memory to unpack", human_bytes(*.limit))]
    Memory {
        /// The kind of data.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The data are truncated.
    #[error("{what} that end too early, after {n_bytes} bytes unpacked: the file was cut short")]
    Cut {
        /// The kind of data.
        what: &'static str,
        /// Bytes unpacked until then.
        n_bytes: u64,
    },
    /// The data are inconsistent.
    #[error("{what}, damaged: {problem}")]
    Damaged {
        /// The kind of data.
        what: &'static str,
        /// The problem.
        problem: String,
    },
    /// Files are nested deeper than in any real file.
    #[error("too many files packed into each other")]
    Nested,
    /// Several pickles, none of which was chosen.
    #[error("{what} that holds {n_pickles} pickles: {names}")]
    Several {
        /// The kind of archive.
        what: &'static str,
        /// Number of pickles.
        n_pickles: usize,
        /// Their names and sizes.
        names: String,
        /// Possible fix.
        advice: PackedAdvice,
    },
    /// An archive without pickles.
    #[error("{what} without a pickle: {}", held(.names, *.n_files))]
    NoPickle {
        /// The kind of archive.
        what: &'static str,
        /// Names of its first files.
        names: String,
        /// Number of files.
        n_files: usize,
    },
    /// An archive of nothing but links, whose files are not in it.
    #[error("{what} that holds only {links}")]
    OnlyLinks {
        /// The kind of archive.
        what: &'static str,
        /// The links, in words.
        links: String,
    },
    /// The entry's name is not unique.
    #[error("{what} that holds `{name}` twice")]
    Twice {
        /// The kind of archive.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The chosen entry is absent.
    #[error("{what} without an entry `{name}`; it holds {names}")]
    NoEntry {
        /// The kind of archive.
        what: &'static str,
        /// Name of the chosen entry.
        name: String,
        /// Names of its first files.
        names: String,
    },
    /// An entry was chosen for a file that is not an archive.
    #[error("is not an archive, so it has no entry `{name}`")]
    NoArchive {
        /// Name of the chosen entry.
        name: String,
    },
    /// The entry is encrypted.
    #[error("the entry `{name}` is encrypted")]
    Encrypted {
        /// The entry.
        name: String,
    },
    /// The entry's packing method is not supported.
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
    /// The error for several pickles without a choice.
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
        let first = pickles.first().map(|entry| quoted_name(&entry.name)).unwrap_or_default();
        let splits = ["train", "dev", "valid", "val", "test"];
        let is_split = |entry: &Entry| {
            let base = entry.name.rsplit('/').next().unwrap_or_default();
            base.split_once('.').is_some_and(|(stem, _)| splits.contains(&stem))
        };
        let advice = match pickles.iter().all(is_split) {
            // One per split: they belong together.
            true => {
                let archive = quoted_name(archive);
                let command = match id {
                    "zip" => format!("unzip {archive} -d unpacked"),
                    _ => format!("mkdir unpacked && tar -xf {archive} -C unpacked"),
                };
                let folder = match pickles.first().and_then(|entry| entry.name.rsplit_once('/')) {
                    Some((folder, _)) => quoted_name(&format!("unpacked/{folder}")),
                    None => "unpacked".into(),
                };
                PackedAdvice::UnpackSplits { command, folder }
            }
            false => PackedAdvice::TakeEntry { name: first },
        };
        Cause::Several { what, n_pickles, names: names.join(", "), advice }
    }
}

impl Advise for ContainerError {
    fn advice(&self) -> Vec<Advice> {
        let (ContainerError::Itself(cause) | ContainerError::Inside { cause, .. }) = self;
        let advice = match cause {
            Cause::Open(_) => return Vec::new(),
            Cause::TooLarge { .. } => return vec![Advice::Raise(Limit::Unpacked)],
            Cause::Cut { .. } | Cause::Damaged { .. } => return vec![Advice::CopyAgain],
            Cause::Temporary { .. } | Cause::NoSpace { .. } => PackedAdvice::OtherTemporaryFolder,
            Cause::Memory { .. } => PackedAdvice::UnpackWithPacker,
            Cause::Nested => PackedAdvice::UnpackStepwise,
            Cause::Several { advice, .. } => advice.clone(),
            Cause::NoPickle { .. } => PackedAdvice::NameEntry,
            Cause::OnlyLinks { .. } => PackedAdvice::PackLinkedFile,
            Cause::Twice { .. } => PackedAdvice::UnpackTwins,
            Cause::NoEntry { .. } => PackedAdvice::WholeNameOfEntry,
            Cause::NoArchive { .. } => PackedAdvice::NoEntry,
            Cause::Encrypted { .. } => PackedAdvice::UnpackWithPassword,
            Cause::Method { .. } => PackedAdvice::UnpackWithOther,
        };
        vec![advice.into()]
    }
}
