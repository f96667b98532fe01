//! Checks that type names are unique: a reader who sees `Place` must not have to ask which one.

use std::collections::BTreeMap;

use super::Finding;
use super::source::{Tree, Type};

/// Names that several types still share. Sorted.
pub const KNOWN: &[&str] = &[];

/// One finding for each type whose name another file also uses, and for each entry of `known` that only
/// one type has.
pub fn check(tree: &Tree, known: &[&str]) -> Vec<Finding> {
    let table = "xtask/src/tidy/names.rs";
    let mut by_name: BTreeMap<&str, Vec<&Type>> = BTreeMap::new();
    for found in &tree.types {
        let types = by_name.entry(&found.name).or_default();
        // Two in one file are alternatives, of which one is compiled.
        if types.iter().all(|other| other.file != found.file) {
            types.push(found);
        }
    }
    by_name.retain(|_, types| types.len() > 1);
    let mut findings = Vec::new();
    for (name, types) in &by_name {
        if known.binary_search(name).is_ok() {
            continue;
        }
        let first = types[0];
        for again in &types[1..] {
            let problem = format!("`{name}` is also in {}:{}: rename one", first.file, first.line);
            findings.push(Finding::new(&again.file, again.line, problem));
        }
    }
    for name in known.iter().filter(|name| !by_name.contains_key(*name)) {
        let problem = format!("`{name}` is the name of one type only: remove it from `KNOWN`");
        findings.push(Finding::new(table, 1, problem));
    }
    if !known.is_sorted() {
        findings.push(Finding::new(table, 1, "`KNOWN` is not sorted: sort it"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_two_types_that_others_can_name_is_found() {
        let two = [
            ("src/a.rs", "pub struct Place; struct Own; #[cfg(test)] pub struct Fake;"),
            ("src/b.rs", "pub(crate) enum Place {} struct Own; pub struct Fake;"),
        ];
        let tree = Tree::parse(two.into_iter()).unwrap();
        let findings = check(&tree, &[]);
        assert_eq!(
            findings,
            [Finding::new("src/b.rs", 1, "`Place` is also in src/a.rs:1: rename one")]
        );
        assert!(check(&tree, &["Place"]).is_empty());
        assert_eq!(check(&tree, &["Own", "Place"]).len(), 1);
    }

    #[test]
    fn a_type_that_a_macro_declares_counts() {
        let made = "macro_rules! made { ($It:ident) => { pub enum Rule {} pub struct $It; } }";
        let files = [("src/a.rs", made), ("src/b.rs", "pub enum Rule {} pub struct It;")];
        let findings = check(&Tree::parse(files.into_iter()).unwrap(), &[]);
        assert_eq!(
            findings,
            [Finding::new("src/b.rs", 1, "`Rule` is also in src/a.rs:1: rename one")]
        );
    }

    #[test]
    fn alternatives_in_one_file_are_one_type() {
        let text = "#[cfg(unix)] pub struct A; #[cfg(not(unix))] pub struct A;";
        assert!(check(&Tree::parse([("src/a.rs", text)].into_iter()).unwrap(), &[]).is_empty());
    }
}
