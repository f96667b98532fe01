//! `cargo xtask tidy`: checks rules of this repository that neither the compiler nor Clippy knows.
//!
//! Every rule prints one line per finding: place, problem and fix. It reads files and builds nothing,
//! so it runs without libtorch and CMake.

mod cycles;
mod glossary;
mod layers;
mod names;
mod source;
mod speech;
mod text;

use std::fs;
use std::process::Command;

use crate::run::{output, root};
use source::Tree;

/// A violation of a rule, with its place in the repository.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    file: String,
    line: usize,
    problem: String,
}

impl Finding {
    fn new(file: &str, line: usize, problem: impl Into<String>) -> Finding {
        Finding { file: file.to_owned(), line, problem: problem.into() }
    }
}

/// Checks every file that git tracks or would track, and prints all findings.
pub fn tidy() -> Result<(), String> {
    let files = files()?;
    let mut findings = text::check(&files);
    let sources = files.iter().filter(|(path, _)| source::is_module(path));
    let sources = sources.map(|(path, text)| (path.as_str(), text.as_str()));
    let tree = Tree::parse(sources.clone())?;
    findings.extend(cycles::check(&tree, cycles::KNOWN));
    findings.extend(layers::check(&tree, layers::LAYERS));
    findings.extend(names::check(&tree, names::KNOWN));
    findings.extend(speech::check(sources.clone(), speech::KNOWN)?);
    let help = help()?;
    let texts = help.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    let glossary = files.iter().find(|(path, _)| path == glossary::FILE);
    let glossary = glossary.map_or("", |(_, text)| text);
    findings.extend(glossary::check(glossary, sources, texts)?);
    findings.sort();
    for Finding { file, line, problem } in &findings {
        println!("{file}:{line}: {problem}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err("1 finding".to_owned()),
        n => Err(format!("{n} findings")),
    }
}

/// Path and text of every help text.
fn help() -> Result<Vec<(String, String)>, String> {
    let folder = "fixtures/help";
    let unread = |error| format!("{folder}: {error}");
    let mut texts = Vec::new();
    for entry in fs::read_dir(root().join(folder)).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        texts.push((format!("{folder}/{name}"), fs::read_to_string(&path).map_err(unread)?));
    }
    Ok(texts)
}

/// Path (with `/`) and text of every file that people read or write; `fixtures` is data.
fn files() -> Result<Vec<(String, String)>, String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let mut files = Vec::new();
    for path in output(&mut git)?.lines().filter(|path| !path.starts_with("fixtures/")) {
        let Ok(bytes) = fs::read(root().join(path)) else { continue }; // deleted, not yet committed
        if let Ok(text) = String::from_utf8(bytes) {
            files.push((path.to_owned(), text));
        }
    }
    Ok(files)
}
