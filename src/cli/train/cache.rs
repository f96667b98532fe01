//! Options for the placement of features.

use clap::Args;

use crate::cli::number;
use crate::trainer::cache::{CacheOptions, CachePlace};

/// Where features lie while they are used.
#[derive(Args)]
pub struct CacheArgs {
    /// Where features are kept: auto (in device memory if they fill at most half of what is free,
    /// otherwise on disk), memory, or disk (batches are read ahead from the store)
    #[arg(help_heading = "Hardware options", long, default_value = "auto")]
    cache: CachePlace,
    /// Threads that read batches with `--cache disk`; does not affect results
    #[arg(help_heading = "Hardware options", long, default_value_t = 1, value_parser = number::within::<u8>(1, 64), value_name = "N")]
    loader_threads: u8,
}

impl CacheArgs {
    /// The options for the trainer.
    pub fn options(&self) -> CacheOptions {
        CacheOptions { place: self.cache, n_threads: self.loader_threads.into() }
    }
}
