//! Which variable of a file with several has the features.

use super::error::FrameError;

/// The variable in which COVAREP stores features.
const FEATURES: &str = "features";

/// A variable of a file.
pub(super) struct Variable {
    pub(super) name: String,
    /// What it is, in a word or two.
    pub(super) what: String,
    /// Whether it is a matrix of real numbers.
    pub(super) is_matrix: bool,
}

/// The index of the variable with the features: the only matrix of numbers, or the one that COVAREP
/// would have written.
///
/// # Errors
/// There is none, or it is not clear which one it is.
pub(super) fn choose(variables: &[Variable]) -> Result<usize, FrameError> {
    let all = variables.iter().enumerate();
    let matrices: Vec<usize> =
        all.filter(|(_, variable)| variable.is_matrix).map(|(idx, _)| idx).collect();
    let named = |idx: &&usize| variables.get(**idx).is_some_and(|known| known.name == FEATURES);
    match (&*matrices, matrices.iter().find(named)) {
        ([only], _) => Ok(*only),
        (_, Some(idx)) => Ok(*idx),
        _ => Err(FrameError::Form {
            expected: "one matrix of numbers, or one that is called `features`",
            found: shown(variables),
        }),
    }
}

fn shown(variables: &[Variable]) -> String {
    const MOST_SHOWN: usize = 8;
    if variables.is_empty() {
        return "nothing".into();
    }
    let first = variables.iter().take(MOST_SHOWN);
    let names: Vec<String> = first
        .map(|variable| format!("`{}` ({})", variable.name.escape_debug(), variable.what))
        .collect();
    let more = if variables.len() > MOST_SHOWN { ", …" } else { "" };
    names.join(", ") + more
}
