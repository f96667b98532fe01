//! Names of pickles, and any name as a shell takes it.

/// A word as a shell takes it for one.
pub fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_alphanumeric() || "._-+=@%/:,".contains(char);
    let shown: String = word.chars().filter(|char| !char.is_control()).collect();
    if !shown.is_empty() && !shown.starts_with('-') && shown.chars().all(plain) {
        return shown;
    }
    let prefix = if shown.starts_with('-') { "./" } else { "" };
    format!("'{prefix}{}'", shown.replace('\'', "'\\''"))
}

/// The endings of compressed files, which may follow that of a pickle.
pub const PACKED_ENDINGS: [&str; 7] = [".gz", ".bz2", ".xz", ".zst", ".zstd", ".lzma", ".gzip"];

/// Whether a name is one that pickles have, compressed or not.
pub fn is_pickle_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let packed = PACKED_ENDINGS.iter().find_map(|ending| lower.strip_suffix(ending));
    let lower = packed.unwrap_or(&lower);
    [".pkl", ".pickle", ".p", ".pk", ".pck"].iter().any(|ending| lower.ends_with(ending))
}
