//! Formats counts and sizes for sentences, and words for a shell.

use std::path::Path;

/// A word of a command line, quoted if a shell requires it.
pub fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_./,:=@%+".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A file name quoted by [`quoted`], so that it is not mistaken for an option.
pub fn quoted_name(name: &str) -> String {
    let shown: String = name.chars().filter(|char| !char.is_control()).collect();
    quoted(&if shown.starts_with('-') { format!("./{shown}") } else { shown })
}

/// A path quoted by [`quoted_name`].
pub fn quoted_path(path: &Path) -> String {
    quoted_name(&path.to_string_lossy())
}

/// The beginning of a text of a user's file, on one line.
pub fn shortened(text: &str) -> String {
    const MOST_CHARS: usize = 40;
    let text = text.trim();
    let shown: String = text.chars().take(MOST_CHARS).flat_map(char::escape_debug).collect();
    // Escapes are only for characters that would break a line; quotes do not.
    let shown = shown.replace("\\'", "'").replace("\\\"", "\"");
    if text.chars().nth(MOST_CHARS).is_some() { shown + "…" } else { shown }
}

/// A count with its noun.
pub fn plural(n: usize, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(n))
}

/// A count with its noun in singular or plural.
pub fn counted(n: usize, one: &str, several: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { several })
}

/// A count with commas as thousands separators.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A readable size with binary units.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_a_shell_needs_it() {
        assert_eq!(
            ["--lr=1e-3", "a b", "it's", "", "a/b-1.pkl", "数据.pkl"].map(quoted),
            ["--lr=1e-3", "'a b'", r"'it'\''s'", "''", "a/b-1.pkl", "数据.pkl"]
        );
        assert_eq!(["-rf", "-r f", "a\tb"].map(quoted_name), ["./-rf", "'./-r f'", "ab"]);
    }

    #[test]
    fn counts_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            (plural(1, "row"), plural(2195, "text")),
            ("1 row".into(), "2,195 texts".into())
        );
    }

    #[test]
    fn bytes_are_shown_in_binary_units() {
        assert_eq!(human_bytes(1023), "1023 B");
        assert_eq!(human_bytes(1536), "1.5 KiB");
    }
}
