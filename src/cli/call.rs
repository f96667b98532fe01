//! The data commands within another program's process.

use std::ffi::OsString;
use std::iter;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use serde::Serialize;
use serde_json::Value;

use super::limits::LimitsArgs;
use super::packed::PackedArgs;
use super::{Cli, Command, Failure, parse};
use super::{
    align, build, convert, copy, export, inspect, labels, scan, schema, split, stats, synth,
    validate,
};
use crate::packed::OpenOptions;
use crate::progress::Progress;

/// Runs the data command in `arguments`, such as `convert` and `mosi.pkl`, and returns what it reports:
/// the document of `--json` where it has that option, otherwise what it prints, as data.
///
/// The arguments are those of the program, without its name. Nothing is printed, and `progress` observes
/// what the program shows as a bar.
///
/// # Errors
/// The call is invalid, is a request for help or of a command that is not about data, or fails. A store
/// that is not valid and a pickle that is not safe are reports, not errors.
pub fn call(
    arguments: impl IntoIterator<Item = OsString>,
    progress: &dyn Progress,
) -> Result<Value, Failure> {
    let program = Cli::command().get_name().into();
    let arguments: Vec<OsString> = iter::once(program).chain(arguments).collect();
    let command = parse(&arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            refused("expected a data command and its arguments, such as `convert mosi.pkl`")
        }
        _ => error.into(),
    })?;
    match command {
        Command::Convert(args) => document(&convert::run(args, progress)?),
        Command::Align(args) => document(&align::run(*args, progress)?),
        Command::Build(args) => document(&build::run(args, progress)?),
        Command::Copy(args) => document(&copy::run(args, progress)?),
        Command::Validate(args) => document(&validate::run(args, progress)?),
        Command::Inspect(args) => document(&inspect::run(args, progress)?),
        Command::Stats(args) => document(&stats::run(&args, progress)?),
        Command::Labels(args) => document(&labels::run(&args)?),
        Command::Split(args) => document(&split::run(&args)?),
        Command::Scan(args) => document(&scan::run(args, progress)?),
        Command::Export(args) => document(&export::run(args, progress)?),
        Command::Synth(args) => document(&synth::run(args)?),
        Command::Schema(args) => document(&schema::run(args)?),
        Command::Trainer(_) | Command::Report(_) | Command::Manual(_) => {
            // No option comes before the command.
            let name = arguments[1].to_string_lossy();
            Err(refused(&format!(
                "`{name}` is not a call of the library: run it as `almt-data {name}`"
            )))
        }
    }
}

/// Options of every command that reads a pickle.
#[derive(Parser)]
struct OpeningArgs {
    #[command(flatten)]
    packed: PackedArgs,
    #[command(flatten)]
    limits: LimitsArgs,
}

/// How a pickle is opened with options of the program, such as `--max-depth=200`.
///
/// # Errors
/// An option is unknown, or its value invalid.
pub fn opening(options: impl IntoIterator<Item = OsString>) -> Result<OpenOptions, Failure> {
    let program = Cli::command().get_name().into();
    let OpeningArgs { packed, limits } =
        OpeningArgs::try_parse_from(iter::once(program).chain(options))?;
    Ok(packed.opening(&limits))
}

/// The failure of a call that only the program answers.
fn refused(problem: &str) -> Failure {
    Cli::command().error(ErrorKind::InvalidSubcommand, problem).into()
}

