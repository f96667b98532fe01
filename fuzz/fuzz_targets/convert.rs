//! Any bytes: reading them as a pickle, and the result as a corpus, ends in a value or an error.

#![no_main]

use almt_data::corpus::SplitName;
use almt_data::ingest::{self, Options};
use almt_data::pickle::{Limits, Pickle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(pickle) = Pickle::from_bytes(bytes.to_vec(), &Limits::default()) else { return };
    let options = Options { split: Some(SplitName::Train), ..Options::default() };
    let Ok(corpus) = ingest::read(&pickle, &options) else { return };
    for block in corpus.splits.iter().flat_map(|split| split.features.values()) {
        let [n_samples, seq_len, feat_dim] = block.shape;
        if n_samples > 0 && seq_len * feat_dim < 1 << 20 {
            block.rows.read(n_samples - 1, &mut vec![0.0; seq_len * feat_dim]);
        }
    }
});
