//! The package's exceptions, which `almt_data._errors` defines.

use almt_data::advice::Advise;
use almt_data::chain::chain;
use almt_data::cli::hint;
use almt_data::pickle::PickleError;
use almt_data::store::StoreError;
use pyo3::exceptions::PyOSError;
use pyo3::import_exception;
use pyo3::prelude::*;

import_exception!(almt_data._errors, Error);
import_exception!(almt_data._errors, FileChangedError);
import_exception!(almt_data._errors, UnsafePickleError);
import_exception!(pickle, UnpicklingError);

/// Exit code of the program for bad data.
const BAD_DATA: u8 = 1;

/// The exception for an unreadable pickle.
pub fn of_pickle(error: &PickleError) -> PyErr {
    let message = with_hints(error);
    match innermost(error) {
        PickleError::Open(cause) => match cause.raw_os_error() {
            // With two arguments, Python chooses the subclass, such as `FileNotFoundError`.
            Some(code) => PyOSError::new_err((code, message)),
            None => PyOSError::new_err(message),
        },
        PickleError::ForbiddenGlobal { offset, name, .. } => {
            UnsafePickleError::new_err((message, Some(name.clone()), *offset))
        }
        PickleError::ForbiddenOpcode { offset, .. } | PickleError::ForbiddenCall { offset, .. } => {
            UnsafePickleError::new_err((message, None::<String>, *offset))
        }
        _ => UnpicklingError::new_err(message),
    }
}

fn innermost(error: &PickleError) -> &PickleError {
    match error {
        PickleError::Unfinished { cause, .. } => innermost(cause),
        error => error,
    }
}

/// The exception for an unreadable store.
pub fn of_store(error: &StoreError) -> PyErr {
    match error {
        StoreError::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound => {
            PyOSError::new_err((cause.raw_os_error(), chain(error)))
        }
        _ => Error::new_err((chain(error), hints(error), BAD_DATA)),
    }
}

/// Message and hints as the program prints them.
pub fn with_hints<E: Advise + 'static>(error: &E) -> String {
    hints(error).iter().fold(chain(error), |text, hint| format!("{text}\n  hint: {hint}"))
}

fn hints<E: Advise>(error: &E) -> Vec<String> {
    error.advice().iter().map(|advice| as_keywords(&hint(advice).to_string())).collect()
}

/// A hint with options of the program, such as `--max-depth`, by their names in Python. Whole commands
/// stay as they are.
pub fn as_keywords(hint: &str) -> String {
    let parts = hint.split('`').enumerate().map(|(idx, part)| {
        let option = part.strip_prefix("--").filter(|_| idx % 2 == 1);
        match option.filter(|name| !name.contains([' ', '='])) {
            Some(name) => name.replace('-', "_"),
            None => part.into(),
        }
    });
    parts.collect::<Vec<String>>().join("`")
}
