//! Sources that fail in the middle: no store is left, and the sample is named.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use almt_data::chain::chain;
use almt_data::corpus::manifest::TextEncoder;
use almt_data::corpus::{
    Corpus, CorpusSplit, Dataset, FeatureBlock, Layout, Modality, RegressionLabels, RowError, Rows,
    SplitName,
};
use almt_data::overflow::Overflows;
use almt_data::store::{
    Compression, FeatureDtype, Format, NewText, NonFinite, OnOverflow, OutputOptions, Store,
    StoreError, WriteOptions, with_text, write,
};

use crate::support::{almt, files, synthetic_store};

/// Samples of a disk that gives up at one of them.
struct Failing(usize);

impl Rows for Failing {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError> {
        out.fill(1.0);
        match sample_idx >= self.0 {
            true => Err("the disk gave up".into()),
            false => Ok(Overflows::default()),
        }
    }
}

const N_SAMPLES: usize = 3000;

fn corpus(n_good: usize) -> Corpus {
    let rows = Arc::new(Failing(n_good));
    let block = FeatureBlock { shape: [N_SAMPLES, 5, 40], rows };
    let split = CorpusSplit {
        name: SplitName::Train,
        ids: (0..N_SAMPLES).map(|idx| format!("v$_${idx}")).collect(),
        raw_text: None,
        annotations: None,
        features: [(Modality::Audio, block)].into(),
        text_bert: None,
        words: None,
        lengths: BTreeMap::new(),
        regression_labels: RegressionLabels::default(),
        classification_labels: None,
        emotion_labels: None,
        intervals: None,
        narrowed_labels: vec![],
    };
    let (splits, feature_names) = (vec![split], BTreeMap::new());
    Corpus { layout: Layout::Mmsa.name(), splits, notes: vec![], feature_names, build: None }
}

fn output(format: Format) -> OutputOptions {
    OutputOptions { format, compression: Compression::None, overwrite: false, sync: false }
}

fn expect(error: &StoreError, column: &str, sample_idx: usize, id: &str) {
    let error = chain(error);
    let expected =
        format!("{column}: sample {sample_idx} (`{id}`) cannot be read: the disk gave up");
    assert_eq!(error, expected);
}

#[test]
fn a_corpus_that_fails_in_the_middle_leaves_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let formats = [(Format::Hdf5, "out.h5"), (Format::Arrow, "out.arrow")];
    // A mean is known only after all values were read, so that the first pass is another one.
    let policies = [NonFinite::Loaders, NonFinite::Mean];
    for ((format, name), on_nonfinite) in
        formats.into_iter().flat_map(|format| policies.map(|policy| (format, policy)))
    {
        let options = WriteOptions {
            dataset: Dataset::Mosi,
            label_scale: None,
            on_nonfinite,
            on_overflow: OnOverflow::Error,
            dtype: FeatureDtype::Float32,
            output: output(format),
        };
        for n_good in [0, 1, 1700, N_SAMPLES - 1] {
            let written = write(&corpus(n_good), &[], &folder.path().join(name), &options, &|_| {});
            expect(&written.err().unwrap(), "/train/audio", n_good, &format!("v$_${n_good}"));
            assert_eq!(files(folder.path()), [""; 0], "{name}");
        }
    }
}

#[test]
fn an_encoder_that_fails_in_the_middle_leaves_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let source = Store::open(&synthetic_store(folder.path(), "mosi", "16")).unwrap();
    for (format, name) in [(Format::Hdf5, "out.h5"), (Format::Arrow, "out.arrow")] {
        let text = SplitName::ALL.map(|split| {
            let shape = [source.ids(split).len(), 50, 4];
            // The first split is good.
            let rows = Arc::new(Failing(if split == SplitName::Train { 16 } else { 2 }));
            let features = FeatureBlock { shape, rows };
            (split, NewText { features, tokens: None, notes: vec![] })
        });
        let encoder = TextEncoder {
            name: "none".into(),
            sha256: String::new(),
            blake3: String::new(),
            source: "text_bert".into(),
            tokenizer_blake3: None,
        };
        let target = folder.path().join(name);
        let written = with_text(&source, &target, &output(format), text.into(), encoder);
        let id = &source.ids(SplitName::Valid)[2];
        expect(&written.unwrap_err(), "/valid/text", 2, id);
        assert_eq!(files(folder.path()), ["mosi.h5", "mosi.pkl"], "{name}");
    }
}

/// Overwrites the chunk of one sample in a compressed store.
fn break_sample(store: &Path, column: &str, sample_idx: usize) {
    let file = hdf5::File::open(store).unwrap();
    let chunk = file.dataset(column).unwrap().chunk_info(sample_idx).unwrap();
    assert_eq!(chunk.offset, [sample_idx as u64, 0, 0]);
    file.close().unwrap();
    let (start, len) = (chunk.addr as usize, chunk.size as usize);
    let mut bytes = std::fs::read(store).unwrap();
    bytes[start..start + len].fill(0xff);
    std::fs::write(store, bytes).unwrap();
}

#[test]
fn a_store_that_cannot_be_read_in_the_middle_is_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "12");
    let compressed = ["copy", "mosi.h5", "gzip.h5", "--compression", "gzip"];
    almt(folder.path(), &compressed).ok();
    let path = folder.path().join("gzip.h5");
    break_sample(&path, "train/text", 7);
    let store = Store::open(&path).unwrap();
    let named =
        format!("/train/text: sample 7 (`{}`) cannot be read", store.ids(SplitName::Train)[7]);
    drop(store);
    for target in ["out.h5", "out.arrow"] {
        almt(folder.path(), &["copy", "gzip.h5", target]).fails_with(&[&named, "gzip.h5"]);
    }
    assert_eq!(files(folder.path()), ["gzip.h5", "mosi.h5", "mosi.pkl"]);
}
