//! Any pickle, read in the layout chosen by the first byte, gives a corpus with readable rows, or an
//! error.

#![no_main]

use almt_data::corpus::{Layout, SplitName};
use almt_data::ingest::{self, IngestOptions, SourceFile};
use almt_data::pickle::Pickle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let layout = Layout::ALL[usize::from(*choice) % Layout::ALL.len()];
    let Ok(pickle) = Pickle::from_bytes(bytes.to_vec(), &almt_data_fuzz::limits()) else { return };
    let options = IngestOptions {
        split: Some(SplitName::Train),
        layout: Some(layout),
        ..IngestOptions::default()
    };
    let Ok(corpus) = ingest::read(&[SourceFile::new(&pickle, "fuzz")], &options) else { return };
    for block in corpus.splits.iter().flat_map(|split| split.features.values()) {
        let [n_samples, seq_len, feat_dim] = block.shape;
        if n_samples > 0 && seq_len * feat_dim < 1 << 20 {
            let mut out = vec![0.0; seq_len * feat_dim];
            block.rows.read(n_samples - 1, &mut out).expect("the last sample is there");
        }
    }
});
