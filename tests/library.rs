//! The library's public API, without the command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use almt_data::advice::{Advice, Advise, KnownAdvice, PickleAdvice, SourceAdvice, StoreAdvice};
use almt_data::chain::chain;
use almt_data::convert::{
    ConvertError, ConvertOptions, FolderError, convert, default_output, explain,
};
use almt_data::corpus::column::ColumnKind;
use almt_data::corpus::labels::LabelTableError;
use almt_data::corpus::plan::PlanError;
use almt_data::corpus::{Dataset, Layout, Modality, SplitName};
use almt_data::export::{ExportForm, SaveError, TableForm, export, save_balance};
use almt_data::ingest::{self, IngestError};
use almt_data::inspect::{InspectError, inspect};
use almt_data::packed::{OpenError, OpenOptions, scan};
use almt_data::pickle::PickleError;
use almt_data::progress::{Progress, Stage};
use almt_data::split::{DrawMethod, SplitError, SplitOptions, split};
use almt_data::store::{Compression, Format, OutputOptions, Store, StoreError, copy_file};
use almt_data::synth::{SynthError, SynthOptions, Synthesized, synth};
use almt_data::validate::{ValidateError, ValidateOptions, Validated, stores_in, validate};

/// A pickle with 8, 2 and 4 segments, in a folder.
fn pickle_in(folder: &Path) -> PathBuf {
    let path = folder.join("mosi.pkl");
    let written = synth(&path, &SynthOptions { n_train: 8, ..SynthOptions::default() }).unwrap();
    assert_eq!(written.n_segments, [8, 2, 4]);
    path
}

/// The store of that pickle.
fn store_in(folder: &Path) -> PathBuf {
    let (pickle, store) = (pickle_in(folder), folder.join("mosi.h5"));
    convert(&[pickle], &store, &ConvertOptions::default(), &()).unwrap();
    store
}

fn validated(store: &Path, options: &ValidateOptions) -> Validated {
    validate(vec![store.into()], options, &()).unwrap().next().unwrap()
}

/// What a call told of itself.
#[derive(Default)]
struct Told(Mutex<Vec<(Stage, u64, u64)>>, Mutex<Vec<PathBuf>>);

impl Progress for Told {
    fn begin(&self, stage: Stage, total: u64) {
        self.0.lock().unwrap().push((stage, total, 0));
    }

    fn advance(&self, n_bytes: u64) {
        self.0.lock().unwrap().last_mut().unwrap().2 += n_bytes;
    }

    fn skip(&self, pickle: &Path) {
        self.1.lock().unwrap().push(pickle.into());
    }
}

#[test]
fn a_pickle_becomes_a_store_that_is_valid_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let pickle = pickle_in(folder.path());
    let path = default_output(&pickle, Format::Hdf5);
    let told = Told::default();
    let options = ConvertOptions::default();
    let converted = convert(std::slice::from_ref(&pickle), &path, &options, &told).unwrap();
    assert_eq!((converted.dataset, converted.layout), (Dataset::Mosi, Layout::Mmsa.name()));
    let n_segments: Vec<usize> = converted.splits.iter().map(|split| split.n_segments).collect();
    assert_eq!(n_segments, [8, 2, 4]);
    assert_eq!(converted.splits[0].shapes[&Modality::Vision], [50, 20]);
    assert_eq!(converted.n_bytes, fs::metadata(&path).unwrap().len());
    let stages = told.0.lock().unwrap().clone();
    let n_values = 14 * 50 * (768 + 5 + 20);
    assert_eq!(stages, [(Stage::Converting, 4 * n_values, 4 * n_values)]);

    let Validated { report, error } = validated(&path, &ValidateOptions::default());
    assert!(error.is_none() && report.valid, "{error:?}: {:?}", report.findings);
    assert_eq!(report.digest.as_ref(), Some(&converted.manifest.digest));
    assert_eq!(stores_in(folder.path()).unwrap(), std::slice::from_ref(&path));

    let store = Store::open(&path).unwrap();
    let audio = store.features(SplitName::Train, Modality::Audio).unwrap().unwrap();
    assert_eq!(audio.shape(), [8, 50, 5]);
    let tokens = store.numbers::<i32>(&ColumnKind::TextBert.of(SplitName::Test)).unwrap();
    assert_eq!(tokens.unwrap().shape(), [4, 3, 50]);
    assert_eq!(store.summary(&()).unwrap().blocks.len(), 9);
    let balance = store.balance().unwrap();
    let n_binary: u64 = balance.classes.iter().take(2).map(|class| class.count).sum();
    assert_eq!(n_binary, 8);

    let explained = explain(&[pickle], None, &options, &()).unwrap();
    assert_eq!(explained.dataset, Some(Dataset::Mosi));
    assert!(explained.explanation.outcome.is_ok() && !explained.candidates.is_empty());
}

