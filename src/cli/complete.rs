//! Shell completion: commands, options, and values that fit, such as stores for `--store` and run
//! folders for `eval`.
//!
//! The scripts that `almt-data manual` writes make the shell ask this program.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap::{Arg, Command};
#[cfg(feature = "train")]
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::engine::{ArgValueCompleter, PathCompleter};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Generator, Shell};

#[cfg(feature = "train")]
use crate::model::registry::ModelSpec;
use crate::run::folder::is_run;
use crate::store::Format;

/// Shells with a script.
const SHELLS: [Shell; 4] = [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell];

/// Environment variable that names the asking shell.
const ASKED_BY: &str = "ALMT_DATA_COMPLETE";

/// Answers a shell that asks for completions of the program's arguments; `false` if none asks.
pub fn answer(command: impl Fn() -> Command, arguments: &[OsString]) -> Result<bool, clap::Error> {
    let here = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(|| with_values(command())).var(ASKED_BY);
    asked.try_complete(arguments, here.as_deref())
}

/// File names and content of the scripts.
pub fn scripts(name: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let script = |shell: Shell| {
        let known = Shells::builtins();
        let known = known.completer(&shell.to_string()).expect("a shell that clap knows");
        let mut bytes = Vec::new();
        known.write_registration(ASKED_BY, name, name, name, &mut bytes)?;
        Ok((shell.file_name(name), bytes))
    };
    SHELLS.into_iter().map(script).collect()
}

/// Adds completion of values to a command and its subcommands.
fn with_values(command: Command) -> Command {
    command.mut_args(with_values_of).mut_subcommands(with_values)
}

/// Adds completion of values to an argument, by the name of its value in help texts.
fn with_values_of(arg: Arg) -> Arg {
    #[cfg(feature = "train")]
    if arg.get_id() == "model" {
        let names = || ModelSpec::NAMES.iter().map(CompletionCandidate::new).collect();
        return arg.add(ArgValueCandidates::new(names));
    }
    let named = arg.get_value_names().and_then(<[_]>::first).map(|name| name.to_string());
    let wanted: fn(&Path) -> bool = match named.as_deref().unwrap_or_default() {
        "STORE" | "STORES" | "FROM" => |path| Format::of_name(path).is_some(),
        "RUN" | "RUN_A" | "RUN_B" | "RUN_FOLDER" | "CHECKPOINT" => is_run,
        "FOLDER" => Path::is_dir,
        "PICKLE" => |path| path.is_file() && Format::of_name(path).is_none(),
        "CSV" | "JSON" | "SPLITS.json" | "FILE" => Path::is_file,
        _ => return arg,
    };
    arg.add(ArgValueCompleter::new(PathCompleter::any().filter(wanted)))
}
