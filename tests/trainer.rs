//! The trainer as a library, as called by other programs.

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
use almt_data::reproduce::{Experiment, ExperimentChoice, RowOutcome};
use almt_data::run::record::EpochRecord;
use almt_data::store::{
    Compression, FeatureDtype, Format, NonFinite, OnOverflow, OutputOptions, SourceInfo, Store,
    WriteOptions, write,
};
use almt_data::train::TrainError;
use almt_data::train::corrupt::Corruptions;
use almt_data::train::data::Cache;
use almt_data::train::progress::TrainProgress;
use almt_data::trainer::evaluation::{EvaluationOptions, evaluate};
use almt_data::trainer::experiments::{
    ExperimentResult, Findings, LeftOutReason, Reproduction, RowWork, RunLeft,
};
use almt_data::trainer::samples::{Labels, Samples, Wanted};
use almt_data::trainer::{
    self, Device, Note, ReproduceOptions, ReproduceProgress, Start, StoreProblem, TrainOptions,
    TrainerError,
};
use tch::{Kind, Tensor};

use crate::support::{almt, files, synthetic_store};

/// Hears nothing.
struct Silent;

impl TrainProgress for Silent {
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
    let done = trainer::train(store, Device::Cpu, options, out, Start::New, &mut Silent, &mut note);
    (notes, done.map(|result| result.last_weights_blake3))
}

