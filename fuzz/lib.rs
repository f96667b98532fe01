//! Shared by the fuzz targets.

use almt_data::pickle::Limits;

/// Limits under which no input of a few kilobytes needs much memory or time, so that one that does
/// reveals a violated limit.
pub fn limits() -> Limits {
    Limits {
        depth: 50,
        memo_entries: 10_000,
        stack_values: 10_000,
        objects: 20_000,
        decoded_bytes: 1 << 20,
        string_bytes: 1 << 20,
        elements: 1 << 20,
        ..Limits::default()
    }
}
