//! The trainer as a library: what a program of one's own calls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use almt_data::advice::{Advise, TrainerAdvice};
use almt_data::corpus::column::ColumnKind;
use almt_data::corpus::{
    Corpus, CorpusSplit, Dataset, FeatureBlock, Layout, Modality, RegressionLabels, RowError, Rows,
    SplitName,
};
use almt_data::model::contract::Needs;
use almt_data::overflow::Overflows;
use almt_data::run::record::EpochRecord;
use almt_data::store::{
    Compression, FeatureDtype, Format, NonFinite, OnOverflow, OutputOptions, SourceInfo, Store,
    WriteOptions, write,
};
use almt_data::train::TrainError;
use almt_data::train::data::Cache;
use almt_data::train::progress::Progress;
use almt_data::trainer::evaluation::{EvaluationOptions, evaluate};
use almt_data::trainer::samples::{Labels, Samples, Wanted};
use almt_data::trainer::{self, Note, StoreProblem, TrainOptions, TrainerError};
use tch::{Device, Kind, Tensor};

use crate::support::{almt, synthetic_store};

/// Hears nothing.
struct Silent;

impl Progress for Silent {
    fn step(&mut self, _: usize, _: usize, _: &dyn Fn() -> (f64, f64)) {}

    fn epoch(&mut self, _: &EpochRecord) {}

    fn piecewise(&mut self, _: &TrainError) {}
}

fn short() -> TrainOptions {
    TrainOptions { epochs: Some(2), n_threads: Some(1), ..TrainOptions::default() }
}

/// Trains in this process, and returns what was noted.
fn train(
    store: &Path,
    options: &TrainOptions,
    out: &Path,
) -> (Vec<Note>, Result<String, TrainerError>) {
    let (mut notes, store) = (Vec::new(), Store::open(store).unwrap());
    let mut note = |said| notes.push(said);
    let done = trainer::train(store, Device::Cpu, options, out, &mut Silent, &mut note);
    (notes, done.map(|result| result.last_weights_blake3))
}

#[test]
fn a_call_trains_what_the_command_trains() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let store = synthetic_store(folder, "mosi", "24");
    let (notes, found) = train(&store, &short(), &folder.join("called"));
    assert_eq!(notes, []);
    let args = ["train", "--store", "mosi.h5", "--epochs", "2", "--threads", "1", "--out", "run"];
    almt(folder, &[&args[..], &["--device", "cpu"]].concat()).ok();
    let text = std::fs::read_to_string(folder.join("run/result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(result["last_weights_blake3"], found.unwrap());
    // And evaluates what it evaluates.
    let (best, split) = (folder.join("called/best.safetensors"), SplitName::Test);
    let options = EvaluationOptions { n_threads: Some(1), ..EvaluationOptions::default() };
    let store = Store::open(&store).unwrap();
    let found = evaluate(store, &best, split, Device::Cpu, &options, &mut |_| {}).unwrap();
    let args = ["eval", "--store", "mosi.h5", "--checkpoint", "run", "--threads", "1", "--json"];
    let shown = almt(folder, &[&args[..], &["--device", "cpu"]].concat()).ok().stdout();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(serde_json::to_value(&found).unwrap()["metrics"], shown["metrics"]);
}

/// Whether a store does not suit a run in some respect.
fn is_unfit(error: &TrainerError, respect: impl Fn(&StoreProblem) -> bool) -> bool {
    match error {
        TrainerError::Unfit { cause, .. } => respect(cause),
        _ => false,
    }
}

#[test]
fn what_does_not_suit_is_an_error_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let store = synthetic_store(folder, "mosi", "24");
    let fails = |options: TrainOptions| train(&store, &options, &folder.join("run")).1.unwrap_err();
    let without_text = fails(TrainOptions { modalities: vec![Modality::Audio], ..short() });
    assert!(
        is_unfit(&without_text, |cause| matches!(cause, StoreProblem::TextLeftOut { .. })),
        "{without_text:?}"
    );
    assert_eq!(without_text.advice().len(), 1);
    let unknown = fails(TrainOptions { model: Some("bert".into()), ..short() });
    assert!(matches!(unknown, TrainerError::Setting(_)), "{unknown:?}");
    let lacking = TrainOptions {
        model: Some("tfn".into()),
        modalities: vec![Modality::Text, Modality::Audio],
        ..short()
    };
    let lacking = fails(lacking);
    let needs_vision = |cause: &StoreProblem| match cause {
        StoreProblem::Needed { modality, is_there, .. } => {
            *modality == Modality::Vision && *is_there
        }
        _ => false,
    };
    assert!(is_unfit(&lacking, needs_vision), "{lacking:?}");
    // Of stores without audio and vision, and with splits of different extractions.
    let train_odd = |widths: [usize; 3], name: &str| {
        let store = text_store(folder, name, widths);
        let options = TrainOptions { model: Some("tfn".into()), ..short() };
        let of_tfn = train(&store, &options, &folder.join("run")).1.unwrap_err();
        let options = TrainOptions { modalities: vec![Modality::Text], force: true, ..short() };
        (of_tfn, train(&store, &options, &folder.join(name).with_extension("run")).1)
    };
    let (of_tfn, of_almt) = train_odd([3, 3, 3], "text.h5");
    assert_eq!(of_tfn.advice(), [TrainerAdvice::OtherModels.into()]);
    assert!(of_almt.is_ok(), "{of_almt:?}");
    let (_, of_almt) = train_odd([3, 3, 4], "widths.h5");
    let other_widths = of_almt.unwrap_err();
    let is_other = |cause: &StoreProblem| matches!(cause, StoreProblem::OtherThanSplit { .. });
    assert!(is_unfit(&other_widths, is_other), "{other_widths:?}");
    assert_eq!(other_widths.advice(), [TrainerAdvice::ConvertTogether.into()]);
    assert!(!folder.join("run").exists());
}

