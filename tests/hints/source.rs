//! Finds the hints in the source, by their place, and compares them with the rows.

use std::path::{Path, PathBuf};

use super::{Next, rows};

/// Files whose hints stand in a table of their own, each with the test that has an input for every
/// line of it.
const OWN_TABLES: [(&str, &str); 4] = [
    ("src/corpus/labels/decode.rs", "files_of_other_kinds_are_named"),
    ("src/signature/kinds.rs", "every_line_of_the_table_has_a_fixture_that_it_fits"),
    ("src/ingest/refuse.rs", "known_kinds_without_a_corpus_are_refused_by_name"),
    ("src/corpus/check/rule.rs", "every_rule_has_a_planted_defect"),
];

/// A text of the source.
struct Literal {
    /// Without escapes, and with the parts of a continued line joined.
    text: String,
    /// Where it begins and ends in the file.
    range: std::ops::Range<usize>,
}

/// All string literals of a file, comments aside.
fn literals(source: &str) -> Vec<Literal> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => {
                at +=
                    bytes[at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at);
            }
            // A character, or a lifetime.
            b'\'' if bytes.get(at + 1) == Some(&b'\\') => {
                at += 2;
                while bytes[at] != b'\'' || bytes[at - 1] == b'\\' && bytes[at - 2] != b'\\' {
                    at += 1;
                }
                at += 1;
            }
            b'\'' if bytes.get(at + 2) == Some(&b'\'') => at += 3,
            b'"' => {
                let start = at;
                at += 1;
                let mut text = String::new();
                while bytes[at] != b'"' {
                    if bytes[at] != b'\\' {
                        let len = source[at..].chars().next().unwrap().len_utf8();
                        text.push_str(&source[at..at + len]);
                        at += len;
                        continue;
                    }
                    match bytes[at + 1] {
                        b'\n' => {
                            at += 1;
                            while bytes[at].is_ascii_whitespace() {
                                at += 1;
                            }
                        }
                        escaped => {
                            text.push(if escaped == b'n' { '\n' } else { char::from(escaped) });
                            at += 2;
                        }
                    }
                }
                at += 1;
                found.push(Literal { text, range: start..at });
            }
            _ => at += 1,
        }
    }
    found
}

