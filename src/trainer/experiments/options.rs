//! How the paper's experiments are done.

use crate::trainer::cache::CacheOptions;
use crate::trainer::options::{EncoderOptions, ValidOptions};

/// How the paper's experiments are done on a store.
#[derive(Debug, Clone)]
pub struct ReproduceOptions {
    /// Seeds of the runs of each model.
    pub seeds: Vec<u64>,
    /// Passes over the training split; those of the dataset's preset where there is no number.
    pub epochs: Option<usize>,
    /// A validation split that is drawn from the training split.
    pub valid_from_train: Option<ValidOptions>,
    /// The text encoder of models that work inside one, which are left out without it.
    pub encoder: Option<EncoderOptions>,
    /// Whether models whose trainers drop the batches that are left over at the end of an epoch step along their
    /// gradients instead.
    pub steps_remainder: bool,
    /// Threads of libtorch; as many as it uses now where there is no number.
    pub n_threads: Option<u16>,
    /// Where features lie.
    pub cache: CacheOptions,
    /// Processes like this one that share the memory of the machine.
    pub n_processes: usize,
    /// Whether a store that is not valid is trained on.
    pub force: bool,
    /// The command line, for the record.
    pub command: Vec<String>,
}

impl Default for ReproduceOptions {
    fn default() -> ReproduceOptions {
        ReproduceOptions {
            seeds: vec![1, 2, 3],
            epochs: None,
            valid_from_train: None,
            encoder: None,
            steps_remainder: false,
            n_threads: None,
            cache: CacheOptions::default(),
            n_processes: 1,
            force: false,
            command: Vec::new(),
        }
    }
}
