//! Names of pickles.

/// Extensions of compressed files, which may follow a pickle's.
pub const PACKED_ENDINGS: [&str; 7] = [".gz", ".bz2", ".xz", ".zst", ".zstd", ".lzma", ".gzip"];

/// Whether a name is a pickle's, compressed or not.
pub fn is_pickle_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let packed = PACKED_ENDINGS.iter().find_map(|ending| lower.strip_suffix(ending));
    let lower = packed.unwrap_or(&lower);
    [".pkl", ".pickle", ".p", ".pk", ".pck"].iter().any(|ending| lower.ends_with(ending))
}