/// Bodies of the functions whose name has `hint` in it.
fn hint_functions(source: &str, literals: &[Literal]) -> Vec<std::ops::Range<usize>> {
    let is_text = |at: usize| literals.iter().any(|literal| literal.range.contains(&at));
    let mut found = Vec::new();
    for (start, _) in source.match_indices("fn ") {
        let name: String = source[start + 3..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        if !name.split('_').any(|word| word == "hint" || word == "hints") || is_text(start) {
            continue;
        }
        let mut depth = 0;
        for (at, byte) in source.bytes().enumerate().skip(start).filter(|(at, _)| !is_text(*at)) {
            match byte {
                b'{' => depth += 1,
                b'}' if depth == 1 => {
                    found.push(start..at);
                    break;
                }
                b'}' => depth -= 1,
                _ => {}
            }
        }
    }
    found
}

/// The hints of one file.
fn hints_of(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let literals = literals(source);
    let functions = hint_functions(source, &literals);
    let mut found = Vec::new();
    for literal in &literals {
        let before = source[..literal.range.start].trim_end();
        let after = source[literal.range.end..].trim_start();
        if let Some((_, hint)) = literal.text.split_once("hint: ") {
            // A placeholder alone is filled from elsewhere.
            let is_filled = hint.starts_with('{') && hint.trim_end().ends_with('}');
            if !is_filled {
                found.push(hint.to_owned());
            }
            continue;
        }
        let follows = |what: &str| before.ends_with(what);
        let is_argument = [
            ".hint(",
            ".hint(format!(",
            "let hint =",
            "let hint = format!(",
            "hint: Some(",
            "hint:",
            "advice:",
            "_HINT: &str =",
            "outside(",
        ]
        .into_iter()
        .any(|what| follows(what.trim_end()));
        let in_function = functions.iter().any(|body| body.contains(&literal.range.start));
        // Patterns, conditions and names of keys are no text for anybody.
        let is_pattern = after.starts_with("=>")
            || after.starts_with('|')
            || follows("|")
            || follows("==")
            || follows("starts_with(")
            || follows("contains(");
        let is_hint = is_argument || in_function && !is_pattern;
        if is_hint && !literal.text.trim_start().is_empty() {
            found.push(literal.text.clone());
        }
    }
    found
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The longest part of a hint that has no placeholder.
fn fixed_part(hint: &str) -> &str {
    let parts = hint.split(['{', '}']).step_by(2);
    parts.max_by_key(|part| part.len()).unwrap_or_default().trim()
}

#[test]
fn every_hint_of_the_source_has_a_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    files(&root.join("src"), &mut paths);
    paths.sort();
    let mut hints = Vec::new();
    for path in &paths {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        let is_test = name.ends_with("tests.rs") || name.contains("/tests/");
        let has_own = OWN_TABLES.iter().any(|(table, _)| *table == name);
        if is_test || has_own {
            continue;
        }
        let source = std::fs::read_to_string(path).unwrap();
        hints.extend(hints_of(&source).into_iter().map(|hint| (name.clone(), hint)));
    }
    assert!(hints.len() > 50, "{}", hints.len());
    // Where the trainer is not built in, its hints are not there to be provoked.
    let is_built = |name: &str, hint: &str| {
        // `src/cli/runs.rs` is about runs that begin or go on.
        let trainer = [
            "src/train",
            "src/model",
            "src/pretrained",
            "src/cli/train/",
            "src/cli/advice/trainer",
            "src/cli/runs.rs",
        ];
        // What only runs provoke of the hints about stores.
        let of_runs = [
            "`almt-data split STORE --from-manifest` adapts it to a store with the same segments",
            "`--overwrite` replaces the run in it",
        ];
        let is_trainer = trainer.iter().any(|part| name.starts_with(part))
            || (name == "src/cli/advice/store.rs" && of_runs.contains(&hint));
        let is_stub = name.ends_with("/disabled.rs");
        (cfg!(feature = "train") && !is_stub)
            || !is_trainer
            || (is_stub && !cfg!(feature = "train"))
    };
    let rows = rows();
    let is_of = |row: &str, hint: &str| hint.contains(row) || row.contains(fixed_part(hint));
    let without: Vec<String> = hints
        .iter()
        .filter(|(name, hint)| {
            is_built(name, hint) && !rows.iter().any(|row| is_of(row.hint, hint))
        })
        .map(|(name, hint)| format!("{name}: «{hint}»"))
        .collect();
    assert!(without.is_empty(), "{} hints without a row:\n{}", without.len(), without.join("\n"));
    // A row may be about a hint of a table of its own, too.
    let sources: Vec<String> =
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let texts: Vec<Literal> = sources.iter().flat_map(|source| literals(source)).collect();
    let is_there = |row: &str| {
        hints.iter().any(|(_, hint)| is_of(row, hint))
            || texts.iter().any(|literal| literal.text.contains(row))
    };
    let stale: Vec<&str> = rows.iter().map(|row| row.hint).filter(|row| !is_there(row)).collect();
    assert!(stale.is_empty(), "rows whose hint is in no source file: {stale:#?}");
}

#[cfg(feature = "train")]
/// Whether a text is a literal with something in place of its placeholders.
fn is_filled(text: &str, literal: &str) -> bool {
    const SHORTEST: usize = 12;
    let parts: Vec<&str> = literal.split(['{', '}']).step_by(2).collect();
    let [first, between @ .., last] = &parts[..] else { return text == literal };
    if parts.iter().map(|part| part.len()).sum::<usize>() < SHORTEST {
        return false;
    }
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(feature = "train")]
#[test]
fn guides_show_hints_of_the_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    files(&root.join("src"), &mut paths);
    let sources: Vec<String> =
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let texts: Vec<Literal> = sources.iter().flat_map(|source| literals(source)).collect();
    let is_there = |hint: &str| texts.iter().any(|literal| is_filled(hint, &literal.text));
    let mut wrong = Vec::new();
    for guide in crate::guides::guides() {
        let text = std::fs::read_to_string(&guide).unwrap();
        for line in text.lines() {
            let Some(hint) = line.trim_start().strip_prefix("hint: ") else { continue };
            // Some hints begin with what was found, and end with that of another place.
            let end = hint.split_once(": ").map(|(_, end)| end);
            if !is_there(hint) && !end.is_some_and(is_there) {
                wrong.push(format!("{}: {hint}", guide.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "hints that no source file has:\n{}", wrong.join("\n"));
}

/// Tests that are named as the ones that provoke a hint are there.
#[test]
fn the_tests_that_rows_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    files(&root.join("src"), &mut paths);
    files(&root.join("tests"), &mut paths);
    let sources: String = paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let named = rows().into_iter().filter_map(|row| match row.next {
        Next::Elsewhere(test) => Some(test),
        _ => None,
    });
    let tables = OWN_TABLES.iter().map(|(_, test)| *test);
    let absent: Vec<&str> =
        named.chain(tables).filter(|test| !sources.contains(&format!("fn {test}("))).collect();
    assert!(absent.is_empty(), "{absent:?}");
}

#[test]
fn hints_are_told_from_other_texts() {
    let source = r##"
        /// A "comment" with hint: no literal
        #[error("{path}: broken\n  hint: mend \
                 it")]
        fn one(c: char) -> bool { c == '"' || c == '\'' }
        const SHARED_HINT: &str = "shared";
        fn fail() { Failure::new("cause").hint("do it"); outside("leave it") }
        fn limit_hint(what: &str) -> &str { match what { "objects" => "raise it", _ => "no" } }
        fn other() { println!("hint: {}", x); Refused { advice: "go", what: "this" } }
    "##;
    let expected = ["mend it", "shared", "do it", "leave it", "raise it", "no", "go"];
    assert_eq!(hints_of(source), expected);
}
