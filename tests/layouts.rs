//! Every family of feature files becomes a corpus, or is refused by name and with advice.
//!
//! `fixtures/pickles/make.py` writes the fixtures. Their values encode their original place: dimension
//! 1 of frame 3 of sample 1 is 203.1.

use std::path::{Path, PathBuf};

use almt_data::corpus::segment::video_of;
use almt_data::corpus::spec::recognise;
use almt_data::corpus::{Corpus, CorpusSplit, Dataset, Layout, Modality, SplitName};
use almt_data::ingest::{self, IngestError, IngestOptions, Side, SourceFile};
use almt_data::pickle::{Limits, Pickle};
use almt_data::store::Store;

use crate::support::{almt, files, hint, real_data};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pickles")
}

fn open(path: &Path) -> Pickle {
    Pickle::open(path, &Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn fixture(name: &str) -> Pickle {
    open(&folder().join(name))
}

fn layout(name: &str) -> Pickle {
    open(&folder().join(format!("layouts/{name}.pkl")))
}

fn read(pickle: &Pickle, stem: &str) -> Result<Corpus, IngestError> {
    ingest::read(&[SourceFile::new(pickle, stem)], &IngestOptions::default())
}

/// All samples of a block as frames.
fn frames(split: &CorpusSplit, modality: Modality) -> Vec<Vec<Vec<f32>>> {
    let block = &split.features[&modality];
    let [n_samples, seq_len, feat_dim] = block.shape;
    let sample = |sample_idx| {
        let mut values = vec![9.0; seq_len * feat_dim];
        block.rows.read(sample_idx, &mut values).unwrap();
        values.chunks(feat_dim).map(<[f32]>::to_vec).collect()
    };
    (0..n_samples).map(sample).collect()
}

/// The first value of every frame: 100 times the sample's number plus the frame's.
fn firsts(split: &CorpusSplit, modality: Modality) -> Vec<Vec<f32>> {
    let first = |frame: &Vec<f32>| frame[0];
    frames(split, modality).iter().map(|sample| sample.iter().map(first).collect()).collect()
}

fn has_note(corpus: &Corpus, note: &str) {
    assert!(corpus.notes.iter().any(|found| found.contains(note)), "{note}: {:#?}", corpus.notes);
}

#[test]
fn a_corpus_keeps_its_source() {
    // Arrays of all samples, a list of arrays, and lists of lists; moved, padded and left out.
    for name in ["sdk-mosi", "mag-bert", "lists"] {
        let pickle = layout(name);
        let all = |corpus: &Corpus| -> Vec<_> {
            let of_split = |split: &CorpusSplit| -> Vec<_> {
                split.features.keys().map(|modality| frames(split, *modality)).collect()
            };
            corpus.splits.iter().flat_map(of_split).collect()
        };
        let corpus = read(&pickle, name).unwrap();
        let kept = corpus.without(&[(SplitName::Train, [0].into())].into());
        let expected = (all(&corpus), all(&kept));
        drop((pickle, corpus));
        let found = std::thread::spawn(move || all(&kept)).join().unwrap();
        assert!(!found.is_empty() && found == expected.1 && found != expected.0, "{name}");
    }
}

#[test]
fn front_padding_moves_to_the_back_and_no_frame_is_lost() {
    let pickle = layout("sdk-mosi");
    let corpus = read(&pickle, "mosi_data").unwrap();
    assert_eq!(corpus.layout, Layout::Sdk.name());
    assert_eq!(recognise(&corpus), Some(Dataset::Mosi));
    let train = &corpus.splits[0];
    assert_eq!(train.ids, ["trainvideo_x_0", "trainvideo_x_1", "trainvideo_x_2"]);
    assert_eq!(video_of(&train.ids[1]), "trainvideo_x");
    assert_eq!(train.regression_labels.overall.as_deref(), Some(&[-0.5, 0.5, 1.5][..]));
    assert_eq!(
        firsts(train, Modality::Text),
        [[100., 101., 0., 0., 0.], [200., 201., 202., 203., 204.], [300., 301., 302., 0., 0.]]
    );
    assert_eq!(train.lengths[&Modality::Text], [2, 5, 3]);
    // An inner frame of zeros stays one.
    assert_eq!(firsts(train, Modality::Audio)[2], [300., 0., 302., 0., 0.]);
    assert_eq!(train.lengths[&Modality::Audio], [2, 5, 3]);
    // The first frame of the first sample is one of zeros, and still a step beside the others.
    assert_eq!(firsts(train, Modality::Vision)[0], [0., 101., 0., 0., 0.]);
    assert_eq!(firsts(train, Modality::Vision)[2], [0.; 5]);
    assert_eq!(train.lengths[&Modality::Vision], [2, 5, 0]);
    let last = &frames(train, Modality::Audio)[1][4];
    assert_eq!(*last, [204.0_f32, 204.1, 204.2, 204.3, 204.4]);
    for note in [
        "audio: float64 -> float32",
        "audio: samples are padded at the front",
        "vision_lengths: counted from the first frame",
        "start and end of the segments",
    ] {
        has_note(&corpus, note);
    }
}

/// Every frame that is not zero, in order, is where the layout module puts it.
#[test]
fn all_filled_frames_arrive_in_order() {
    for name in ["sdk-mosi", "sdk-mosei", "multibench", "fet"] {
        let pickle = layout(name);
        let corpus = read(&pickle, name).unwrap();
        for (split, key) in corpus.splits.iter().zip(["train", "valid", "test"]) {
            for modality in split.features.keys() {
                let source = pickle.get(pickle.root(), key).unwrap();
                let source = pickle.array(pickle.get(source, modality.name()).unwrap()).unwrap();
                let feat_dim = source.shape()[2];
                let is_filled = |frame: &&[f32]| frame.iter().any(|value| *value != 0.0);
                for (row, sample) in frames(split, *modality).iter().enumerate() {
                    let mut values = vec![0.0; source.row_len()];
                    source.read_f32(row, &mut values);
                    let expected: Vec<&[f32]> = values.chunks(feat_dim).filter(is_filled).collect();
                    let found: Vec<&[f32]> =
                        sample.iter().map(Vec::as_slice).filter(is_filled).collect();
                    assert_eq!(found, expected, "{name}: {key}/{modality}, row {row}");
                    let length = usize::try_from(split.lengths[modality][row]).unwrap();
                    assert!(!sample[length..].iter().any(|f| is_filled(&f.as_slice())), "{name}");
                }
            }
        }
    }
}

#[test]
fn mosei_ids_are_made_of_all_three_columns() {
    let pickle = layout("sdk-mosei");
    let corpus = read(&pickle, "mosei_senti_data_noalign").unwrap();
    let train = &corpus.splits[0];
    assert_eq!(train.ids, ["-train_1a[0.0,7.5]", "-train_1a[7.5,15.25]", "-train_1a[15.25,20.0]"]);
    assert!(train.ids.iter().all(|id| video_of(id) == "-train_1a"));
    assert_eq!(train.regression_labels.overall.as_deref(), Some(&[-1.0, 0.0, 1.0][..]));
    // Unaligned: every modality moves by its own padding.
    assert_eq!(train.lengths[&Modality::Audio], [3, 1, 4]);
    assert_eq!(train.lengths[&Modality::Vision], [1, 2, 2]);
    assert_eq!(firsts(train, Modality::Vision)[2], [300.0, 301.0, 0.0]);
    has_note(&corpus, "ids became VIDEO[START,END]");
    has_note(&corpus, "id: 4 start or end times without decimals");
    has_note(&corpus, "labels: the six emotions");
}

#[test]
fn multibench_lists_ids() {
    let pickle = layout("multibench");
    let corpus = read(&pickle, "mosi_raw").unwrap();
    assert_eq!(corpus.splits[2].ids, ["test[0]", "test[1]"]);
    assert_eq!(firsts(&corpus.splits[2], Modality::Text)[1], [200.0, 201.0, 0.0, 0.0]);
    let audio = firsts(&corpus.splits[1], Modality::Audio);
    assert_eq!(audio, [[f32::NEG_INFINITY, 0.0, 0.0, 0.0]]);
}

#[test]
fn mag_bert_tuples_become_a_corpus() {
    let pickle = layout("mag-bert");
    let corpus = read(&pickle, "mosi").unwrap();
    assert_eq!(corpus.layout, Layout::MagBert.name());
    assert_eq!(recognise(&corpus), Some(Dataset::Mosi));
    let [train, valid, test] = &corpus.splits[..] else { panic!("three splits") };
    assert_eq!(train.ids, ["a[0]", "b[3]", "train#2"]);
    assert_eq!(valid.name, SplitName::Valid);
    assert_eq!(test.ids, ["7", "d[1.5,2.0]"]);
    assert_eq!(train.raw_text.as_ref().unwrap()[1], "word0 word1");
    assert_eq!(train.regression_labels.overall.as_deref(), Some(&[-2.0, 0.0, 2.0][..]));
    assert_eq!(train.lengths[&Modality::Vision], [1, 2, 3]);
    assert_eq!(firsts(train, Modality::Vision)[1], [200.0, 201.0, 0.0]);
    assert!(train.words.is_none());
    has_note(&corpus, "train/id: 1 segments that have no name");
    has_note(&corpus, "split `dev` is called `valid`");
}

#[test]
fn a_file_per_split_becomes_one_corpus() {
    let pickles = ["test", "train", "dev"].map(|name| (name, layout(&format!("misa/{name}"))));
    let sources: Vec<_> =
        pickles.iter().map(|(name, pickle)| SourceFile::new(pickle, *name)).collect();
    let corpus = ingest::read(&sources, &IngestOptions::default()).unwrap();
    let names: Vec<SplitName> = corpus.splits.iter().map(|split| split.name).collect();
    assert_eq!(names, SplitName::ALL);
    let train = &corpus.splits[0];
    assert_eq!(train.ids, ["train[0]", "train[1]", "train[2]"]);
    assert_eq!(train.lengths[&Modality::Audio], [2, 0, 3]);
    assert_eq!(train.features[&Modality::Audio].shape, [3, 3, 74]);
    assert_eq!(firsts(train, Modality::Audio)[1], [0.0; 3]);
    has_note(&corpus, "labels: the six emotions");
    let twice = [sources[0].clone(), sources[0].clone()];
    let error = ingest::read(&twice, &IngestOptions::default()).err().unwrap();
    assert!(matches!(error, IngestError::DuplicateSplit { .. }), "{error}");
}

#[test]
fn mmim_tuples_keep_their_recorded_lengths() {
    let pickle = layout("mmim-test");
    let corpus = read(&pickle, "mmim-test").unwrap();
    let split = &corpus.splits[0];
    assert_eq!((corpus.layout, split.name), (Layout::Misa.name(), SplitName::Test));
    assert_eq!(split.ids, ["video_0", "video_1", "video_2"]);
    assert!(split.words.is_none());
    assert_eq!(split.lengths[&Modality::Vision], [0, 1, 2]);
    assert_eq!(split.lengths[&Modality::Audio], [2, 3, 4]);
    assert_eq!(split.raw_text.as_ref().unwrap()[2], "so it goes");
    assert_eq!(firsts(split, Modality::Vision), [[0.0, 0.0], [200.0, 0.0], [300.0, 301.0]]);
    has_note(&corpus, "lengths were counted by the loader");
}

#[test]
fn mmsa_fet_may_pad_at_the_start() {
    let pickle = layout("fet");
    let corpus = read(&pickle, "feature").unwrap();
    assert_eq!(corpus.layout, Layout::Mmsa.name());
    let train = &corpus.splits[0];
    // The recorded lengths say which frames are real, also where the first of them is zero.
    assert_eq!(train.lengths[&Modality::Audio], [2, 3, 4]);
    assert_eq!(firsts(train, Modality::Audio)[0], [100.0, 101.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(firsts(train, Modality::Audio)[2], [0.0, 301.0, 302.0, 303.0, 0.0, 0.0]);
    assert_eq!(firsts(train, Modality::Vision)[2], [300.0, 0.0, 0.0, 0.0]);
    assert_eq!(firsts(train, Modality::Text)[1], [200.0, 201.0, 202.0, 0.0, 0.0]);
    let tokens = train.text_bert.as_ref().unwrap();
    assert_eq!(tokens.shape(), [3, 3, 5]);
    let second: Vec<i32> = tokens.iter().skip(15).take(10).copied().collect();
    assert_eq!(second, [101, 7, 102, 0, 0, 1, 1, 1, 0, 0]);
    has_note(&corpus, "text_bert: samples are padded at the front");
    has_note(&corpus, "key `config` is not a split");
    has_note(&corpus, "key `align` of the splits is not stored");
}

/// Where words are aligned with tokens, the mask tells the padding: [CLS] has no sound, and BERT
/// gives [PAD] features.
#[test]
fn aligned_modalities_move_with_the_tokens() {
    let pickle = layout("fet-aligned");
    let corpus = read(&pickle, "feature").unwrap();
    let train = &corpus.splits[0];
    assert_eq!(firsts(train, Modality::Audio)[1], [0.0, 201.0, 0.0, 0.0, 0.0]);
    assert_eq!(firsts(train, Modality::Audio)[2], [0.0, 301.0, 302.0, 0.0, 0.0]);
    assert_eq!(firsts(train, Modality::Text)[1], [200.0, 201.0, 202.0, 9.0, 9.0]);
    assert_eq!(train.lengths[&Modality::Text], [2, 3, 4]);
    // The first sample has two tokens and no word.
    assert_eq!(train.lengths[&Modality::Audio], [0, 3, 4]);
    has_note(&corpus, "text: samples were moved with those beside them");
}

#[test]
fn a_fourth_split_is_named_and_left_out() {
    let pickle = layout("simsv2");
    let corpus = read(&pickle, "simsv2").unwrap();
    assert_eq!(corpus.splits.len(), 3);
    assert_eq!(recognise(&corpus), Some(Dataset::Simsv2));
    assert!(corpus.splits[0].raw_text.is_none());
    assert_eq!(corpus.splits[0].regression_labels.by_modality[&Modality::Audio], [0.0, -0.2, -0.4]);
    assert_eq!(firsts(&corpus.splits[0], Modality::Audio)[1], [200.0, 201.0, 0.0]);
    has_note(&corpus, "split `train_mix` is not");
    assert!(!corpus.notes.iter().any(|note| note.contains("front")), "{:?}", corpus.notes);
}

#[test]
fn lists_do_in_place_of_arrays() {
    let pickle = layout("lists");
    let corpus = read(&pickle, "lists").unwrap();
    let train = &corpus.splits[0];
    assert_eq!(train.features[&Modality::Text].shape, [3, 3, 4]);
    assert_eq!(train.features[&Modality::Audio].shape, [3, 2, 5]);
    assert_eq!(frames(train, Modality::Audio)[0][1], [101.0_f32, 101.1, 101.2, 101.3, 101.4]);
    assert_eq!(firsts(train, Modality::Audio)[1], [200.0, 0.0]);
    assert_eq!(train.lengths[&Modality::Audio], [2, 1, 2]);
    assert_eq!(firsts(train, Modality::Vision)[1], [200.0, 201.0, 0.0]);
    assert_eq!(train.classification_labels.as_deref(), Some(&[0, 1, 1][..]));
    // Three steps of three parts: the masks tell the axes apart.
    let tokens: Vec<i32> =
        train.text_bert.as_ref().unwrap().iter().skip(9).take(9).copied().collect();
    assert_eq!(tokens, [101, 1001, 102, 1, 1, 1, 0, 0, 0]);
    has_note(&corpus, "text_bert: [n_samples, seq_len, 3] -> [n_samples, 3, seq_len]");
    has_note(&corpus, "text_bert: float64 -> int32");
    has_note(&corpus, "audio: Python numbers -> float32");
}

#[test]
fn known_kinds_without_a_corpus_are_refused_by_name() {
    for (name, part, advice) in [
        ("self-mm-interrupted", "interrupted run of Self-MM", "run to its end"),
        ("get-feature", "old `getFeature.py`", "MMSA-FET"),
        ("run-single", "one sample", "run_dataset"),
        ("lmf", "Low-rank Multimodal Fusion", "MMSA"),
        ("lmf-iemocap", "Low-rank Multimodal Fusion", "MMSA"),
        ("contextual", "Python 2 file of contextual", "MMSA"),
        ("contextual-unimodal", "one array per modality and split", "MMSA"),
        ("cm-bert", "CM-BERT", "MMSA"),
        ("iemocap", "IEMOCAP", "CMU-MOSI"),
        ("ur-funny", "UR-FUNNY", "CMU-MOSI"),
    ] {
        let pickle = layout(&format!("refused-{name}"));
        let error = read(&pickle, "train").err().unwrap_or_else(|| panic!("{name} was read"));
        assert!(matches!(error, IngestError::Refused { .. }), "{name}: {error}");
        assert!(error.to_string().contains(part), "{name}: {error}");
        assert!(hint(&error).contains(advice), "{name}: {error}");
        // So is a folder of them.
        let files = ["train", "test"].map(|stem| SourceFile::new(&pickle, stem));
        assert_eq!(ingest::read(&files, &IngestOptions::default()).err(), Some(error), "{name}");
    }
}

#[test]
fn an_explanation_says_what_was_tried_and_what_was_read() {
    let pickle = layout("sdk-mosi");
    let explanation =
        ingest::explain(&[SourceFile::new(&pickle, "mosi_data")], &IngestOptions::default());
    assert!(explanation.padding.iter().all(|evidence| evidence.side == Side::Front));
    let place = folder().join("layouts/sdk-mosi.pkl");
    let call = almt(&folder(), &["convert", "--explain", place.to_str().unwrap()]).ok();
    let text = call.stdout();
    for part in [
        "mmsa does not fit",
        "NOT MET  `train/regression_labels`, or features without any labels: found the keys vision",
        "sdk fits",
        "train/audio                   float64 [3, 5, 5]             -> audio",
        "train/id                      S14 [3, 3]                    -> id",
        "audio      front    12 all-zero steps lead and 0 trail in 6 samples",
        "train  3 segments",
        "CMU-MOSI, build `MMSA and MulT",
        "inferred: CMU-MOSI",
    ] {
        assert!(text.contains(part), "{part}\n{}", call.explain());
    }
    let call = almt(&folder(), &["convert", "--explain", "layouts/refused-lmf.pkl"])
        .fails_with(&["Low-rank Multimodal Fusion", "no segment ids"]);
    assert!(call.stdout().contains("known as"), "{}", call.explain());
    assert!(
        call.stdout().contains("NOT MET  `train` is a dict of columns with `id`"),
        "{}",
        call.explain()
    );
    assert!(!folder().join("layouts/sdk-mosi.h5").exists());
}

#[test]
fn a_forced_layout_says_what_the_file_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let place = self::folder().join("layouts/sdk-mosi.pkl");
    let path = place.to_str().unwrap();
    almt(folder.path(), &["convert", path, "--layout", "mmsa", "-o", "x.h5"])
        .fails_with(&["sdk-mosi.pkl: not of the layout `mmsa`", "`train/regression_labels`"]);
    almt(folder.path(), &["convert", path, "--layout", "misa", "-o", "x.h5"])
        .fails_with(&["not of the layout `misa`", "a list of samples"]);
    let call = almt(folder.path(), &["convert", path, "--layout", "nonsense"]);
    assert_eq!(call.code(), 2, "{}", call.explain());
    let call = almt(folder.path(), &["convert", path, path]);
    assert_eq!(call.code(), 2, "{}", call.explain());
    assert!(call.stderr().contains("--output"), "{}", call.explain());
    let call = almt(folder.path(), &["convert", path, path, "-o", "x.h5", "--split", "train"]);
    assert_eq!(call.code(), 2, "{}", call.explain());
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_folder_of_splits_is_converted() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("mosi");
    std::fs::create_dir(&source).unwrap();
    almt(folder.path(), &["convert", "mosi"]).fails_with(&["mosi: a folder without", "train.pkl"]);
    for name in ["train", "dev", "test"] {
        let from = self::folder().join(format!("layouts/misa/{name}.pkl"));
        std::fs::copy(from, source.join(format!("{name}.pkl"))).unwrap();
    }
    let converted = almt(folder.path(), &["convert", "mosi"]).ok().stdout();
    assert!(converted.contains("CMU-MOSI (misa layout)"), "{converted}");
    let store = Store::open(&folder.path().join("mosi.h5")).unwrap();
    let names: Vec<&str> =
        store.manifest().sources.iter().map(|source| &*source.file_name).collect();
    assert_eq!(names, ["train.pkl", "dev.pkl", "test.pkl"]);
    assert_eq!(store.ids(SplitName::Valid), ["dev[0]"]);
    // The one validation sample of the fixture is its first test sample, too.
    let validated = almt(folder.path(), &["validate"]).stdout();
    assert!(validated.contains("1 error") && validated.contains("error AD018"), "{validated}");
    let args = ["convert", "mosi/test.pkl", "mosi/train.pkl", "mosi/dev.pkl", "-o", "again.h5"];
    almt(folder.path(), &args).ok();
    let again = Store::open(&folder.path().join("again.h5")).unwrap();
    assert_eq!(again.manifest().digest, store.manifest().digest);
    std::fs::copy(source.join("dev.pkl"), source.join("valid.pkl")).unwrap();
    almt(folder.path(), &["convert", "mosi", "-o", "x.h5"])
        .fails_with(&["valid.pkl: is the same split as", "dev.pkl"]);
}

#[test]
fn labels_that_contradict_each_other_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let place = self::folder().join("layouts/lists.pkl");
    let args = ["convert", place.to_str().unwrap(), "--dataset", "mosi", "-o", "a.h5"];
    let converted = almt(folder.path(), &args).ok().stdout();
    let validated = almt(folder.path(), &["validate", "a.h5"]).stdout();
    assert!(validated.contains("1 error") && validated.contains("AD018"), "{validated}");
    for part in [
        "warning AD012: train/classification_labels: 1 class contradicts",
        "(such as vtrain$_$2: class 1 at label 1.5)",
        "warning AD013: train/annotations: 1 word contradicts",
        "(such as vtrain$_$0: Neutral at label -0.5)",
    ] {
        assert!(converted.contains(part), "{part}: {converted}");
        assert!(validated.contains(part), "{part}: {validated}");
    }
}

/// A generator of the same numbers everywhere (Steele et al., «SplitMix64»).
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

#[test]
fn mutated_layouts_never_panic() {
    const N_MUTANTS: usize = 4_000;
    let mut originals = Vec::new();
    for place in ["layouts", "layouts/misa"] {
        for name in files(&folder().join(place)).iter().filter(|name| name.ends_with(".pkl")) {
            originals.push(std::fs::read(folder().join(place).join(name)).unwrap());
        }
    }
    let mut random = SplitMix(7);
    let mut n_read = 0;
    for _ in 0..N_MUTANTS {
        let mut bytes = originals[random.below(originals.len())].clone();
        for _ in 0..=random.below(3) {
            // Structure stands at the start of a file, and elements are most of the rest.
            let reach = if random.below(2) == 0 { 400.min(bytes.len()) } else { bytes.len() };
            let place = random.below(reach);
            match random.below(3) {
                0 => bytes[place] = random.below(256) as u8,
                1 => bytes[place] ^= 1 << random.below(8),
                _ => bytes[place] = bytes[place].wrapping_add(1),
            }
        }
        let Ok(pickle) = Pickle::from_bytes(bytes, &Limits::default()) else { continue };
        for layout in Layout::ALL.into_iter().map(Some).chain([None]) {
            let options = IngestOptions { layout, ..IngestOptions::default() };
            let explanation = ingest::explain(&[SourceFile::new(&pickle, "train")], &options);
            assert!(!explanation.to_string().is_empty());
            let Ok(corpus) = explanation.outcome else { continue };
            n_read += 1;
            for split in &corpus.splits {
                for block in split.features.values() {
                    let [n_samples, seq_len, feat_dim] = block.shape;
                    let mut out = vec![0.0; seq_len * feat_dim];
                    (0..n_samples).for_each(|row| {
                        block.rows.read(row, &mut out).unwrap();
                    });
                }
            }
        }
    }
    assert!(n_read > N_MUTANTS / 4, "mutants hardly ever become a corpus: {n_read}");
}

#[test]
fn mmsa_fixture_becomes_a_corpus() {
    for name in files(&folder()).iter().filter(|name| name.starts_with("mmsa")) {
        let pickle = fixture(name);
        let corpus = read(&pickle, name).unwrap();
        assert_eq!(corpus.layout, Layout::Mmsa.name());
        let names: Vec<SplitName> = corpus.splits.iter().map(|split| split.name).collect();
        assert_eq!(names, SplitName::ALL);
        let train = &corpus.splits[0];
        assert_eq!(train.ids, ["a$_$0", "a$_$1"]);
        assert_eq!(train.features[&Modality::Vision].shape, [2, 6, 2]);
        has_note(&corpus, "vision: float16 -> float32");
        assert_eq!(train.lengths[&Modality::Audio], [1, 2]);
        assert_eq!(train.lengths[&Modality::Vision], [2, 3]);
        assert_eq!(train.regression_labels.overall.as_deref(), Some(&[1.4, -0.2][..]));
        assert_eq!(train.classification_labels.as_deref(), Some(&[2, 0][..]));
        let tokens = train.text_bert.as_ref().unwrap();
        assert_eq!(tokens.shape(), [2, 3, 4]);
        assert_eq!(
            tokens.iter().take(8).copied().collect::<Vec<_>>(),
            [101, 2003, 102, 0, 1, 1, 1, 0]
        );
        for note in [
            "audio: float64 -> float32",
            "vision: float16 -> float32",
            "text_bert: int64 -> int32",
            "vision_lengths: int64 -> int32",
            "regression_labels: float64 -> float32",
            "classification_labels: float64 -> int32",
            "key `mystery` of the splits is not stored",
            "key `config` is not a split and is not stored",
        ] {
            assert!(corpus.notes.iter().any(|found| found == note), "{note}: {:?}", corpus.notes);
        }
        assert_eq!(corpus.notes.len(), 8, "{:?}", corpus.notes);
    }
}

#[test]
fn misa_fixture_becomes_a_corpus() {
    let pickle = fixture("misa-numpy2.pkl");
    let unnamed = read(&pickle, "misa").err().unwrap();
    assert!(hint(&unnamed).contains("--split"), "{unnamed}");
    let corpus = read(&pickle, "mosi_dev").unwrap();
    let split = &corpus.splits[0];
    assert_eq!((corpus.layout, split.name), (Layout::Misa.name(), SplitName::Valid));
    assert_eq!(split.ids, ["video[0]", "video[1]", "video[2]"]);
    assert_eq!(split.raw_text.as_deref(), Some(&["w0 w1", "", "w0"].map(String::from)[..]));
    assert_eq!(split.lengths[&Modality::Audio], [2, 0, 1]);
    assert_eq!(split.regression_labels.overall.as_deref(), Some(&[-1.0, 0.0, 1.0][..]));
    let words = split.words.as_ref().unwrap();
    assert_eq!(words.iter().copied().collect::<Vec<_>>(), [7, 8, 0, 0, 7, 0]);
    let vision = &split.features[&Modality::Vision];
    assert_eq!(vision.shape, [3, 2, 3]);
    let mut row = [9.0; 6];
    vision.rows.read(2, &mut row).unwrap();
    assert_eq!(row, [2.5, 2.5, 2.5, 0.0, 0.0, 0.0]);
    vision.rows.read(1, &mut row).unwrap();
    assert_eq!(row, [0.0; 6]);
}

#[test]
fn an_unknown_layout_says_what_was_tried() {
    let pickle = fixture("plain-protocol4.pkl");
    let error = read(&pickle, "plain").err().unwrap().to_string();
    assert!(
        error.contains(
            "mmsa, sdk: expected a key `train`, `valid` or `test`, or a dict of columns with `id`"
        ),
        "{error}"
    );
    assert!(
        error.contains("misa, mag-bert: expected a key `train`, `valid` or `test`, or a list of"),
        "{error}"
    );
}

#[test]
fn real_mmsa_file() {
    let Some(path) = real_data("mosi_text_minilm.pkl") else { return };
    let pickle = open(&path);
    let corpus = read(&pickle, "mosi").unwrap();
    let sizes: Vec<usize> = corpus.splits.iter().map(|split| split.ids.len()).collect();
    assert_eq!(sizes, [1281, 229, 685]);
    assert_eq!(corpus.splits[0].features[&Modality::Text].shape, [1281, 39, 384]);
    assert!(corpus.notes.contains(&"text: float16 -> float32".into()), "{:?}", corpus.notes);
}

#[test]
fn real_misa_file() {
    let Some(path) = real_data("mosi_valid_misa.pkl") else { return };
    let pickle = open(&path);
    let corpus = read(&pickle, "mosi_valid_misa").unwrap();
    let split = &corpus.splits[0];
    assert_eq!((split.name, split.ids.len()), (SplitName::Valid, 229));
    assert_eq!(split.features[&Modality::Vision].shape, [229, 44, 47]);
    assert_eq!(split.features[&Modality::Audio].shape, [229, 44, 74]);
    assert_eq!(split.ids[0], "WKA5OygbEKI[0]");
    assert_eq!(split.lengths[&Modality::Vision].iter().min(), Some(&2));
}
