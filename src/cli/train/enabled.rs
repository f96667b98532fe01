//! `almt-data train` and `almt-data eval`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tch::Device;

use crate::cli::{Failure, Trainer};
use crate::corpus::{Modality, SplitName};
use crate::model::Residual;
use crate::store::Store;
use crate::train::data::TrainingSplit;
use crate::train::preset::Preset;
use crate::train::run::{self, EpochRecord, Progress, RunResult, TrainSettings, TrainingData};
use crate::train::{TrainError, checkpoint};

/// Train ALMT on a store
#[derive(Args)]
pub struct TrainArgs {
    /// Store made by `almt-data convert`
    #[arg(long)]
    store: PathBuf,
    /// Run folder; the default is `runs/STORE-seedSEED`
    #[arg(long, value_name = "RUN_FOLDER")]
    out: Option<PathBuf>,
    /// Replace the run in an existing folder
    #[arg(long)]
    overwrite: bool,
    /// Seed of the initial weights and of the order of the samples
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Passes over the training split [default: the dataset's preset, 200]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Samples per step [default: the dataset's preset, 64]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// Base learning rate [default: the dataset's preset, 1e-4]
    #[arg(long, value_parser = positive)]
    lr: Option<f64>,
    /// Modalities that the model sees [default: all that the store has]
    #[arg(long, value_delimiter = ',', value_name = "text,audio,vision")]
    modalities: Vec<Modality>,
    /// What an AHL layer adds its shift to: the normed hyper-modality, as the released code does,
    /// or the hyper-modality itself, as Eq. 5 of the paper says: released or paper [default:
    /// released]
    #[arg(long)]
    residual: Option<Residual>,
    /// Device
    #[arg(long, default_value = "cpu", value_parser = ["cpu"])]
    device: String,
}

/// Evaluate a checkpoint on one split of a store
#[derive(Args)]
pub struct EvalArgs {
    /// Store made by `almt-data convert`
    #[arg(long)]
    store: PathBuf,
    /// `best.safetensors` of a run
    #[arg(long)]
    checkpoint: PathBuf,
    /// Split to evaluate on
    #[arg(long, default_value = "test")]
    split: SplitName,
    /// Print JSON in place of a table
    #[arg(long)]
    json: bool,
}

/// The trainer of the executable that is linked to libtorch.
pub const HERE: Trainer = Trainer { train, eval };

/// The trainer of the executable that is not.
pub const ELSEWHERE: Trainer = Trainer { train: |_| hand_over(), eval: |_| hand_over() };

/// Goes on as the executable beside this one that is linked to libtorch; returns only on failure.
fn hand_over() -> Result<ExitCode, Failure> {
    use std::os::unix::process::CommandExt;
    let this = std::env::current_exe().map_err(|error| Failure::new(error.to_string()))?;
    let trainer = this.with_file_name("almt-data-train");
    let error = Command::new(&trainer).args(std::env::args_os().skip(1)).exec();
    Err(Failure::at(&trainer, format!("cannot start the trainer: {error}"))
        .hint("`cargo install --path .` puts it beside `almt-data`; keep the two together"))
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Failure {
        Failure::new(error.to_string())
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("expected a number above 0".into()),
    }
}

/// Trains one model.
fn train(args: TrainArgs) -> Result<ExitCode, Failure> {
    let store = Store::open(&args.store)?;
    let dataset = store.manifest().dataset;
    let mut hyper_parameters = Preset::of(dataset).clone();
    let training = &mut hyper_parameters.training;
    training.epochs = args.epochs.map_or(training.epochs, |epochs| epochs as usize);
    training.batch_size = args.batch_size.map_or(training.batch_size, |size| size as usize);
    training.lr = args.lr.unwrap_or(training.lr);
    hyper_parameters.model.residual = args.residual.unwrap_or(hyper_parameters.model.residual);
    let modalities = chosen_modalities(&store, args.modalities)?;
    let load = |split| load_split(&store, split, &modalities);
    let has = |split| !store.ids(split).is_empty();
    let data = TrainingData {
        train: load(SplitName::Train)?,
        valid: load(SplitName::Valid)?,
        test: has(SplitName::Test).then(|| load(SplitName::Test)).transpose()?,
    };
    let out = args.out.unwrap_or_else(|| default_folder(&args.store, args.seed));
    let settings = TrainSettings {
        dataset,
        store: args.store,
        store_digest: store.manifest().digest.clone(),
        modalities,
        seed: args.seed,
        hyper_parameters,
    };
    let mut progress = Bar::new(&settings, data.train.n_samples());
    let result = run::train(&settings, &data, Device::Cpu, &out, args.overwrite, &mut progress);
    progress.bar.finish_and_clear();
    print_result(&out, &result?);
    Ok(ExitCode::SUCCESS)
}

