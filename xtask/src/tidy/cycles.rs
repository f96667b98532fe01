//! Checks that no two files import from each other, directly or through others.
//!
//! In a cycle, no file can be read, tested or moved without the others. The usual fix is a third file
//! for what both need.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Finding;
use super::source::{Import, Tree};

/// Imports, file to file, that close a cycle and are not fixed yet. Sorted.
pub const KNOWN: &[(&str, &str)] = &[];

/// One finding for each shortest cycle, and for each entry of `known` that closes none.
pub fn check(tree: &Tree, known: &[(&str, &str)]) -> Vec<Finding> {
    let is_known = |import: &&Import| {
        known.binary_search(&(import.from.file.as_str(), import.to.file.as_str())).is_ok()
    };
    let left = Graph::new(tree.imports.iter().filter(|import| !is_known(import)));
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for start in left.0.keys() {
        let Some(cycle) = left.shortest_cycle(start) else { continue };
        let mut files: Vec<&str> = cycle.iter().map(|import| import.from.file.as_str()).collect();
        files.sort_unstable();
        if seen.insert(files) {
            findings.push(finding(&cycle));
        }
    }
    let whole = Graph::new(tree.imports.iter());
    for (from, to) in known {
        let has = whole.0.get(from).is_some_and(|imports| imports.contains_key(to));
        if !has || whole.shortest_path(to, from).is_none() {
            let problem = format!("`{from}` to `{to}` closes no cycle any more: remove it here");
            findings.push(Finding::new("xtask/src/tidy/cycles.rs", 1, problem));
        }
    }
    if !known.is_sorted() {
        findings.push(Finding::new(
            "xtask/src/tidy/cycles.rs",
            1,
            "`KNOWN` is not sorted: sort it",
        ));
    }
    findings
}

fn finding(cycle: &[&Import]) -> Finding {
    let first = cycle[0];
    let mut problem = format!("imports `{}` of {}", first.written, first.to.file);
    for next in &cycle[1..] {
        let Import { from, to, line, written } = next;
        problem += &format!(", and {}:{line} imports `{written}` of {}", from.file, to.file);
    }
    problem += ": move what they share to a file of its own";
    Finding::new(&first.from.file, first.line, problem)
}

/// Each file's imported files.
struct Graph<'a>(BTreeMap<&'a str, BTreeMap<&'a str, &'a Import>>);

impl<'a> Graph<'a> {
    fn new(imports: impl Iterator<Item = &'a Import>) -> Graph<'a> {
        let mut graph = Graph(BTreeMap::new());
        for import in imports {
            let files = graph.0.entry(import.from.file.as_str()).or_default();
            files.insert(import.to.file.as_str(), import);
        }
        graph
    }

    /// The shortest way from a file back to itself.
    fn shortest_cycle(&self, start: &str) -> Option<Vec<&'a Import>> {
        let ways = self.0.get(start)?.iter().filter_map(|(next, import)| {
            let mut way = vec![*import];
            way.extend(self.shortest_path(next, start)?);
            Some(way)
        });
        ways.min_by_key(Vec::len)
    }

