//! Recognises files that are not, or no longer, a pickle, by their signature or the machine's failure,
//! so that the owner gets advice instead of a missing opcode argument.

use super::error::PickleError;
use super::opcode::Opcode;
use super::walk::Walk;
use crate::advice::PickleAdvice;
use crate::signature::{self, Role};

/// Recognises other kinds of files.
pub(super) fn detect(bytes: &[u8], name: &str) -> Option<PickleError> {
    let known = signature::identify(bytes, name)?;
    (known.kind.role != Role::Pickle).then(|| PickleError::NotAPickle {
        offset: 0,
        what: known.kind.what,
        advice: Box::new(known.advice),
    })
}

/// Replaces the machine's failure with its actual cause, if the file shows one.
pub(super) fn explain(bytes: &[u8], name: &str, error: PickleError) -> PickleError {
    let error = explain_text(bytes, error);
    let is_damage = matches!(
        error,
        PickleError::Truncated { .. }
            | PickleError::UnknownOpcode { .. }
            | PickleError::Protocol { .. }
            | PickleError::ForbiddenOpcode { .. }
            | PickleError::Damaged { .. }
            | PickleError::Array { .. }
            | PickleError::Limit { .. }
    );
    if !is_damage {
        return error;
    }
    if let Some(offset) = changed_line_ends(bytes) {
        return PickleError::LineEnds { offset };
    }
    let error = zeros(bytes, &error).unwrap_or(error);
    match signature::by_name(name) {
        Some(known) => PickleError::Unfinished {
            cause: Box::new(error),
            what: known.kind.what,
            advice: Box::new(known.advice),
        },
        None => error,
    }
}

/// Replaces the failure on a file that reads like prose with the error that it is not a pickle.
///
/// Protocols 0 and 1 have no magic bytes and almost any letter is an opcode, so text can only be
/// distinguished from a pickle after the machine has failed on its first few instructions.
fn explain_text(bytes: &[u8], error: PickleError) -> PickleError {
    const EARLY: u64 = 16;
    // `i` and `c` begin an import, whose name extends to the second line end.
    let no_name =
        |name: &str| !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b));
    let unclear = matches!(&error, PickleError::ForbiddenGlobal { name, .. } if no_name(name))
        || (matches!(
            &error,
            PickleError::ForbiddenGlobal { offset: 0, .. } | PickleError::LineEnds { offset: 0 }
        ) && calls_nothing(bytes))
        || matches!(
            error,
            PickleError::Truncated { .. }
            | PickleError::UnknownOpcode { .. }
            | PickleError::Damaged { .. }
            // A persistent id as the very first value: no writer produces it, but words starting with P
            // do.
            | PickleError::ForbiddenOpcode { offset: 0, .. }
        );
    let head = bytes.get(..bytes.len().min(256)).unwrap_or(bytes);
    let readable = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..);
    let early = error.offset().is_some_and(|offset| offset < EARLY);
    if unclear && early && head.first() != Some(&0x80) && head.iter().all(readable) {
        return PickleError::NotAPickle {
            offset: error.offset().unwrap_or(0),
            what: "plain text",
            advice: Box::new(PickleAdvice::OpenInEditor.into()),
        };
    }
    error
}

/// Whether the first instruction is an import after which no unpickler continues, and a walk over the
/// rest finds no end of a pickle either, as in a table of one column that is called `id` or `clip`.
///
/// `i` calls what it imports with the values after a mark, and at the start there is none. `c` takes an
/// attribute of a module, and none begins with a digit.
fn calls_nothing(bytes: &[u8]) -> bool {
    let attribute = bytes.split(|byte| *byte == b'\n').nth(1).unwrap_or_default();
    let fails = match bytes.first() {
        Some(b'i') => true,
        Some(b'c') => attribute.first().is_some_and(u8::is_ascii_digit),
        _ => false,
    };
    let mut walk = Walk::new(bytes, 0..bytes.len());
    let mut steps = std::iter::from_fn(|| walk.step().ok());
    fails && !steps.any(|step| step.opcode == Opcode::STOP)
}

/// The first CR LF of a file in which every LF follows a CR: bytes that were copied as text.
///
/// Arrays and the newer protocols contain LF anywhere, each preceded by CR with probability 1/256.
fn changed_line_ends(bytes: &[u8]) -> Option<u64> {
    const LOOKED_AT: usize = 1 << 20;
    const FEWEST: usize = 3;
    let head = bytes.get(..bytes.len().min(LOOKED_AT)).unwrap_or(bytes);
    let pairs = || head.windows(2).enumerate().filter(|(_, pair)| pair.ends_with(b"\n"));
    let all_changed = pairs().all(|(_, pair)| pair == b"\r\n");
    (all_changed && pairs().count() >= FEWEST)
        .then(|| pairs().next().map(|(at, _)| at as u64))
        .flatten()
}

/// The zeros on which the machine failed, or in which the file ends.
///
/// Download managers reserve the whole file and fill it in parts, so missing parts are zeros. Within
/// array elements they cannot be distinguished from genuine zeros.
fn zeros(bytes: &[u8], error: &PickleError) -> Option<PickleError> {
    // Fewer zeros may be an argument or a number.
    const FEWEST_MET: usize = 16;
    // A whole disk block: no complete pickle ends in so many.
    const FEWEST_LAST: usize = 512;
    let is_zero = |byte: &u8| *byte == 0;
    let n_before = |at: usize| {
        bytes.get(..at).unwrap_or(&[]).iter().rev().take_while(|byte| is_zero(byte)).count()
    };
    let n_last = n_before(bytes.len());
    if let PickleError::UnknownOpcode { offset, byte: 0 } = error {
        let at = usize::try_from(*offset).ok()?;
        let n_after = bytes.get(at..)?.iter().take_while(|byte| is_zero(byte)).count();
        let end = at.checked_add(n_after)?;
        if end == bytes.len() || n_after >= FEWEST_MET {
            let start = at.saturating_sub(n_before(at));
            return Some(PickleError::Zeros {
                offset: start as u64,
                end: end as u64,
                len: bytes.len() as u64,
            });
        }
    }
    // A truncated payload may well end in zeros; the truncation explains the failure.
    let is_cut = matches!(error, PickleError::Truncated { .. });
    (!is_cut && n_last >= FEWEST_LAST).then(|| PickleError::Zeros {
        offset: bytes.len().saturating_sub(n_last) as u64,
        end: bytes.len() as u64,
        len: bytes.len() as u64,
    })
}
