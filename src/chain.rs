//! An error with its causes in one line, and what the answers of the operating system mean.
//!
//! An error says what it knows itself and links its cause, which this module puts behind it. So no
//! text is given twice, and a file that is not there is called that by whoever looked for it.

use std::error::Error;
use std::io;

/// An error and its causes, joined by `: `.
///
/// Errors of other libraries may both print and link their cause: that is said once.
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

/// What the operating system's answer means, to stand behind what was tried.
///
/// An answer that has no sentence here is told as the system tells it.
fn io_words(error: &io::Error) -> String {
    if let Some(put) = error.get_ref() {
        let text = put.to_string();
        // Libraries put names of files around an answer, some of them of files that no user knows.
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

/// What a library says that is not written in Rust, as the last link of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Said(pub String);

/// What was tried, to stand behind a path: `cannot write`. Of a file that was to be read and is not
/// there, that says all, and the chain does not say it again.
pub fn tried(action: &str, cause: &io::Error) -> String {
    match (action, cause.kind()) {
        ("open" | "be opened" | "read" | "list", io::ErrorKind::NotFound) => chain(cause),
        _ => format!("cannot {action}"),
    }
}

/// What was tried, and what the system answered.
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
        // What is put into an error of the file system keeps its words, and has causes of its own.
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