#[test]
fn the_same_options_make_the_same_pickle_and_seeds_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, seed| {
        let path = folder.path().join(name);
        let options = SynthOptions { n_train: 4, seed, ..SynthOptions::default() };
        let Synthesized { n_bytes, .. } = synth(&path, &options).unwrap();
        let bytes = fs::read(path).unwrap();
        assert_eq!(bytes.len() as u64, n_bytes);
        bytes
    };
    let first = write("a.pkl", 1);
    assert!(first == write("b.pkl", 1) && first != write("c.pkl", 2));
}

#[test]
fn a_folder_of_splits_is_one_source_and_the_rest_of_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("mosi");
    fs::create_dir(&source).unwrap();
    let output = default_output(&source, Format::Arrow);
    assert_eq!(output, folder.path().join("mosi.arrow"));
    let call = |options: &ConvertOptions, progress: &dyn Progress| {
        convert(std::slice::from_ref(&source), &output, options, progress)
    };
    let error = call(&ConvertOptions::default(), &()).unwrap_err();
    assert!(matches!(error, ConvertError::Folder(FolderError::NoSplits { n_pickles: 0, .. })));
    assert_eq!(error.advice(), [Advice::from(SourceAdvice::NamePickles)]);
    for name in ["train.pkl", "dev.pkl", "old_train.pkl"] {
        fs::write(source.join(name), b"\x80\x04}.").unwrap();
    }
    let told = Told::default();
    let error = call(&ConvertOptions::default(), &told).unwrap_err();
    assert!(matches!(error, ConvertError::UnknownDataset { ref path } if *path == source));
    assert_eq!(error.advice(), [Advice::from(SourceAdvice::SayDataset)]);
    assert_eq!(*told.1.lock().unwrap(), [source.join("old_train.pkl")]);
    let of_one =
        ingest::IngestOptions { split: Some(SplitName::Test), ..ingest::IngestOptions::default() };
    let error = call(&ConvertOptions { source: of_one, ..Default::default() }, &()).unwrap_err();
    assert!(matches!(error, ConvertError::SplitOfSeveral { n_files: 2, .. }));
    fs::write(source.join("train.p"), b"").unwrap();
    let error = call(&ConvertOptions::default(), &()).unwrap_err();
    assert!(matches!(error, ConvertError::Folder(FolderError::Twice { .. })));
    assert_eq!(error.advice(), [Advice::from(SourceAdvice::NameOneByOne)]);
    assert!(!output.exists());
}