    fn shortest_path(&self, from: &str, to: &str) -> Option<Vec<&'a Import>> {
        let mut came_by: BTreeMap<&str, &'a Import> = BTreeMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(file) = queue.pop_front() {
            for (next, import) in self.0.get(file).into_iter().flatten() {
                if *next != from && !came_by.contains_key(next) {
                    came_by.insert(next, import);
                    queue.push_back(next);
                }
            }
            if came_by.contains_key(to) {
                break;
            }
        }
        let mut way = Vec::new();
        let mut file = to;
        while file != from {
            let import = *came_by.get(file)?;
            way.push(import);
            file = &import.from.file;
        }
        way.reverse();
        Some(way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(files: &[(&str, &str)], known: &[(&str, &str)]) -> Vec<String> {
        let tree = Tree::parse(files.iter().copied()).unwrap();
        let findings = check(&tree, known);
        findings.iter().map(|f| format!("{}:{}: {}", f.file, f.line, f.problem)).collect()
    }

    /// The first pair of files of each cycle.
    fn cycles(files: &[(&str, &str)]) -> Vec<String> {
        problems(files, &[])
    }

    #[test]
    fn two_files_that_import_each_other_are_a_cycle() {
        let files = [
            ("src/lib.rs", "mod a; mod b;"),
            (
                "src/a.rs",
                "use std::fmt;\nuse crate::b::{self, inner::{Deep, Other as _}};\nstruct A;",
            ),
            ("src/b.rs", "pub mod inner { pub struct Deep; pub trait Other {} }\nuse super::a::A;"),
        ];
        let expected = "src/a.rs:2: imports `crate::b::inner::Deep` of src/b.rs, and src/b.rs:2 imports \
                        `super::a::A` of src/a.rs: move what they share to a file of its own";
        assert_eq!(cycles(&files), [expected]);
    }

    #[test]
    fn a_longer_cycle_is_found_once() {
        let files = [
            ("src/a.rs", "use crate::b::B; pub struct A;"),
            ("src/b.rs", "use crate::c::C; pub struct B;"),
            ("src/c.rs", "use crate::a::A; pub struct C;"),
            ("src/d.rs", "use crate::a::A;"),
            ("src/lib.rs", "mod a; mod b; mod c; mod d;"),
        ];
        assert_eq!(cycles(&files).len(), 1);
    }

    #[test]
    fn a_path_inside_code_or_a_macro_is_an_import() {
        for body in ["crate::a::A::new()", "println!(\"{}\", crate::a::A::new())", "a::A::new()"] {
            let b = format!("use crate::a; fn f() {{ {body}; }} pub struct B;");
            let files = [
                ("src/lib.rs", "mod a; mod b;"),
                ("src/a.rs", "use crate::b::B; pub struct A;"),
                ("src/b.rs", b.as_str()),
            ];
            assert_eq!(cycles(&files).len(), 1, "{body}");
        }
    }

    #[test]
    fn a_parent_that_only_declares_and_re_exports_its_child_imports_nothing() {
        let files = [
            ("src/lib.rs", "mod a;"),
            ("src/a/mod.rs", "mod child; pub use child::{Child, other}; pub struct A;"),
            ("src/a/child.rs", "use super::A; pub struct Child; pub fn other() {}"),
        ];
        assert_eq!(cycles(&files), [""; 0]);
    }

    #[test]
    fn a_parent_that_uses_what_it_re_exports_imports_it() {
        for user in ["pub struct A(Child);", "pub struct A; fn f() { other() }"] {
            let parent = format!("mod child; pub use child::{{Child, other}}; {user}");
            let files = [
                ("src/lib.rs", "mod a;"),
                ("src/a/mod.rs", parent.as_str()),
                ("src/a/child.rs", "use super::A; pub struct Child; pub fn other() {}"),
            ];
            assert_eq!(cycles(&files).len(), 1, "{user}");
        }
    }

    #[test]
    fn an_import_through_a_re_export_is_of_the_file_that_defines_the_item() {
        let lib = ("src/lib.rs", "mod a; mod b;");
        let parent = ("src/a/mod.rs", "mod one; mod two; pub use one::*; pub use two::Two;");
        // `one` and `b` import each other through the parent; `two` is imported and imports nobody.
        let one = ("src/a/one.rs", "use crate::b::B; pub struct One;");
        let two = ("src/a/two.rs", "pub struct Two;");
        let cycle = [lib, parent, one, two, ("src/b.rs", "use crate::a::One; pub struct B;")];
        assert_eq!(cycles(&cycle).len(), 1);
        let none = [lib, parent, one, two, ("src/b.rs", "use crate::a::Two; pub struct B;")];
        assert_eq!(cycles(&none), [""; 0]);
    }

    #[test]
    fn tests_and_other_crates_do_not_count() {
        let files = [
            ("src/lib.rs", "mod a; mod b; #[cfg(all(test, feature = \"x\"))] mod tests;"),
            ("src/a.rs", "use crate::b::B; pub struct A; use a::a; fn f() { ::b::g() }"),
            (
                "src/b.rs",
                "pub struct B; pub(in crate::a) fn b(a: u8) -> u8 { a }
                 #[cfg(test)] mod tests { use crate::a::A; }
                 #[cfg(test)] fn help(_: crate::a::A) {}
                 impl B { #[cfg(test)] fn new(_: crate::a::A) {} }",
            ),
            ("src/tests.rs", "use crate::b::B; pub struct T;"),
        ];
        assert_eq!(cycles(&files), [""; 0]);
    }

    #[test]
    fn a_known_import_is_left_out_until_it_closes_no_cycle() {
        let a = ("src/a.rs", "use crate::b::B; pub struct A;");
        let lib = ("src/lib.rs", "mod a; mod b;");
        let known = [("src/b.rs", "src/a.rs")];
        let cycle = [lib, a, ("src/b.rs", "use crate::a::A; pub struct B;")];
        assert_eq!(problems(&cycle, &known), [""; 0]);
        let none = [lib, a, ("src/b.rs", "pub struct B;")];
        assert_eq!(problems(&none, &known).len(), 1);
    }
}
