//! Help texts are reviewed: each is compared with `fixtures/help/COMMAND.txt`.
//!
//! `UPDATE_FIXTURES=1 cargo test` rewrites them after an intended change.

use std::path::Path;

use crate::support::almt;

#[test]
fn help_texts_are_the_reviewed_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/help");
    let mut commands = vec![
        "convert", "align", "build", "copy", "validate", "inspect", "scan", "export", "synth",
        "stats", "labels", "split", "report", "schema", "manual",
    ];
    // A build without libtorch says so in the help of these.
    if cfg!(feature = "train") {
        commands.extend(["encode", "train", "resume", "repeat", "eval", "predict", "compare"]);
        commands.extend(["export-weights", "reproduce", "models", "devices", ""]);
    }
    for command in commands {
        // The help of the program itself goes by its name.
        let (args, name) = match command {
            "" => (vec!["--help"], "almt-data"),
            command => (vec![command, "--help"], command),
        };
        let found = almt(&folder, &args).ok().stdout();
        let path = folder.join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, expected, "help of `{command}` differs from {}", path.display());
    }
}