#[test]
fn what_cannot_be_converted_is_a_typed_error_that_advises() {
    let folder = tempfile::tempdir().unwrap();
    let (pickle, output) = (pickle_in(folder.path()), folder.path().join("out.h5"));
    let call = |sources: &[PathBuf], output: &Path, options: &ConvertOptions| {
        let error = convert(sources, output, options, &()).unwrap_err();
        assert!(!chain(&error).contains("--"), "{error}");
        let advice = error.advice();
        (error, advice)
    };
    let default = ConvertOptions::default();
    let one = std::slice::from_ref(&pickle);

    assert!(matches!(call(&[], &output, &default).0, ConvertError::NoSource));
    let absent = [folder.path().join("absent.pkl")];
    let (error, _) = call(&absent, &output, &default);
    assert!(matches!(error, ConvertError::Open(OpenError::Container { .. })));
    assert!(chain(&error).ends_with("absent.pkl: no such file or folder"));

    let evil = folder.path().join("evil.pkl");
    fs::write(&evil, b"cos\nsystem\n(S'true'\ntR.").unwrap();
    let (error, advice) = call(std::slice::from_ref(&evil), &output, &default);
    let is_refused = |error: &OpenError| {
        let OpenError::Pickle { cause, .. } = error else { return false };
        matches!(**cause, PickleError::ForbiddenGlobal { .. })
    };
    assert!(matches!(&error, ConvertError::Open(error) if is_refused(error)), "{error:?}");
    assert_eq!(advice, [Advice::from(PickleAdvice::NeverLoad)]);
    assert!(!scan(&evil, &OpenOptions::default(), &()).unwrap().scan.allowed);

    let (error, advice) = call(one, &pickle, &default);
    assert!(matches!(error, ConvertError::OutputIsInput { .. }));
    assert_eq!(advice, [Advice::from(StoreAdvice::OtherOutput)]);

    let sdk =
        ingest::IngestOptions { layout: Some(Layout::Sdk), ..ingest::IngestOptions::default() };
    let (error, advice) = call(one, &output, &ConvertOptions { source: sdk, ..Default::default() });
    let ConvertError::Ingest { cause: IngestError::WrongLayout { layout, .. }, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!((layout, advice), (Layout::Sdk, vec![SourceAdvice::GuessLayout.into()]));

    let gzip = ConvertOptions { compression: Compression::Zstd, ..Default::default() };
    let (error, _) = call(one, &output, &gzip);
    assert!(matches!(error, ConvertError::Store(StoreError::Compression { .. })));
    assert!(!output.exists());

    convert(one, &output, &default, &()).unwrap();
    let (error, advice) = call(one, &output, &default);
    assert!(matches!(error, ConvertError::Store(StoreError::Exists { .. })));
    assert_eq!(advice, [Advice::from(StoreAdvice::Overwrite)]);
    let (error, advice) =
        call(std::slice::from_ref(&output), &folder.path().join("b.h5"), &default);
    assert!(matches!(error, ConvertError::Open(OpenError::Store { .. })));
    assert!(matches!(advice[..], [Advice::Known(KnownAdvice::UseStore { .. })]));
}

#[test]
fn a_store_is_compared_with_a_table_or_the_report_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let labels = folder.path().join("label.csv");
    let options = ValidateOptions { labels: Some(labels.clone()), ..ValidateOptions::default() };
    let error = validate(vec![store.clone()], &options, &()).err().unwrap();
    assert!(matches!(error, LabelTableError::Io { .. }));

    let id = Store::open(&store).unwrap().ids(SplitName::Train)[0].clone();
    fs::write(&labels, format!("id,label\n{id},3.5\n")).unwrap();
    let Validated { report, error } = validated(&store, &options);
    assert!(error.is_none() && !report.valid);
    assert_eq!(report.compared.unwrap().n_labels, 1);

    fs::write(&labels, "id,label\nnobody,1\n").unwrap();
    let Validated { report, error } = validated(&store, &options);
    let Some(error @ ValidateError::NothingCompared { .. }) = error else { panic!("{error:?}") };
    assert!(!report.valid && report.failure == Some(error.to_string()));
    assert!(matches!(error.advice()[..], [Advice::Table(_)]));

    let Validated { report, error } = validated(&labels, &ValidateOptions::default());
    assert!(matches!(error, Some(ValidateError::Store(_))) && !report.valid);
    let quick = ValidateOptions { quick: true, ..ValidateOptions::default() };
    assert_eq!(validated(&store, &quick).report.n_bytes_checked, 0);
}

