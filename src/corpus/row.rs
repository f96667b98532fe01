//! Why a sample could not be read, from any source.

use std::error::Error;
use std::fmt;

use crate::advice::{Advice, Advise};

/// Why a sample could not be read: any error, with its advice.
#[derive(Debug)]
pub struct RowError {
    cause: Box<dyn Error + Send + Sync>,
    advice: Vec<Advice>,
}

impl RowError {
    /// Possible fixes.
    pub fn advice(&self) -> Vec<Advice> {
        self.advice.clone()
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for RowError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

impl<E: Advise + Send + Sync + 'static> From<E> for RowError {
    fn from(error: E) -> RowError {
        let advice = error.advice();
        RowError { cause: Box::new(error), advice }
    }
}

impl From<String> for RowError {
    fn from(problem: String) -> RowError {
        RowError { cause: problem.into(), advice: Vec::new() }
    }
}

impl From<&'static str> for RowError {
    fn from(problem: &'static str) -> RowError {
        problem.to_owned().into()
    }
}