#[test]
fn a_call_trains_what_the_command_trains() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let store = synthetic_store(folder, "mosi", "24");
    let (notes, found) = train(&store, &short(), &folder.join("called"));
    assert_eq!(notes, [Note::IdleEpoch { n_epochs: 2 }]);
    let args = ["train", "--store", "mosi.h5", "--epochs", "2", "--threads", "1", "--out", "run"];
    almt(folder, &[&args[..], &["--device", "cpu"]].concat()).ok();
    let text = std::fs::read_to_string(folder.join("run/result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(result["last_weights_blake3"], found.unwrap());
    // A folder in use is kept, unless another run is to take its place.
    let (called, kept) = (folder.join("called"), files(&folder.join("called")));
    assert!(train(&store, &short(), &called).1.is_err());
    assert_eq!(files(&called), kept);
    let (opened, other) = (Store::open(&store).unwrap(), TrainOptions { seed: Some(2), ..short() });
    let (start, mut hears) = (Start::Overwrite, |_| {});
    let anew = trainer::train(opened, Device::Cpu, &other, &called, start, &mut Silent, &mut hears);
    assert_eq!(anew.unwrap().seed, 2);
    std::fs::remove_dir_all(&called).unwrap();
    train(&store, &short(), &called).1.unwrap();
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
        intervals: None,
        narrowed_labels: Vec::new(),
    };
    let corpus = Corpus {
        layout: Layout::Mmsa.name(),
        splits: SplitName::ALL.into_iter().zip(widths).map(split).collect(),
        notes: vec![],
        feature_names: BTreeMap::new(),
        build: None,
    };
    let options = WriteOptions {
        dataset: Dataset::Mosi,
        label_scale: None,
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
            label_map: None,
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
        label_map: None,
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

#[test]
fn steps_are_counted_before_they_are_corrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = synthetic_store(folder.path(), "mosi", "12");
    let lengths = |corruptions: &[&str]| {
        let mut samples = Samples::of(Store::open(&path).unwrap());
        let list = corruptions.iter().map(|text| text.parse().unwrap()).collect();
        samples.corrupt(Corruptions { list, seed: 1 });
        let wanted = Wanted {
            modalities: &Modality::ALL,
            needs: Needs { lengths: true, ..Needs::ALL },
            reader: None,
            labels: Labels::Needed,
            label_map: None,
            cache: Cache::Device,
            device: Device::Cpu,
        };
        let split = samples.load(SplitName::Test, wanted).unwrap().split;
        let mut found = BTreeMap::new();
        let order: Vec<usize> = (0..split.n_samples()).collect();
        split
            .each_batch(&order, order.len(), |batch| {
                for (modality, lengths) in &batch.lengths {
                    found.insert(*modality, Vec::<i64>::try_from(lengths).unwrap());
                }
                let is_zero = |modality| counted(batch.features(modality).unwrap()) == [1; 6];
                assert_eq!(is_zero(Modality::Text), !corruptions.is_empty());
                Ok(())
            })
            .unwrap();
        found
    };
    let whole = lengths(&[]);
    assert!(whole[&Modality::Text].iter().all(|steps| *steps > 1), "{whole:?}");
    assert_eq!(lengths(&["text:missing=1", "audio:drop=0.9", "vision:missing=1"]), whole);
}

/// Hears which runs are begun and which experiments are done.
#[derive(Default)]
struct Heard {
    runs: Vec<PathBuf>,
    done: Vec<String>,
}

impl TrainProgress for Heard {
    fn step(&mut self, _: usize, _: usize, _: &dyn Fn() -> (f64, f64)) {}

    fn epoch(&mut self, _: &EpochRecord) {}

    fn piecewise(&mut self, _: &TrainError) {}
}

impl ReproduceProgress for Heard {
    fn run(&mut self, folder: &Path) {
        self.runs.push(folder.into());
    }

    fn done(&mut self, result: &ExperimentResult) {
        self.done.push(result.name.clone());
    }
}

/// One run of an epoch for each model.
fn once() -> ReproduceOptions {
    ReproduceOptions {
        seeds: vec![1],
        epochs: Some(1),
        n_threads: Some(1),
        ..ReproduceOptions::default()
    }
}

#[test]
fn a_call_does_the_experiments_that_the_command_does() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = synthetic_store(folder, "mosi", "8");
    let (called, commanded) = (folder.join("called"), folder.join("commanded"));
    let mut heard = Heard::default();
    let mut written = Vec::new();
    for name in ["table5", "fig4"] {
        let (store, choice) = (Store::open(&path).unwrap(), name.parse().unwrap());
        let results =
            trainer::reproduce(store, Device::Cpu, choice, &once(), &called, &mut heard).unwrap();
        let [result] = &*results else { panic!("{results:?}") };
        match &result.findings {
            Findings::Metrics(table) => {
                assert_eq!(table.rows.len(), 2);
                let metrics = table.rows.iter().map(|row| row.outcome.metrics().len());
                assert!(metrics.eq([9, 9]), "{table:?}");
            }
            Findings::Attention(figure) => assert_eq!(figure.records.len(), 1),
            other => panic!("{other:?}"),
        }
        assert!(result.page.starts_with(&format!("# {}", result.title)), "{}", result.page);
        written.extend(result.files.clone());
        let args = ["reproduce", name, "--store", "mosi.h5", "--out", "commanded"];
        let more = ["--epochs", "1", "--seeds", "1", "--threads", "1", "--device", "cpu"];
        let shown = almt(folder, &[&args[..], &more].concat()).ok().stdout();
        assert!(shown.starts_with(&result.page), "{shown}");
    }
    // What both need is trained once.
    let run = |model: &str| called.join("runs").join(model).join("seed-1");
    assert_eq!(heard.runs, [run("fusion_query-hyper"), run("almt")]);
    assert_eq!(heard.done, ["table5", "fig4"]);
    let mut names: Vec<&str> =
        written.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    names.push("runs");
    names.sort_unstable();
    assert_eq!(files(&called), names);
    names.retain(|name| *name != "runs");
    assert_eq!(files(&commanded), files(&called));
    let weights = ["almt", "fusion_query-hyper"]
        .map(|model| Path::new("runs").join(model).join("seed-1/best.safetensors"));
    for file in names.iter().map(PathBuf::from).chain(weights) {
        let [one, other] = [&called, &commanded].map(|out| std::fs::read(out.join(&file)).unwrap());
        assert!(one == other, "{} differs", file.display());
    }
}

