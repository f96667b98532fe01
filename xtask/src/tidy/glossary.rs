//! Checks that help texts and messages follow `docs/glossary.md`: they contain none of the expressions
//! to avoid.

use super::Finding;
use super::speech::Listener;

/// The file with the expressions, in the first column of the table under this heading.
pub const FILE: &str = "docs/glossary.md";
const HEADING: &str = "## Words to avoid";

/// Checks the texts in every file of the library, given as path and text, and every help text.
pub fn check<'a>(
    glossary: &str,
    sources: impl Iterator<Item = (&'a str, &'a str)>,
    help: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<Finding>, String> {
    let avoided = avoided(glossary);
    if avoided.is_empty() {
        let problem = format!("there is no table under `{HEADING}`: add it");
        return Ok(vec![Finding::new(FILE, 1, problem)]);
    }
    let mut findings = Vec::new();
    let mut look = |file: &str, line: usize, text: &str| {
        // Quoted text is a name, and so is a text without blanks.
        let words = words(text);
        for expression in avoided.iter().filter(|it| words.windows(it.len()).any(|has| has == **it))
        {
            let problem = format!(
                "`{}` is an expression that {FILE} avoids: reword it",
                expression.join(" ")
            );
            findings.push(Finding::new(file, line, problem));
        }
    };
    for (file, text) in sources.filter(|(file, _)| !file.ends_with("/tests.rs")) {
        for (line, text) in Listener::of(file, text)?.texts {
            look(file, line, &text);
        }
    }
    for (file, text) in help {
        look(file, 1, text);
    }
    Ok(findings)
}

/// The expressions to avoid, split into words.
fn avoided(glossary: &str) -> Vec<Vec<String>> {
    let table = glossary.split_once(HEADING).map_or("", |(_, table)| table);
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")).skip(1);
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells.flat_map(|cell| cell.split(", ")).map(words).filter(|words| !words.is_empty()).collect()
}

/// A text's words in lower case, without parts in backquotes or braces.
fn words(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let (mut is_quoted, mut depth) = (false, 0_usize);
    for letter in text.chars() {
        match letter {
            '`' => is_quoted = !is_quoted,
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if is_quoted || depth > 0 => {}
            _ => plain.push(letter),
        }
    }
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '\'' || letter == '_';
    let words = plain.split(|letter| !is_part(letter)).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLOSSARY: &str =
        "| said | x |\n## Words to avoid\n| avoid | write |\n|---|---|\n| told, goes on | is |\n";

    fn n_findings(source: &str, help: &str) -> usize {
        let sources = [("src/a.rs", source)].into_iter();
        check(GLOSSARY, sources, [("help", help)].into_iter()).unwrap().len()
    }

    #[test]
    fn expressions_to_avoid_are_found_in_texts_and_help() {
        assert_eq!(avoided(GLOSSARY), [vec!["told"], vec!["goes", "on"]]);
        for text in ["it was told", "Told so", "the run goes\\n on", "{n} told"] {
            assert_eq!(n_findings(&format!("fn f() {{ g(\"{text}\") }}"), ""), 1, "{text}");
        }
        assert_eq!(n_findings("#[derive(Error)] enum E { #[error(\"{x} told\")] A }", ""), 1);
        assert_eq!(n_findings("", "It\n   goes\n   on"), 1);
    }

    #[test]
    fn names_comments_and_tests_are_free() {
        for source in [
            "/// As told.\nfn f() {}",
            "fn f() { g(\"`told` is {told}, it said\") }",
            "#[cfg(test)] mod tests { fn f() { g(\"was told\") } }",
        ] {
            assert_eq!(n_findings(source, "`told`"), 0, "{source}");
        }
        assert_eq!(check("", [].into_iter(), [].into_iter()).unwrap().len(), 1);
    }
}
