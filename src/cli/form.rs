//! Options of every command that writes a store: its format, and how.

use std::path::Path;

use clap::Args;
use clap::error::ErrorKind;

use super::{Failure, wrong_call};
use crate::store::{Compression, Format, OutputOptions};

#[derive(Args)]
pub struct FormArgs {
    /// Store format: hdf5 (one file) or arrow (a folder of Arrow IPC files) [default: from the output's
    /// extension, `.h5` or `.arrow`]
    #[arg(long, value_name = "hdf5|arrow", hide_possible_values = true)]
    pub format: Option<Format>,
    /// Lossless compression: gzip for hdf5, zstd or lz4 for arrow. Compressed stores cannot be
    /// memory-mapped
    #[arg(long, default_value_t = Compression::None, value_name = "none|gzip|zstd|lz4")]
    #[arg(hide_possible_values = true)]
    pub compression: Compression,
    /// Do not flush the store to disk: faster, but it can be lost if the machine crashes within seconds
    #[arg(long)]
    pub no_sync: bool,
}

impl FormArgs {
    /// The format of the store at `output`; `otherwise` if nothing determines it. The call is invalid if
    /// the options contradict each other.
    pub fn resolve<A: Args>(
        &self,
        command: &'static str,
        output: Option<&Path>,
        otherwise: Format,
    ) -> Result<Format, Failure> {
        let named = output.and_then(Format::of_name);
        if let (Some(asked), Some(named), Some(output)) = (self.format, named, output)
            && asked != named
        {
            let problem = format!("`--format {asked}` contradicts `{}`", output.display());
            return Err(wrong_call::<A>(command, ErrorKind::ArgumentConflict, &problem));
        }
        let format = self.format.or(named).unwrap_or(otherwise);
        if !format.compressions().contains(&self.compression) {
            let names: Vec<&str> = format.compressions().iter().map(|all| all.name()).collect();
            let problem = format!(
                "{format} has no `--compression {}`, but: {}",
                self.compression,
                names.join(", ")
            );
            return Err(wrong_call::<A>(command, ErrorKind::ArgumentConflict, &problem));
        }
        Ok(format)
    }

    /// How to write a store of that format.
    pub fn output(&self, format: Format, overwrite: bool) -> OutputOptions {
        let FormArgs { compression, no_sync, .. } = *self;
        OutputOptions { format, compression, overwrite, sync: !no_sync }
    }
}