/// A report as JSON, by way of its text: numbers get the digits that `--json` prints, also those of 32
/// bits.
fn document(report: &impl Serialize) -> Result<Value, Failure> {
    let text = serde_json::to_string(report);
    text.and_then(|text| serde_json::from_str(&text))
        .map_err(|error| Failure::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, PoisonError};

    use serde_json::json;

    use super::*;
    use crate::progress::Stage;

    /// Calls with arguments that are separated by spaces; `@` is the folder.
    fn call_in(folder: &Path, line: &str, progress: &dyn Progress) -> Result<Value, Failure> {
        let folder = folder.to_str().unwrap();
        call(line.split(' ').map(|word| word.replace('@', folder).into()), progress)
    }

    /// Notes the stages and counts the bytes.
    #[derive(Default)]
    struct Seen {
        stages: Mutex<Vec<(Stage, u64)>>,
        n_bytes: AtomicU64,
    }

    impl Progress for Seen {
        fn begin(&self, stage: Stage, total: u64) {
            self.stages.lock().unwrap_or_else(PoisonError::into_inner).push((stage, total));
        }

        fn advance(&self, n_bytes: u64) {
            self.n_bytes.fetch_add(n_bytes, Ordering::Relaxed);
        }
    }

    #[test]
    fn every_data_command_returns_what_it_prints() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let path = |name: &str| json!(folder.join(name));
        let run = |line: &str| call_in(folder, line, &()).unwrap();

        let synth = run("synth --samples 8 -o @/mosi.pkl");
        assert_eq!((&synth["output"], &synth["dataset"]), (&path("mosi.pkl"), &json!("mosi")));

        let seen = Seen::default();
        let store = call_in(folder, "convert @/mosi.pkl", &seen).unwrap();
        assert_eq!(store["output"], path("mosi.h5"));
        assert_eq!((&store["dataset"], &store["layout"]), (&json!("mosi"), &json!("mmsa")));
        let train = &store["splits"][0];
        assert_eq!((&train["name"], &train["n_segments"]), (&json!("train"), &json!(8)));
        assert_eq!(train["shapes"]["audio"], json!([50, 5]));
        assert_eq!(store["sources"][0]["file_name"], "mosi.pkl");
        assert!(store["findings"].is_array() && store["notes"].is_array(), "{store}");
        assert!(store.get("next").is_none(), "{store}");
        let [(Stage::Converting, n_bytes)] = seen.stages.lock().unwrap()[..] else {
            panic!("{:?}", seen.stages)
        };
        assert_eq!(seen.n_bytes.into_inner(), n_bytes);

        let explained = run("convert @/mosi.pkl --explain --overwrite");
        assert_eq!(explained["path"], path("mosi.pkl"));
        assert!(explained["explanation"].as_str().unwrap().contains("mmsa fits"), "{explained}");
        assert_eq!(explained["dataset"], "mosi");
        assert!(explained["candidates"][0]["build"].is_string(), "{explained}");
        assert!(explained.get("failure").is_none(), "{explained}");

        let validated = run("validate @/mosi.h5");
        assert_eq!(validated[0]["valid"], true);
        assert_eq!(validated[0]["digest"], store["digest"]);

        let copied = run("copy @/mosi.h5 @/mosi.arrow");
        assert_eq!(copied["output"], path("mosi.arrow"));
        assert_eq!(copied["digest"], store["digest"]);

        std::fs::write(folder.join("own.csv"), "id,label\na_1,1.5\na_2,-1\n").unwrap();
        let built = run("build --labels @/own.csv --dataset mosi");
        assert_eq!((&built["output"], &built["layout"]), (&path("own.h5"), &json!("clips")));
        assert_eq!(built["splits"][0], json!({"name": "train", "n_segments": 2, "shapes": {}}));
        assert_eq!(built["reconciled"], json!([]));

        let inspected = run("inspect @/mosi.h5");
        assert_eq!(inspected["path"], path("mosi.h5"));
        assert_eq!(inspected["tree"]["children"][0]["name"], "train");

        let stats = run("stats @/mosi.h5");
        assert_eq!(stats["blocks"][0]["split"], "train");
        assert_eq!(stats["digest"], store["digest"]);
        let labels = run("labels @/mosi.h5");
        assert_eq!(labels["classes"][0]["split"], "train");

        let split = run("split @/mosi.h5 --k-fold 3 --by segment -o @/cv.json");
        assert_eq!(split["output"], path("cv.json"));
        assert_eq!(split["store_digest"], store["digest"]);
        assert_eq!(split["folds"].as_array().unwrap().len(), 3);
        assert_eq!(split["folds"][0][0]["name"], "train");
        assert_eq!(split["n_unused"], 0);

        let scanned = run("scan @/mosi.pkl");
        assert_eq!(
            (&scanned[0]["file"], &scanned[0]["allowed"]),
            (&path("mosi.pkl"), &json!(true))
        );

        let exported = run("export @/mosi.h5 --to csv -o @/mosi.csv");
        assert_eq!(exported["output"], path("mosi.csv"));
        let size = folder.join("mosi.csv").metadata().unwrap().len();
        assert_eq!(exported["n_bytes"], size);

        let listed = run("schema");
        assert_eq!(listed[0]["name"], "validation");
        let text = run("schema mosi");
        assert_eq!(text["text"], include_str!("../../schemas/datasets/mosi.toml"));
    }

    #[test]
    fn numbers_have_the_digits_that_the_program_prints() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        call_in(folder, "synth --samples 8 -o @/mosi.pkl", &()).unwrap();
        call_in(folder, "convert @/mosi.pkl", &()).unwrap();
        let stats = call_in(folder, "stats @/mosi.h5", &()).unwrap();
        let summary = crate::store::Store::open(&folder.join("mosi.h5")).unwrap().summary(&());
        let printed = serde_json::to_string(&summary.unwrap()).unwrap();
        assert_eq!(stats.to_string(), printed);
    }

    #[test]
    fn bad_data_are_reports_where_the_program_prints_them() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::write(folder.join("bad.h5"), "not a store").unwrap();
        let validated = call_in(folder, "validate @/bad.h5", &()).unwrap();
        assert_eq!(validated[0]["valid"], false);
        assert!(validated[0]["failure"].as_str().unwrap().contains("bad.h5"), "{validated}");

        std::fs::write(folder.join("bad.pkl"), b"cos\nsystem\n(S'echo'\ntR.").unwrap();
        let scanned = call_in(folder, "scan @/bad.pkl", &()).unwrap();
        assert_eq!(scanned[0]["allowed"], false);

        std::fs::write(folder.join("other.pkl"), b"\x80\x02]q\x00.").unwrap();
        let explained = call_in(folder, "convert --explain @/other.pkl", &()).unwrap();
        let failure = explained["failure"].as_str().unwrap();
        assert!(failure.contains("\n  hint: `almt-data inspect`"), "{failure}");
        assert_eq!(explained["dataset"], Value::Null);
    }

    #[test]
    fn failures_have_a_cause_hints_and_the_code_of_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let fail = |line: &str| call_in(folder, line, &()).unwrap_err();

        let missing = fail("convert @/none.pkl");
        let path = folder.join("none.pkl");
        let cause = format!("{}: no such file or folder", path.display());
        assert_eq!((&*missing.message(), missing.code()), (&*cause, 1));
        assert_eq!(missing.to_string(), cause);

        let unknown = fail("schema none");
        assert_eq!((&*unknown.message(), unknown.code()), ("`none` is not a known schema", 1));
        assert_eq!(unknown.hints(), ["`almt-data schema` lists their names"]);
        assert_eq!(
            unknown.to_string(),
            "`none` is not a known schema\n  hint: `almt-data schema` lists their names"
        );
    }

    #[test]
    fn invalid_calls_have_the_message_and_the_tips_of_clap() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let fail = |line: &str| {
            let failure = call_in(folder, line, &()).unwrap_err();
            assert_eq!(failure.code(), 2, "{failure}");
            failure
        };

        let unknown = fail("convert a.pkl --outptu b.h5");
        assert_eq!(unknown.message(), "unexpected argument '--outptu' found");
        assert_eq!(unknown.hints(), ["a similar argument exists: '--output'"]);
        let lines = unknown.to_string();
        assert!(lines.starts_with("unexpected argument") && lines.contains("\nUsage: "), "{lines}");
        assert_eq!(lines.matches("a similar argument").count(), 1, "{lines}");

        let negative = fail("synth --seed -1");
        assert!(negative.message().contains("expected a whole number, 0 or more"), "{negative}");
        assert!(negative.hints().is_empty(), "{negative}");

        for (line, message) in [
            ("convert a.pkl b.pkl", "several pickles need `--output STORE`"),
            ("convert a.pkl --max-len text=1 --max-len text=2", "`--max-len` names text twice"),
            ("convert a.pkl -o a.h5 --format arrow", "`--format arrow` contradicts `a.h5`"),
            ("split a.h5 --ratio 0.5,0.5 -o b.json", "`--ratio` takes three shares"),
            ("export a.h5 --to csv --license MIT", "`--license` is for `--to croissant` only"),
        ] {
            let failure = fail(line);
            assert!(failure.message().starts_with(message), "{line}: {failure}");
        }
    }

    #[test]
    fn what_only_the_program_does_is_not_a_call() {
        for (line, message) in [
            ("models", "`models` is not a call of the library: run it as `almt-data models`"),
            ("manual a", "`manual` is not a call of the library"),
            ("report a", "`report` is not a call of the library"),
            ("--help", "expected a data command and its arguments"),
            ("convert --help", "expected a data command and its arguments"),
            ("--version", "expected a data command and its arguments"),
        ] {
            let failure = call_in(Path::new("."), line, &()).unwrap_err();
            assert!(failure.message().starts_with(message), "{line}: {failure}");
            assert_eq!(failure.code(), 2, "{line}: {failure}");
        }
        let failure = call([], &()).unwrap_err();
        assert!(failure.message().starts_with("expected a data command"), "{failure}");
    }
}
