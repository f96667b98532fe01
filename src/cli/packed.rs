//! Options of every command that reads a pickle: which entry of a packed file to read.

use clap::Args;

use super::limits::LimitsArgs;
use super::number::from;
use crate::container::{self, UNPACKED_BYTES};
use crate::packed::OpenOptions;
use crate::pickle::Limits;

/// What to take of a packed file.
#[derive(Args)]
pub struct PackedArgs {
    /// Entry to read from a zip or tar archive, with its folder [default: the only pickle in it]. Files
    /// compressed with gzip, bzip2, xz, LZMA or zstd are decompressed automatically
    #[arg(long, value_name = "NAME")]
    entry: Option<String>,
    /// Size of the decompressed file in bytes; it is written to the folder named by TMPDIR
    #[arg(long, value_name = "BYTES", default_value_t = UNPACKED_BYTES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_unpacked: u64,
}

impl PackedArgs {
    /// Options for opening a pickle within these limits.
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