#[test]
fn what_is_made_of_a_store_is_whole_or_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let at = |name: &str| folder.path().join(name);

    let arrow = OutputOptions { format: Format::Arrow, ..OutputOptions::default() };
    let copied = copy_file(&store, &at("mosi.arrow"), &arrow, &()).unwrap();
    assert_eq!(copied.manifest.digest, Store::open(&store).unwrap().manifest().digest);
    let error = copy_file(&store, &store, &arrow, &()).unwrap_err();
    assert!(matches!(error, StoreError::OutputIsInput { .. }));

    let told = Told::default();
    let exported = export(&store, &at("mosi.npz"), &ExportForm::Npz, false, &told).unwrap();
    assert_eq!(exported.n_bytes, fs::metadata(at("mosi.npz")).unwrap().len());
    assert!(exported.notes.is_empty());
    assert!(matches!(told.0.lock().unwrap()[..], [(Stage::Exporting, ..)]));
    let error = export(&store, &at("mosi.npz"), &ExportForm::Npz, false, &()).unwrap_err();
    assert!(matches!(error, SaveError::Exists { .. }));
    assert_eq!(error.advice(), [Advice::from(StoreAdvice::Overwrite)]);
    let error = export(&store, &store, &ExportForm::Csv, true, &()).unwrap_err();
    assert!(matches!(error, SaveError::OutputIsInput { .. }));
    let balance = Store::open(&store).unwrap().balance().unwrap();
    save_balance(&balance, &at("labels.csv"), TableForm::Csv, false).unwrap();
    let error = save_balance(&balance, &at("no/labels.csv"), TableForm::Csv, false).unwrap_err();
    assert!(matches!(error, SaveError::Write { .. }), "{error:?}");

    let plan = at("plan.json");
    let by_shares =
        |shares| SplitOptions { method: DrawMethod::Ratio { shares }, ..SplitOptions::default() };
    let error = split(&store, &plan, &by_shares([0.5, 0.5, 0.5])).unwrap_err();
    assert!(matches!(error, SplitError::Shares));
    let drawn = split(&store, &plan, &by_shares([0.5, 0.25, 0.25])).unwrap();
    let n_segments: usize = drawn.folds[0].iter().map(|split| split.n_segments).sum();
    assert_eq!((drawn.folds.len(), n_segments), (1, 14));
    let error = split(&store, &plan, &SplitOptions::default()).unwrap_err();
    assert!(matches!(error, SplitError::Exists { .. }));
    let of_train = DrawMethod::FromTrain { shares: [0.5, 0.5] };
    let options = SplitOptions { method: of_train, overwrite: true, ..SplitOptions::default() };
    let error = split(&store, &plan, &options).unwrap_err();
    assert!(matches!(error, SplitError::Draw { cause: PlanError::HasValid { .. }, .. }));
    assert_eq!(error.advice(), [Advice::from(StoreAdvice::DrawAllSplits)]);

    assert_eq!(inspect(&store, &OpenOptions::default(), &()).unwrap().name, "mosi.h5");
    let error = inspect(&plan, &OpenOptions::default(), &()).unwrap_err();
    assert!(matches!(error, InspectError::Pickle(_)));
}

#[test]
fn a_synthetic_pickle_is_refused_where_it_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = pickle_in(folder.path());
    let error = synth(&path, &SynthOptions::default()).unwrap_err();
    assert!(matches!(error, SynthError::Exists { .. }));
    assert_eq!(error.advice(), [Advice::from(StoreAdvice::Overwrite)]);
    let few = SynthOptions { n_train: 3, ..SynthOptions::default() };
    assert!(matches!(synth(&path, &few).unwrap_err(), SynthError::TooFew { found: 3 }));
    let error = synth(&path.join("a.pkl"), &SynthOptions::default()).unwrap_err();
    assert!(matches!(error, SynthError::Write { .. }), "{error:?}");
}
