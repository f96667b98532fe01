//! Rules for the text of a file: how it starts, and what it must not contain.

use super::Finding;

/// Folders of a personal machine; split, so that this file does not contain them.
const MACHINE: [&str; 3] = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];

/// Leftovers from writing.
const LEFT_OVER: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
const LEFT_OVER_MACROS: [&str; 2] = [concat!("to", "do!("), concat!("db", "g!(")];

/// Checks path and text of every file.
pub fn check(files: &[(String, String)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in files {
        let is_rust = path.ends_with(".rs");
        if is_rust && is_module(path) && !opens_with_purpose(text) {
            let problem = "does not open with `//!`: say what the module is for";
            findings.push(Finding::new(path, 1, problem));
        }
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let mut problems = Vec::new();
            if let Some(folder) = MACHINE.iter().find(|folder| has_path(line, folder)) {
                problems.push(format!(
                    "has a path below `{folder}`, which is on one machine only: use a relative one"
                ));
            }
            if is_rust {
                let word = LEFT_OVER.iter().find(|word| has_word(line, word));
                if let Some(word) = word.or(LEFT_OVER_MACROS.iter().find(|m| line.contains(**m))) {
                    problems.push(format!("has `{word}`: do it, or remove it"));
                }
                if allows_without_reason(&lines, i) {
                    problems.push(
                        "allows a lint without a reason: add `reason = \"..\"`, or a comment on the \
                         line before"
                            .to_owned(),
                    );
                }
            }
            findings.extend(problems.into_iter().map(|text| Finding::new(path, i + 1, text)));
        }
    }
    findings
}

/// The crates' own modules, including integration tests and examples.
fn is_module(path: &str) -> bool {
    ["src/", "tests/", "xtask/"].iter().any(|folder| path.starts_with(folder))
}

fn opens_with_purpose(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("//!").is_some_and(|purpose| !purpose.trim().is_empty())
}

/// Whether a line contains an absolute path below a folder, as opposed to a URL with that part.
fn has_path(line: &str, folder: &str) -> bool {
    let is_start = |before: char| !before.is_alphanumeric() && !"._-~}])/".contains(before);
    line.match_indices(folder).any(|(at, _)| line[..at].chars().next_back().is_none_or(is_start))
}

fn has_word(line: &str, word: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    line.match_indices(word).any(|(at, _)| {
        is_edge(line[..at].chars().next_back()) && is_edge(line[at + word.len()..].chars().next())
    })
}

/// Whether a line starts an attribute that allows a lint without a reason.
fn allows_without_reason(lines: &[&str], i: usize) -> bool {
    let line = lines[i].trim_start();
    if !["#[allow(", "#![allow(", "#[expect(", "#![expect("].iter().any(|a| line.starts_with(a)) {
        return false;
    }
    let n_lines = 1 + lines[i..].iter().position(|line| line.contains(")]")).unwrap_or(0);
    let has_reason = lines[i..i + n_lines].iter().any(|line| line.contains("reason = \""));
    let before = i.checked_sub(1).map_or("", |before| lines[before].trim_start());
    // The opening of a module gives the reason for lints allowed in all of it.
    let is_opening = line.starts_with("#![")
        && lines[..i].iter().rev().find(|l| !l.is_empty()).is_some_and(|l| l.starts_with("//!"));
    let has_comment = before.starts_with("// ") || is_opening;
    !has_reason && !has_comment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n_findings(path: &str, text: &str) -> usize {
        check(&[(path.to_owned(), text.to_owned())]).len()
    }

    #[test]
    fn a_module_opens_with_its_purpose() {
        assert_eq!(n_findings("src/a.rs", "//! Reads."), 0);
        assert_eq!(n_findings("src/a.rs", "//!\n//! Reads."), 1);
        assert_eq!(n_findings("src/a.rs", "// Reads."), 1);
    }

    #[test]
    fn a_path_of_a_machine_is_found_and_a_part_of_an_address_is_not() {
        let [folder, ..] = MACHINE;
        assert_eq!(n_findings("docs/a.md", &format!("see {folder}me/x")), 1);
        assert_eq!(n_findings("docs/a.md", &format!("https://x.org{folder}me/x ..{folder}")), 0);
    }

    #[test]
    fn what_is_left_over_is_found_as_a_word() {
        let [word, ..] = LEFT_OVER;
        assert_eq!(n_findings("src/a.rs", &format!("//! Reads.\n// {word}: more")), 1);
        assert_eq!(n_findings("src/a.rs", &format!("//! Reads.\n// {word}S {word}_LIST")), 0);
    }

    #[test]
    fn an_allowed_lint_has_a_reason() {
        let n = |text: &str| n_findings("src/a.rs", &format!("//! Reads.\n{text}"));
        assert_eq!(n("\n#[allow(dead_code)]"), 1);
        assert_eq!(n("/// A thing.\n#[allow(dead_code)]"), 1);
        assert_eq!(n("// A test reads it.\n#[allow(dead_code)]"), 0);
        assert_eq!(n("#[allow(\n    dead_code,\n    reason = \"a test reads it\"\n)]"), 0);
        assert_eq!(n("\n#![allow(unsafe_code)]"), 0);
    }
}
