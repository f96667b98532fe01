//! Checks that the library only states problems and possible fixes, and that only `cli` words options
//! and prints, by its own macros: the standard ones panic where a pipe is closed.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::Finding;
use super::source::{attributes, is_module, is_test, line};

/// Files with options in texts that are data: rules with the advice listed in the documentation, and
/// notes kept by stores. Sorted.
pub const KNOWN: &[&str] =
    &["src/corpus/check/rule.rs", "src/ingest/extent.rs", "src/ingest/texts.rs"];

/// Expressions that texts of the library must not contain; the first is split, so that no search finds
/// it here.
const WORDS: [(&str, &str); 2] = [(concat!("hi", "nt:"), "a hint"), ("`--", "an option")];

const PRINTING: [&str; 4] = ["print", "println", "eprint", "eprintln"];

/// Checks path and text of every file of the library; those of `cli` may word options.
pub fn check<'a>(
    files: impl Iterator<Item = (&'a str, &'a str)>,
    known: &[&str],
) -> Result<Vec<Finding>, String> {
    let table = "xtask/src/tidy/speech.rs";
    let mut findings = Vec::new();
    let mut needed = Vec::new();
    for (file, text) in files {
        if !is_module(file) || file.ends_with("/tests.rs") {
            continue;
        }
        let is_cli = file.starts_with("src/cli/");
        let Listener { texts, calls } = Listener::of(file, text)?;
        let mut has_words = false;
        for (line, text) in texts.into_iter().filter(|_| !is_cli) {
            for (word, what) in WORDS.iter().filter(|(word, _)| text.contains(word)) {
                has_words = true;
                if !known.contains(&file) {
                    let problem = format!(
                        "a text has `{word}`, {what}: return it as an `Advice`, or word it in \
                         `src/cli`"
                    );
                    findings.push(Finding::new(file, line, problem));
                }
            }
        }
        if has_words && known.contains(&file) {
            needed.push(file);
        }
        for (line, name) in calls.iter().filter(|(_, name)| PRINTING.contains(&&**name)) {
            let problem = match is_cli {
                true => format!("`{name}!` panics at a closed pipe: use `outln!` or `errln!`"),
                false => {
                    format!("`{name}!` prints: return what it says, and print it in `src/cli`")
                }
            };
            findings.push(Finding::new(file, *line, problem));
        }
    }
    for file in known.iter().filter(|file| !needed.contains(file)) {
        let problem = format!("`{file}` has no text with an option any more: remove it here");
        findings.push(Finding::new(table, 1, problem));
    }
    if !known.is_sorted() {
        findings.push(Finding::new(table, 1, "`KNOWN` is not sorted: sort it"));
    }
    Ok(findings)
}

/// Collects the texts of one file without its tests, each with its line.
#[derive(Default)]
pub struct Listener {
    /// Texts.
    pub texts: Vec<(usize, String)>,
    /// Macros that are called.
    calls: Vec<(usize, String)>,
}

impl Listener {
    /// Collects the texts of the file at a path.
    pub fn of(file: &str, text: &str) -> Result<Listener, String> {
        let syntax = syn::parse_file(text)
            .map_err(|error| format!("{file}:{}: {error}", line(error.span())))?;
        let mut listener = Listener::default();
        listener.visit_file(&syntax);
        Ok(listener)
    }

    fn text(&mut self, literal: &syn::LitStr) {
        self.texts.push((line(literal.span()), literal.value()));
    }

    /// Collects the texts in the arguments of a macro or an attribute, and the macros called.
    fn tokens(&mut self, tokens: &TokenStream) {
        let mut before: Option<proc_macro2::Ident> = None;
        let mut is_doc = false;
        for token in tokens.clone() {
            match &token {
                TokenTree::Group(group) => self.tokens(&group.stream()),
                // A comment, as seen by macros.
                TokenTree::Literal(_) if is_doc => {}
                TokenTree::Literal(literal) => {
                    if let Ok(literal) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                        let span = token.span();
                        self.text(&syn::LitStr::new(&literal.value(), span));
                    }
                }
                TokenTree::Punct(mark) if mark.as_char() == '!' => {
                    if let Some(name) = &before {
                        self.call(name);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
            is_doc = match &token {
                TokenTree::Punct(mark) => {
                    mark.as_char() == '=' && before.as_ref().is_some_and(|it| it == "doc")
                }
                _ => false,
            };
            before = match token {
                TokenTree::Ident(name) => Some(name),
                _ => None,
            };
        }
    }

    fn call(&mut self, name: &proc_macro2::Ident) {
        self.calls.push((line(name.span()), name.to_string()));
    }
}

impl<'ast> Visit<'ast> for Listener {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        if !matches!(item, syn::ImplItem::Fn(function) if is_test(&function.attrs)) {
            visit::visit_impl_item(self, item);
        }
    }

    // Comments are not restricted.
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if !attribute.path().is_ident("doc") {
            visit::visit_attribute(self, attribute);
        }
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.tokens(&list.tokens);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(name) = call.path.segments.last() {
            self.call(&name.ident);
        }
        self.tokens(&call.tokens);
    }

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        self.text(literal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n_findings(file: &str, text: &str, known: &[&str]) -> usize {
        check([(file, text)].into_iter(), known).unwrap().len()
    }

    #[test]
    fn options_in_texts_of_the_library_are_found() {
        for text in [
            "fn f() -> &'static str { \"`--force` does it\" }",
            "#[derive(Error)] enum E { #[error(\"no\\n  hint: yes\")] A }",
            "fn f() -> String { format!(\"{}: add `--x`\", 1) }",
            "impl A { fn f() { g(\"`--x`\") } }",
        ] {
            assert_eq!(n_findings("src/a.rs", text, &[]), 1, "{text}");
            assert_eq!(n_findings("src/cli/a.rs", text, &[]), 0, "{text}");
            assert_eq!(n_findings("src/a.rs", text, &["src/a.rs"]), 0, "{text}");
        }
        for text in [
            "/// Whether `--x` is given; hint: no.\nfn f() {}",
            "fn f() -> &'static str { \"a -- b\" }",
            "made! { /// With `--x`.\n f }",
            "#[cfg(test)] mod tests { fn f() { g(\"`--x`\") } }",
        ] {
            assert_eq!(n_findings("src/a.rs", text, &[]), 0, "{text}");
        }
    }

    #[test]
    fn a_library_that_prints_is_found() {
        for call in ["println!(\"x\")", "std::eprintln!()", "assert!({ print!(\"x\"); true })"] {
            let text = format!("fn f() {{ {call}; }}");
            assert_eq!(n_findings("src/a/b.rs", &text, &[]), 1, "{call}");
            assert_eq!(n_findings("src/cli/b.rs", &text, &[]), 1, "{call}");
            assert_eq!(n_findings("src/main.rs", &text, &[]), 0, "{call}");
        }
        assert_eq!(n_findings("src/a.rs", "fn f() { writeln!(o, \"x\") }", &[]), 0);
        let own = "fn f() { outln!(\"x\"); errln!(\"x\"); }";
        assert_eq!(n_findings("src/cli/b.rs", own, &[]), 0);
    }

    #[test]
    fn a_file_is_known_as_long_as_it_has_such_texts() {
        assert_eq!(n_findings("src/a.rs", "fn f() {}", &["src/a.rs"]), 1);
        let prints = "fn f() { println!(\"`--x`\") }";
        assert_eq!(n_findings("src/a.rs", prints, &["src/a.rs"]), 1);
    }
}
