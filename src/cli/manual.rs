//! `almt-data manual`: man pages, made of the same description of the commands that reads the command
//! line, and the scripts of shell completion.

use std::io;
use std::iter;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_mangen::Man;

use super::{Failure, cannot_write, complete};
use crate::publish;

/// Write man pages for all commands, and completions for bash, zsh, fish and PowerShell
#[derive(Args)]
pub struct ManualArgs {
    /// Output folder; files go to `man/man1` and `completions` in it, existing ones are overwritten
    folder: PathBuf,
}

/// Writes all pages and completions of a command.
pub fn manual(args: ManualArgs, command: Command) -> Result<ExitCode, Failure> {
    let failed = |error| cannot_write(&args.folder, error);
    let scripts = complete::scripts(command.get_name()).map_err(failed)?;
    let pages = pages(command).map_err(failed)?;
    for (folder, files) in [("man/man1", pages), ("completions", scripts)] {
        let folder = args.folder.join(folder);
        std::fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, error))?;
        let n_files = files.len();
        for (name, bytes) in files {
            let path = folder.join(name);
            publish::write(&path, &bytes).map_err(|error| cannot_write(&path, error))?;
        }
        outln!("{}: {n_files} files", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Names and content of the man pages: of the program and of each command.
fn pages(command: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let page = |command: &Command| {
        let page =
            Man::new(command.clone()).source(concat!("almt-data ", env!("CARGO_PKG_VERSION")));
        let mut bytes = Vec::new();
        page.render(&mut bytes)?;
        Ok((page.get_filename(), bytes))
    };
    iter::once(&command).chain(command.get_subcommands()).map(page).collect()
}
