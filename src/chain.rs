//! Formats an error with its causes on one line, and explains operating system errors.
//!
//! An error states only what it knows itself and links its cause, which this module appends. So no text
//! is repeated, and whoever looked for a missing file names it.

use std::error::Error;
use std::io;

/// An error and its causes, joined by `: `.
///
/// Errors of other libraries may both print and link their cause: it is shown once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = said(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = said(error);
        if text.is_empty() {
            text = next;
        } else if !next.is_empty() && !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// One link.
fn said(error: &(dyn Error + 'static)) -> String {
    error.downcast_ref::<io::Error>().map_or_else(|| error.to_string(), io_words)
}

/// Explains an operating system error, to follow a description of the attempted action.
///
/// Errors without an explanation here keep the system's text.
fn io_words(error: &io::Error) -> String {
    if let Some(put) = error.get_ref() {
        let text = put.to_string();
        // Libraries add file names to an error, some of which no user knows.
        if !text.contains("(os error ") {
            return text;
        }
        let system = put.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        if let Some(system) = system.filter(|system| text.contains(&system.to_string())) {
            return io_words(system);
        }
    }
    let words = match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::AlreadyExists => "already exists",
        io::ErrorKind::IsADirectory => "it is a folder",
        io::ErrorKind::NotADirectory => "a part of its path is not a folder",
        io::ErrorKind::DirectoryNotEmpty => "the folder is not empty",
        io::ErrorKind::StorageFull => "the disk is full",
        io::ErrorKind::QuotaExceeded => "no more of the disk may be used",
        io::ErrorKind::ReadOnlyFilesystem => "the disk can only be read",
        io::ErrorKind::FileTooLarge => "the disk takes no file of this size",
        io::ErrorKind::InvalidFilename => "no file can have such a name",
        io::ErrorKind::UnexpectedEof => "it ends too early",
        io::ErrorKind::InvalidData => "it is not text in UTF-8",
        io::ErrorKind::WriteZero => "nothing more can be written to it",
        io::ErrorKind::OutOfMemory => "there is not enough memory",
        io::ErrorKind::WouldBlock => "another program has it open",
        io::ErrorKind::BrokenPipe => "nobody reads it any more",
        _ => return format!("the system refuses: {error}"),
    };
    words.into()
}

/// The message of a library not written in Rust, as the last link of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Said(pub String);

/// The attempted action, to follow a path: `cannot write`. For a file that does not exist, it says so,
/// and the chain does not repeat it.
pub fn tried(action: &str, cause: &io::Error) -> String {
    match (action, cause.kind()) {
        ("open" | "be opened" | "read" | "list", io::ErrorKind::NotFound) => chain(cause),
        _ => format!("cannot {action}"),
    }
}

/// The attempted action with the system's error.
pub fn failed(action: &str, cause: &io::Error) -> String {
    let (tried, answer) = (tried(action, cause), chain(cause));
    if tried == answer { answer } else { format!("{tried}: {answer}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error("x.h5: {}", tried("open", cause))]
        Io {
            #[source]
            cause: io::Error,
        },
        #[error("train/audio")]
        Inner(#[source] Box<Outer>),
        #[error("both: {0}")]
        Both(#[source] std::num::ParseIntError),
    }

    fn absent() -> io::Error {
        std::fs::File::open("no/such/file").unwrap_err()
    }

    #[test]
    fn causes_follow_once_each() {
        let io = |cause| Outer::Io { cause };
        let full = io::ErrorKind::StorageFull.into();
        let inner = Outer::Inner(Box::new(io(full)));
        assert_eq!(chain(&inner), "train/audio: x.h5: cannot open: the disk is full");
        assert_eq!(chain(&io(absent())), "x.h5: no such file or folder");
        assert_eq!(io(absent()).to_string(), "x.h5: no such file or folder");
        assert_eq!(failed("read", &absent()), "no such file or folder");
        assert_eq!(failed("write", &absent()), "cannot write: no such file or folder");
        let both = Outer::Both("x".parse::<u8>().unwrap_err());
        assert_eq!(chain(&both), "both: invalid digit found in string");
        // An error wrapped in a file system error keeps its text, and has its own causes.
        let put = io::Error::other(io(absent()));
        assert_eq!(chain(&io(put)), "x.h5: cannot open: x.h5: no such file or folder");
    }

    #[test]
    fn names_around_an_answer_of_the_system_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let error = tempfile::tempdir_in(folder.path().join("no")).unwrap_err();
        assert!(error.to_string().contains("os error"), "{error}");
        assert_eq!(chain(&error), "no such file or folder");
    }

    #[test]
    fn an_answer_without_a_sentence_is_told_as_it_is() {
        let busy = io::Error::from_raw_os_error(16);
        assert!(io_words(&busy).starts_with("the system refuses: "), "{}", io_words(&busy));
        assert!(!io_words(&absent()).contains("os error"));
    }
}
