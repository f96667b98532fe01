//! Standard output and standard error, which a reader such as `head` may close at any time.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use serde::{Serialize, Serializer};

use crate::chain::chain;

/// `println!` for which a closed pipe is the end of the work, not a panic.
macro_rules! outln {
    ($($arg:tt)*) => { $crate::cli::output::write(format_args!("{}\n", format_args!($($arg)*))) };
}

/// `eprintln!` for which a closed pipe is no panic: the work goes on, and its exit code is its own.
macro_rules! errln {
    ($($arg:tt)*) => { $crate::cli::output::tell(format_args!("{}\n", format_args!($($arg)*))) };
}

/// Writes to standard error. What nobody can read is dropped: there is no other place to say so.
pub fn tell(text: fmt::Arguments<'_>) {
    let mut stderr = io::stderr().lock();
    drop(stderr.write_fmt(text).and_then(|()| stderr.flush()));
}

/// Writes to standard output. If its reader is gone, the program exits as if done.
pub fn write(text: fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    match stdout.write_fmt(text).and_then(|()| stdout.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            errln!("error: cannot write to standard output: {}", chain(&error));
            std::process::exit(1);
        }
    }
}

/// Suggests follow-up commands on standard error after a long command.
pub fn next(calls: &str) {
    errln!("next: {calls}");
}

/// Writes one JSON document to standard output.
pub fn json(document: &impl Serialize) -> Result<(), super::Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| super::Failure::new(error.to_string()))?;
    write(format_args!("{text}\n"));
    Ok(())
}

/// Serializes a path as it is shown: a name that is not Unicode must not fail a call that is done.
pub fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