/// Evaluates one checkpoint.
fn eval(args: EvalArgs) -> Result<ExitCode, Failure> {
    let store = Store::open(&args.store)?;
    let checkpoint = checkpoint::load(&args.checkpoint, Device::Cpu).map_err(TrainError::from)?;
    let info = &checkpoint.info;
    if info.dataset != store.manifest().dataset {
        let (expected, found) = (info.dataset.title(), store.manifest().dataset.title());
        let problem = format!("was trained on {expected}, the store holds {found}");
        return Err(Failure::at(&args.checkpoint, problem));
    }
    let mut modalities = vec![Modality::Text];
    modalities.extend(info.model.audio.map(|_| Modality::Audio));
    modalities.extend(info.model.vision.map(|_| Modality::Vision));
    let split = load_split(&store, args.split, &modalities)?;
    let (metrics, _) = run::evaluate(&checkpoint, &split)?;
    if args.json {
        let json = serde_json::json!({
            "store": args.store,
            "store_digest": store.manifest().digest,
            "trained_on_store_digest": info.store_digest,
            "checkpoint": args.checkpoint,
            "epoch": info.epoch,
            "seed": info.seed,
            "split": args.split,
            "n_samples": split.n_samples(),
            "metrics": metrics,
        });
        outln!("{json:#}");
    } else {
        outln!(
            "{} {}, {} samples, checkpoint of epoch {}",
            info.dataset.title(),
            args.split,
            split.n_samples(),
            info.epoch
        );
        crate::cli::output::write(format_args!("{metrics}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen_modalities(store: &Store, asked: Vec<Modality>) -> Result<Vec<Modality>, Failure> {
    let has = |modality: &Modality| {
        store.manifest().column(&format!("/{}/{modality}", SplitName::Train)).is_some()
    };
    let mut chosen: Vec<Modality> = match asked.is_empty() {
        true => Modality::ALL.into_iter().filter(has).collect(),
        false => asked,
    };
    chosen.sort();
    chosen.dedup();
    if let Some(absent) = chosen.iter().find(|modality| !has(modality)) {
        let place = format!("/{}/{absent}", SplitName::Train);
        return Err(Failure::at(store.path(), format!("{place}: the store has no {absent}")));
    }
    if !chosen.contains(&Modality::Text) {
        return Err(Failure::at(store.path(), TrainError::NoText));
    }
    Ok(chosen)
}

fn load_split(
    store: &Store,
    split: SplitName,
    modalities: &[Modality],
) -> Result<TrainingSplit, Failure> {
    let ids = store.ids(split).to_vec();
    if ids.is_empty() {
        return Err(Failure::at(store.path(), TrainError::EmptySplit { split }));
    }
    let mut features = BTreeMap::new();
    for modality in modalities {
        if let Some(array) = store.features(split, *modality)? {
            features.insert(*modality, array);
        }
    }
    TrainingSplit::new(split, ids, store.labels(split)?, features, Device::Cpu)
        .map_err(|error| Failure::at(store.path(), error))
}

fn default_folder(store: &Path, seed: u64) -> PathBuf {
    let stem = store.file_stem().unwrap_or_default().to_string_lossy();
    PathBuf::from("runs").join(format!("{stem}-seed{seed}"))
}

fn print_result(out: &Path, result: &RunResult) {
    let selected = &result.selected;
    outln!("{}", out.display());
    outln!(
        "  {} parameters, {:.1} s, epoch {} has the {}",
        result.n_parameters,
        result.seconds,
        selected.epoch,
        selected.by
    );
    outln!("  {:<18} {:>8} {:>8} {:>18}", "", "valid", "test", "best test (epoch)");
    for (name, valid) in selected.valid.iter() {
        let test = selected.test.as_ref().map_or(f64::NAN, |metrics| metrics.get(name));
        let best = result
            .best_on_test_per_metric
            .get(name)
            .map_or(String::new(), |best| format!("{:.4} ({})", best.value, best.epoch));
        outln!("  {name:<18} {valid:>8.4} {test:>8.4} {best:>18}");
    }
    outln!(
        "  «best test» is the released protocol: each figure is chosen on the test split itself"
    );
}

/// One bar for the whole run, on standard error.
struct Bar {
    bar: ProgressBar,
    steps_per_epoch: usize,
    shown: Instant,
    valid_mae: Option<f64>,
}

impl Bar {
    fn new(settings: &TrainSettings, n_samples: usize) -> Bar {
        let training = &settings.hyper_parameters.training;
        let steps_per_epoch = n_samples.div_ceil(training.batch_size);
        let bar = ProgressBar::new((steps_per_epoch * training.epochs) as u64);
        // A template of ours cannot be wrong at run time; indicatif's own style would serve too.
        if let Ok(style) = ProgressStyle::with_template("{msg} [{wide_bar}] {percent}% {eta}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_secs(1));
        Bar { bar, steps_per_epoch, shown: Instant::now(), valid_mae: None }
    }
}

impl Progress for Bar {
    fn step(&mut self, epoch: usize, step: usize, losses: &dyn Fn() -> (f64, f64)) {
        self.bar.set_position(((epoch - 1) * self.steps_per_epoch + step) as u64);
        // Reading the losses waits for the device, so it is done a few times a second only.
        if self.shown.elapsed() > Duration::from_millis(250) && !self.bar.is_hidden() {
            self.shown = Instant::now();
            let (loss, mae) = losses();
            let valid = self.valid_mae.map_or(String::new(), |mae| format!(", valid {mae:.3}"));
            self.bar.set_message(format!("epoch {epoch} loss {loss:.3} MAE {mae:.3}{valid}"));
        }
    }

    fn epoch(&mut self, record: &EpochRecord) {
        self.valid_mae = Some(record.valid.get("MAE"));
    }
}
