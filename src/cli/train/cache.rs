//! The options that say where features lie.

use clap::Args;

use crate::cli::number;
use crate::trainer::cache::{CacheOptions, CachePlace};

/// Where features lie while they are used.
#[derive(Args)]
pub struct CacheArgs {
    /// Where the features lie during the run: auto (in the device's memory where they take at
    /// most half of what is free), memory, or disk (each batch is read from the store ahead of its step)
    #[arg(long, default_value = "auto")]
    cache: CachePlace,
    /// Threads that read batches with `--cache disk`; the result does not depend on it
    #[arg(long, default_value_t = 1, value_parser = number::within::<u8>(1, 64), value_name = "N")]
    loader_threads: u8,
}

impl CacheArgs {
    /// As the trainer takes them.
    pub fn options(&self) -> CacheOptions {
        CacheOptions { place: self.cache, n_threads: self.loader_threads.into() }
    }
}