#[test]
fn experiments_are_planned_and_estimated_as_data() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = synthetic_store(folder, "mosi", "8");
    let out = folder.join("out");
    let open = |options: &ReproduceOptions| {
        let (store, device) = (Store::open(&path).unwrap(), Device::Cpu);
        Reproduction::new(store, device, options, &out, &mut |_| {}).unwrap()
    };
    let choice = |name: &str| name.parse::<ExperimentChoice>().unwrap();
    let choose = |of: &Reproduction, name: &str| -> Vec<&'static Experiment> {
        of.choose(choice(name), &mut |_| {}).unwrap()
    };
    let mut all = open(&once());
    let table = choose(&all, "table5");
    let estimate = all.estimate(&table, &mut |_| {}).unwrap();
    assert!(estimate.n_left() == 2 && estimate.seconds() > 0.0, "{estimate:?}");
    // A run that another process could do, and then the rest.
    let left = all.runs_left(&table).unwrap();
    let names: Vec<(&str, u64)> = left.iter().map(|run| (&*run.model, run.seed)).collect();
    assert_eq!(names, [("almt", 1), ("fusion_query-hyper", 1)]);
    assert!(!out.exists());
    let RunLeft { folder: run, model, seed } = &left[0];
    all.train(model, *seed, &["by hand".into()], &mut (), &mut |_| {}).unwrap();
    assert_eq!(almt_data::run::folder::read_config(run).unwrap().command, ["by hand"]);
    assert_eq!(all.runs_left(&table).unwrap(), left[1..]);
    let estimate = all.estimate(&table, &mut |_| {}).unwrap();
    let done = &estimate.experiments[0].rows[1].work;
    assert_eq!(*done, RowWork::Runs { n_left: 0, n_runs: 1, seconds: 0.0 });
    let unknown = all.train("transformer", 1, &[], &mut (), &mut |_| {}).unwrap_err();
    assert!(matches!(unknown, TrainerError::Setting(_)), "{unknown:?}");
    // What is about other data, and a folder of other runs.
    let other = all.choose(choice("table2"), &mut |_| {}).unwrap_err();
    let is_other = |cause: &StoreProblem| matches!(cause, StoreProblem::OtherExperiment { .. });
    assert!(is_unfit(&other, is_other), "{other:?}");
    let longer = open(&ReproduceOptions { epochs: Some(2), ..once() });
    let other = longer.runs_left(&table).unwrap_err();
    assert_eq!(other.advice(), [TrainerAdvice::OtherFolder.into()]);

    // A store of texts alone: what it cannot have is left out, with the reason.
    let texts = text_store(folder, "text.h5", [3, 3, 3]);
    let (options, out) = (ReproduceOptions { force: true, ..once() }, folder.join("of-text"));
    let open = || Store::open(&texts).unwrap();
    let mut all = Reproduction::new(open(), Device::Cpu, &options, &out, &mut |_| {}).unwrap();
    let table = choose(&all, "table3");
    let estimate = all.estimate(&table, &mut |_| {}).unwrap();
    let works = estimate.experiments[0].rows.iter().map(|row| &row.work);
    let is_absent =
        |work: &&RowWork| matches!(work, RowWork::LeftOut(LeftOutReason::NoModality(_)));
    assert_eq!((works.filter(is_absent).count(), estimate.n_left()), (5, 1));
    let choice = choice("table3");
    let found = trainer::reproduce(open(), Device::Cpu, choice, &options, &out, &mut ());
    let Findings::Metrics(table) = &found.unwrap()[0].findings else { panic!() };
    let reasons: Vec<&str> = table
        .rows
        .iter()
        .filter_map(|row| match &row.outcome {
            RowOutcome::LeftOut(reason) => Some(&**reason),
            RowOutcome::Measured(_) => None,
        })
        .collect();
    assert_eq!(reasons[..2], ["the store has no audio", "the store has no vision"]);
}
