//! Commands in the guides exist, and their Python snippets run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::support::{almt, files, python, synthetic_store};

/// The tasks of `cargo xtask`.
const TASKS: &str = include_str!("../xtask/src/main.rs");

/// The README and all guides.
fn guides() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = files(&root.join("docs")).into_iter().filter(|name| name.ends_with(".md"));
    let docs = docs.map(|name| root.join("docs").join(name));
    docs.chain(["README.md", "CHANGELOG.md"].map(|name| root.join(name))).collect()
}

/// The words of a command, up to a remark or what is for the shell.
fn words(typed: &str) -> Vec<String> {
    let ends = |word: &&str| ["#", "|", ">", "2>", "&&", ";"].contains(word);
    typed.split_whitespace().take_while(|word| !ends(word)).map(str::to_owned).collect()
}

/// The words of what is typed in the `console` blocks of a guide, one list per command.
fn commands(guide: &str) -> Vec<Vec<String>> {
    let joined = guide.replace("\\\n", " ");
    let mut found = Vec::new();
    let mut is_console = false;
    for line in joined.lines() {
        match line.strip_prefix("```") {
            Some(language) => is_console = language == "console",
            None => {
                let Some(typed) = line.strip_prefix("$ ").filter(|_| is_console) else { continue };
                found.push(words(typed));
            }
        }
    }
    found
}

/// Options that the help of a command names.
fn options(command: &str) -> BTreeSet<String> {
    let help = almt(Path::new("."), &[command, "--help"]).ok().stdout();
    let words = help.split(|c: char| c.is_whitespace() || ",=<>[]|`".contains(c));
    words.filter(|word| word.starts_with('-')).map(str::to_owned).collect()
}

#[test]
fn every_command_and_option_of_the_guides_is_there() {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut n_commands = 0;
    for path in guides() {
        let guide = std::fs::read_to_string(&path).unwrap();
        for words in commands(&guide) {
            let shown = format!("{}: {}", path.display(), words.join(" "));
            match &words[..] {
                [program, command, rest @ ..] if program == "almt-data" => {
                    n_commands += 1;
                    let options = known.entry(command.clone()).or_insert_with(|| options(command));
                    for word in rest.iter().filter(|word| word.starts_with('-')) {
                        let name = word.split('=').next().unwrap();
                        assert!(options.contains(name), "{shown}: there is no {name}");
                    }
                }
                [cargo, xtask, task, ..] if cargo == "cargo" && xtask == "xtask" => {
                    assert!(TASKS.contains(&format!("(\"{task}\", ")), "{shown}");
                }
                _ => {}
            }
        }
    }
    assert!(n_commands > 60, "{n_commands}");
}

#[test]
fn the_python_snippets_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "80");
    almt(folder, &["copy", "mosi.h5", "mosi.arrow"]).ok();
    for form in ["parquet", "npz", "csv"] {
        almt(folder, &["export", "mosi.h5", "--to", form]).ok();
    }
    let args = ["train", "--store", "mosi.h5", "--epochs", "1", "--out", "run"];
    almt(folder, &args).ok();
    let made = python("cases.py", &[Path::new("make"), Path::new("own_features"), folder]);
    if made.is_none() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (guide, at_least) in [
        ("docs/formats.md", 1),
        ("docs/python.md", 3),
        ("docs/validate.md", 1),
        ("docs/own-data.md", 1),
    ] {
        let Some(n_run) = python("guides.py", &[&root.join(guide), folder]) else { return };
        assert!(n_run.trim().parse::<usize>().unwrap() >= at_least, "{guide}: {n_run}");
    }
    // What the guide on own data made becomes a store.
    almt(folder, &["convert", "own.pkl", "--dataset", "mosi"]).ok();
    let told = almt(folder, &["validate", "own.h5"]).ok().stdout();
    assert!(told.contains("own.h5: valid"), "{told}");
}

/// What the guide shows after each command of a `console` block that begins with `almt-data`.
fn outputs(guide: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let mut found: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    let mut is_console = false;
    for line in guide.lines() {
        match (line.strip_prefix("```"), line.strip_prefix("$ ")) {
            (Some(language), _) => is_console = language == "console",
            (None, Some(typed)) if is_console => {
                found.push((words(typed), Vec::new()));
            }
            (None, None) if is_console => {
                if let Some((_, shown)) = found.last_mut() {
                    shown.push(line.to_owned());
                }
            }
            _ => {}
        }
    }
    found.retain(|(words, _)| words[0] == "almt-data");
    found
}

#[test]
fn the_quick_start_prints_what_the_readme_shows() {
    let folder = tempfile::tempdir().unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let mut n_lines = 0;
    for (words, shown) in outputs(&std::fs::read_to_string(readme).unwrap()) {
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let found = almt(folder.path(), &args).ok().stdout();
        // Results of training may differ in their last digits on another processor.
        if words[1] == "train" {
            continue;
        }
        let mut rest = found.lines();
        for line in shown.iter().filter(|line| *line != "…") {
            assert!(rest.any(|found| found == line), "{words:?}: {line}\n{found}");
            n_lines += 1;
        }
    }
    assert!(n_lines > 8, "{n_lines}");
}
