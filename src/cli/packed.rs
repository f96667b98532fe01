//! The options of every command that reads a pickle: what to take of a packed file.

use clap::Args;

use super::limits::LimitsArgs;
use crate::container::{self, UNPACKED_BYTES};
use crate::packed::OpenOptions;
use crate::pickle::Limits;

/// What to take of a packed file.
#[derive(Args)]
pub struct PackedArgs {
    /// Entry of a zip or tar archive to read, with its folders; without it, the only pickle in it.
    /// Files compressed with gzip, bzip2, xz, LZMA or zstd are unpacked as they are read
    #[arg(long, value_name = "NAME")]
    entry: Option<String>,
    /// Bytes that a packed file may unpack to, in the folder that the environment variable TMPDIR
    /// names
    #[arg(long, value_name = "BYTES", default_value_t = UNPACKED_BYTES)]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_unpacked: u64,
}

impl PackedArgs {
    /// How a pickle is opened, within these limits.
    pub fn opening(self, limits: &LimitsArgs) -> OpenOptions {
        OpenOptions {
            container: container::UnpackOptions {
                entry: self.entry,
                unpacked_bytes: self.max_unpacked,
            },
            limits: Limits::from(limits),
        }
    }
}