/// A store of texts alone, whose splits have features of some widths.
fn text_store(folder: &Path, name: &str, widths: [usize; 3]) -> PathBuf {
    const N_SAMPLES: usize = 8;
    let split = |(split, feat_dim): (SplitName, usize)| CorpusSplit {
        name: split,
        ids: (0..N_SAMPLES).map(|idx| format!("{split}{idx}$_${idx}")).collect(),
        raw_text: None,
        annotations: None,
        features: [(
            Modality::Text,
            FeatureBlock { shape: [N_SAMPLES, 4, feat_dim], rows: Arc::new(Ramp) },
        )]
        .into(),
        text_bert: None,
        words: None,
        lengths: BTreeMap::new(),
        regression_labels: RegressionLabels {
            overall: Some((0..N_SAMPLES).map(|idx| idx as f32 / 4.0 - 1.0).collect()),
            by_modality: BTreeMap::new(),
        },
        classification_labels: None,
        emotion_labels: None,
        narrowed_labels: Vec::new(),
    };
    let corpus = Corpus {
        layout: Layout::Mmsa,
        splits: SplitName::ALL.into_iter().zip(widths).map(split).collect(),
        notes: vec![],
    };
    let options = WriteOptions {
        dataset: Dataset::Mosi,
        on_nonfinite: NonFinite::Error,
        on_overflow: OnOverflow::Error,
        dtype: FeatureDtype::Float32,
        output: OutputOptions {
            format: Format::Hdf5,
            compression: Compression::None,
            overwrite: false,
            sync: false,
        },
    };
    let source = SourceInfo { file_name: "texts.pkl".into(), bytes: b"texts", entry: None };
    let path = folder.join(name);
    write(&corpus, &[source], &path, &options, &|_| {}).unwrap();
    path
}

/// Features that differ from each other.
struct Ramp;

impl Rows for Ramp {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError> {
        for (idx, value) in out.iter_mut().enumerate() {
            *value = (sample_idx * 7 + idx * 3) as f32 % 5.0 + 0.5;
        }
        Ok(Overflows::default())
    }
}

/// Steps of each sample up to the last that is not all zeros, `[n_samples]`.
fn counted(features: &Tensor) -> Vec<i64> {
    let (n_samples, n_steps, _) = features.size3().unwrap();
    let is_there = features.abs().amax([2], false).gt(0.0);
    let place = Tensor::arange_start(1, n_steps + 1, (Kind::Int64, Device::Cpu));
    let last = (is_there.to_kind(Kind::Int64) * place).amax([1], false).clamp_min(1);
    assert_eq!(last.size(), [n_samples]);
    Vec::try_from(last).unwrap()
}

#[test]
fn batches_have_the_lengths_and_the_labels_of_each_modality() {
    let folder = tempfile::tempdir().unwrap();
    let path = synthetic_store(folder.path(), "sims", "20");
    let needs = Needs { lengths: true, unimodal_labels: true, ..Needs::ALL };
    for cache in [Cache::Device, Cache::Disk { n_threads: 2 }] {
        let store = Store::open(&path).unwrap();
        let mut samples = Samples::of(store);
        let wanted = Wanted {
            modalities: &Modality::ALL,
            needs,
            reader: None,
            labels: Labels::Needed,
            cache,
            device: Device::Cpu,
        };
        let split = samples.load(SplitName::Train, wanted).unwrap().split;
        let order = [7, 3, 11];
        let mut n_batches = 0;
        split
            .each_batch(&order, 3, |batch| {
                n_batches += 1;
                for modality in Modality::ALL {
                    let store = samples.store();
                    let features = batch.features(modality).unwrap();
                    let found = Vec::<i64>::try_from(&batch.lengths[&modality]).unwrap();
                    let id = ColumnKind::Lengths(modality).of(SplitName::Train);
                    let stored = store.numbers::<i32>(&id).unwrap();
                    let expected = match &stored {
                        Some(stored) => order.map(|idx| stored[idx].into()).to_vec(),
                        None => counted(features),
                    };
                    assert_eq!(found, expected, "{modality}");
                    let id = ColumnKind::RegressionLabelsOf(modality).of(SplitName::Train);
                    let labels = store.numbers::<f32>(&id).unwrap().unwrap();
                    let found = batch.unimodal_labels[&modality].view([-1]);
                    let found = Vec::<f32>::try_from(found).unwrap();
                    assert_eq!(found, order.map(|idx| labels[idx]), "{modality}");
                }
                // The store says it of two of them.
                assert!(counted(batch.features(Modality::Text)?).iter().all(|steps| *steps >= 1));
                Ok(())
            })
            .unwrap();
        assert_eq!(n_batches, 1);
    }
    // Without a need, nothing of it is read.
    let mut samples = Samples::of(Store::open(&path).unwrap());
    let wanted = Wanted {
        modalities: &Modality::ALL,
        needs: Needs::ALL,
        reader: None,
        labels: Labels::Needed,
        cache: Cache::Device,
        device: Device::Cpu,
    };
    let split = samples.load(SplitName::Train, wanted).unwrap().split;
    split
        .each_batch(&[0], 1, |batch| {
            assert!(batch.lengths.is_empty() && batch.unimodal_labels.is_empty());
            Ok(())
        })
        .unwrap();
}
