//! Defines which module of the library may use which: the diagram in `src/lib.rs`, as a table.

use std::collections::BTreeSet;

use super::Finding;
use super::source::Tree;

/// For each top-level module, the modules that it uses, including their submodules. A module without a
/// row uses none. Sorted, and without unnecessary entries, so that a new dependency requires a change
/// of this table.
///
/// `run` and `model` use each other's files that hold only data: a run names its model's configuration
/// and form, and the listing of models shows their presets. Computation stays out of `run`.
pub const LAYERS: &[(&str, &[&str])] = &[
    ("advice", &["limit"]),
    (
        "align",
        &[
            "advice",
            "chain",
            "corpus",
            "csd",
            "intervals",
            "map",
            "name",
            "overflow",
            "paths",
            "progress",
            "store",
            "words",
        ],
    ),
    ("audio", &["chain", "progress"]),
    (
        "build",
        &[
            "advice",
            "audio",
            "chain",
            "corpus",
            "csd",
            "encoding",
            "intervals",
            "map",
            "name",
            "overflow",
            "paths",
            "progress",
            "store",
            "words",
        ],
    ),
    ("container", &["advice", "chain", "limit", "map", "progress", "signature", "words"]),
    (
        "convert",
        &[
            "advice",
            "chain",
            "container",
            "corpus",
            "ingest",
            "packed",
            "paths",
            "progress",
            "signature",
            "store",
            "words",
        ],
    ),
    ("corpus", &["advice", "chain", "encoding", "name", "overflow", "seed", "words"]),
    (
        "csd",
        &["advice", "chain", "corpus::check", "hdf5_file", "intervals", "publish", "tree", "words"],
    ),
    (
        "export",
        &[
            "advice",
            "chain",
            "corpus",
            "csd",
            "intervals",
            "paths",
            "pickle::writer",
            "progress",
            "publish",
            "store",
        ],
    ),
    ("hdf5_file", &["map"]),
    ("ingest", &["advice", "chain", "corpus", "encoding", "name", "overflow", "pickle"]),
    (
        "inspect",
        &[
            "advice",
            "corpus",
            "csd",
            "ingest",
            "packed",
            "pickle",
            "progress",
            "run",
            "signature",
            "store",
            "tree",
        ],
    ),
    ("intervals", &["name"]),
    ("model", &["advice", "corpus", "name", "native", "run::preset", "seed"]),
    ("native", &["caught"]),
    ("packed", &["advice", "container", "map", "pickle", "progress", "signature"]),
    ("paper", &["corpus"]),
    ("pickle", &["advice", "chain", "limit", "map", "overflow", "signature", "tree", "words"]),
    (
        "pretrained",
        &[
            "advice",
            "caught",
            "chain",
            "corpus",
            "map",
            "model::bert",
            "model::layers",
            "model::trace",
            "name",
            "overflow",
        ],
    ),
    ("report", &["advice", "corpus", "mean", "paper", "run", "store", "words"]),
    (
        "reproduce",
        &[
            "corpus",
            "export::tables",
            "mean",
            "model::almt",
            "model::form",
            "model::layers",
            "name",
            "report::chart",
            "report::figure",
            "report::heat",
            "report::space",
            "run",
            "seed",
            "train",
        ],
    ),
    (
        "run",
        &[
            "advice",
            "corpus",
            "encoding",
            "export::tables",
            "mean",
            "model::form",
            "model::registry",
            "name",
            "paper",
            "publish",
            "seed",
            "tree",
        ],
    ),
    ("signature", &["advice", "map", "words"]),
    ("split", &["advice", "chain", "corpus", "paths", "publish", "store"]),
    (
        "store",
        &[
            "advice",
            "chain",
            "corpus",
            "hdf5_file",
            "map",
            "name",
            "overflow",
            "paths",
            "progress",
            "publish",
            "signature",
            "tree",
            "words",
        ],
    ),
    ("synth", &["advice", "chain", "corpus", "pickle::writer", "publish"]),
    (
        "train",
        &[
            "advice",
            "caught",
            "chain",
            "corpus",
            "model",
            "name",
            "native",
            "pretrained",
            "publish",
            "run",
            "seed",
            "words",
        ],
    ),
    (
        "trainer",
        &[
            "advice",
            "corpus",
            "export",
            "model",
            "name",
            "paper",
            "pretrained",
            "publish",
            "reproduce",
            "run",
            "store",
            "train",
        ],
    ),
    ("validate", &["advice", "chain", "corpus", "csd", "progress", "signature", "store"]),
];

/// The module that may use all others, and that none may use.
const TOP: &str = "cli";

/// One finding for each import missing from the table, and for each entry that no file needs.
pub fn check(tree: &Tree, layers: &[(&str, &[&str])]) -> Vec<Finding> {
    let table = "xtask/src/tidy/layers.rs";
    let mut findings = Vec::new();
    let mut needed = BTreeSet::new();
    for import in &tree.imports {
        let (Some(from), Some(to)) = (import.from.module.first(), import.to.module.first()) else {
            continue;
        };
        if from == to || from == TOP {
            continue;
        }
        let target = import.to.module.join("::");
        let uses = layers.iter().find(|(name, _)| name == from).map_or(&[][..], |(_, uses)| uses);
        match uses.iter().find(|allowed| is_below(&target, allowed)) {
            Some(allowed) => {
                needed.insert((from.as_str(), *allowed));
            }
            None => findings.push(Finding::new(
                &import.from.file,
                import.line,
                format!(
                    "imports `{}`, and `{from}` must not know `{target}`: move what is needed down, \
                     or pass it in; the layers are in {table}",
                    import.written
                ),
            )),
        }
    }
    let modules = tree.top_modules();
    for (module, uses) in layers {
        if !modules.contains(module) {
            let problem = format!("the table has no module `{module}` to speak of: remove it");
            findings.push(Finding::new(table, 1, problem));
        }
        for allowed in uses.iter().filter(|allowed| !needed.contains(&(module, **allowed))) {
            let problem = format!("`{module}` does not use `{allowed}`: remove it from the table");
            findings.push(Finding::new(table, 1, problem));
        }
    }
    if !layers.is_sorted() || !layers.iter().all(|(_, uses)| uses.is_sorted()) {
        findings.push(Finding::new(table, 1, "`LAYERS` is not sorted: sort it"));
    }
    findings
}

fn is_below(module: &str, parent: &str) -> bool {
    module.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_imports_that_the_table_has_are_allowed_and_each_of_its_entries_is_needed() {
        let files = [
            ("src/lib.rs", "mod cli; mod run; mod model;"),
            ("src/cli.rs", "use crate::run::Run;"),
            ("src/run.rs", "use crate::model::spec::Spec; pub struct Run;"),
            ("src/model/mod.rs", "pub mod spec;"),
            ("src/model/spec.rs", "pub struct Spec;"),
        ];
        let tree = Tree::parse(files.into_iter()).unwrap();
        let n_findings = |layers: &[(&str, &[&str])]| check(&tree, layers).len();
        assert_eq!(n_findings(&[("run", &["model"])]), 0);
        assert_eq!(n_findings(&[("run", &["model::spec"])]), 0);
        assert_eq!(n_findings(&[]), 1);
        // `model::sp` is not a parent of `model::spec`, and nothing needs it.
        assert_eq!(n_findings(&[("run", &["model::sp"])]), 2);
        assert_eq!(n_findings(&[("run", &["model", "seed"])]), 1);
        assert_eq!(n_findings(&[("run", &["model"]), ("train", &[])]), 1);
    }
}
