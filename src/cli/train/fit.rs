//! `almt-data train`: its options, new runs, and several seeds.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};

use super::cache::CacheArgs;
use super::devices::{DeviceArgs, ThreadsArgs};
use super::show::{Bar, command_line, print_doubts, print_result, print_spread, say};
use crate::cli::{Failure, number, output, runs, stores, wrong_call};
use crate::corpus::spec::SplitBy;
use crate::corpus::{Dataset, Modality};
use crate::model::registry::ModelSpec;
use crate::model::{Form, Residual};
use crate::paths::same_file;
use crate::pretrained::TextSource;
use crate::run::folder::of_seed;
use crate::run::metrics::MAE;
use crate::run::schedule::Schedule;
use crate::run::seeds::{SUMMARIES, spread};
use crate::run::settings::Precision;
use crate::store::Store;
use crate::train::run::{Apart, Start};
use crate::trainer::sweep::Together;
use crate::trainer::{
    EncoderOptions, FoldOptions, Session, TrainOptions, TrainerError, ValidOptions,
};
use crate::words::quoted_path;

/// Where text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Text {
    Features,
    Bert,
}

/// Train a model on a store
#[derive(Args)]
pub struct TrainArgs {
    /// The same as `--store`
    #[arg(value_name = "STORE", conflicts_with = "store")]
    only: Option<PathBuf>,
    /// Store made by `almt-data convert` [default: the only store in the current folder]
    #[arg(help_heading = "Data options", long)]
    store: Option<PathBuf>,
    /// Model to train; `almt-data models` lists them [default: almt]
    #[arg(help_heading = "Model options", long, value_name = "NAME", value_parser = model_name)]
    model: Option<String>,
    /// Dataset whose preset sets the hyper-parameters: mosi, mosei, sims or simsv2 [default: that of the
    /// store; mosi for a dataset of your own]
    #[arg(help_heading = "Model options", long, hide_possible_values = true)]
    preset: Option<Dataset>,
    /// Random seed for initial weights, dropout and sample order [default: 1]
    #[arg(help_heading = "Optimization options", long, value_parser = number::from::<u64>(0))]
    seed: Option<u64>,
    /// Train several runs: N for seeds 1 to N, or a list such as 1111,1112,1113. Complete runs are
    /// kept, interrupted ones resumed
    #[arg(help_heading = "Optimization options", long, value_name = "N or LIST", conflicts_with = "seed", value_parser = seeds, allow_hyphen_values = true)]
    seeds: Option<Seeds>,
    /// Passes over the training split [default: from the preset; 200 for almt]
    #[arg(help_heading = "Optimization options", long, value_parser = number::from::<u32>(1))]
    epochs: Option<u32>,
    /// Samples per batch [default: from the preset; 64 for almt]
    #[arg(help_heading = "Optimization options", long, value_parser = number::from::<u32>(1))]
    batch_size: Option<u32>,
    /// Base learning rate [default: from the preset; 1e-4 for almt]
    #[arg(help_heading = "Optimization options", long, value_parser = positive, allow_hyphen_values = true)]
    lr: Option<f64>,
    /// Learning-rate schedule: warmup-cosine, constant, linear-warmup or plateau [default: from the
    /// preset; warmup-cosine for almt]
    #[arg(help_heading = "Optimization options", long)]
    schedule: Option<Schedule>,
    /// Modalities to train on [default: all in the store]
    #[arg(
        help_heading = "Data options",
        long,
        value_delimiter = ',',
        value_name = "text,audio,vision"
    )]
    modalities: Vec<Modality>,
    /// Text input: features (from the store) or bert (an encoder, fine-tuned on the store's tokens or
    /// texts)
    #[arg(
        help_heading = "Model options",
        long,
        default_value = "features",
        hide_possible_values = true
    )]
    text: Text,
    /// Encoder folder in Hugging Face format: `config.json`, `model.safetensors` and, for `--text-from
    /// raw_text`, `tokenizer.json` or `vocab.txt`
    #[arg(
        help_heading = "Model options",
        long,
        value_name = "FOLDER",
        required_if_eq("text", "bert")
    )]
    bert: Option<PathBuf>,
    /// Encoder input: the store's tokens (text_bert), or its texts, tokenized by the encoder's own
    /// tokenizer (raw_text) [default: text_bert]
    #[arg(
        help_heading = "Model options",
        long,
        requires = "bert",
        value_name = "text_bert|raw_text"
    )]
    text_from: Option<TextSource>,
    /// Sequence length for `raw_text`: longer texts are truncated, shorter ones padded [default: 50]
    #[arg(help_heading = "Model options", long, requires = "text_from", value_name = "TOKENS", value_parser = number::from::<usize>(1))]
    max_len: Option<usize>,
    /// Do not fine-tune the encoder, and disable its dropout
    #[arg(help_heading = "Model options", long, requires = "bert")]
    freeze_bert: bool,
    /// Base learning rate of the encoder [default: that of the preset, or of the other
    /// parameters]
    #[arg(help_heading = "Model options", long, requires = "bert", conflicts_with = "freeze_bert", value_parser = positive, allow_hyphen_values = true)]
    bert_lr: Option<f64>,
    /// Residual connection of almt's AHL layers: released (the normalized hyper-modality, as
    /// in the authors' code) or paper (the hyper-modality, Eq. 5) [default: released]
    #[arg(help_heading = "Model options", long)]
    residual: Option<Residual>,
    /// Override one value of the model or the recipe; repeatable. Keys: those of `[model]` and
    /// `[training]` in `config.toml` (token_len, fusion_depth, accumulate, ...), almt's variants
    /// (embedding, hyper_modality, guides, fusion, fusion_query), and PHASE.optimizer, PHASE.schedule,
    /// PHASE.clip_norm, PHASE.GROUP.lr, PHASE.GROUP.weight_decay and so on. An unknown key prints the
    /// full list
    #[arg(help_heading = "Model options", long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Validation metric that selects the best epoch, or loss [default: from the preset; MAE]
    #[arg(help_heading = "Optimization options", long, value_name = "METRIC")]
    select: Option<String>,
    /// Stop after this many epochs without improvement [default: from the preset; never for almt]
    #[arg(help_heading = "Optimization options", long, value_name = "EPOCHS", value_parser = number::from::<u32>(1))]
    patience: Option<u32>,
    /// Split manifest written by `almt-data split`, used instead of the store's own splits
    #[arg(help_heading = "Data options", long, value_name = "SPLITS.json")]
    manifest: Option<PathBuf>,
    /// Fold of the manifest, counted from 0 [default: 0]
    #[arg(help_heading = "Data options", long, requires = "manifest", value_parser = number::from::<usize>(0))]
    fold: Option<usize>,
    /// Draw this share of the training split for validation, if the store has none with labels
    #[arg(help_heading = "Data options", long, value_name = "SHARE", value_parser = fraction, conflicts_with = "manifest")]
    valid_fraction: Option<f64>,
    /// Draw `--valid-fraction` by whole videos or by single segments: video or segment [default:
    /// video]
    #[arg(
        help_heading = "Data options",
        long,
        requires = "valid_fraction",
        hide_possible_values = true
    )]
    by: Option<SplitBy>,
    /// Start from the weights of another run (its folder or `best.safetensors`) or of a safetensors
    /// file, such as the released model's
    #[arg(help_heading = "Model options", long, value_name = "RUN or FILE")]
    init_from: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Train the models of `--seeds` simultaneously, which takes a GPU little longer than training one:
    /// auto (on a GPU), always or never. Results equal those of separate runs up to rounding
    #[arg(
        help_heading = "Hardware options",
        long,
        value_name = "WHEN",
        requires = "seeds",
        default_value = "auto"
    )]
    together: Together,
    /// Precision of matrix products during training: float32, tf32 (GPU only, 10-bit mantissa) or bf16
    /// (7-bit mantissa). Weights, sums and evaluation always use float32 [default: float32]
    #[arg(help_heading = "Hardware options", long)]
    precision: Option<Precision>,
    /// Same as `--precision tf32`
    #[arg(help_heading = "Hardware options", long, conflicts_with = "precision")]
    tf32: bool,
    /// Implementation of the model: reference (as written in the paper), absorbed, batched or native;
    /// they agree up to rounding. almt has all four, other models only reference [default: the fastest]
    #[arg(help_heading = "Hardware options", long)]
    form: Option<Form>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Disable CUDA graphs. Results are identical
    #[arg(help_heading = "Hardware options", long)]
    no_graph: bool,
    /// With `--init-from`, truncate samples that are longer than the model was trained on; the number
    /// is reported and recorded
    #[arg(help_heading = "Data options", long, requires = "init_from")]
    fit_lengths: bool,
    /// Train despite errors in labels, tokens, lengths or bins, or text that does not match the
    /// encoder's vocabulary. NaN and infinite features are always refused
    #[arg(help_heading = "Data options", long)]
    force: bool,
    /// Run folder [default: `runs/STORE-seedSEED`; other models and folds add `-MODEL` and `-foldN`]
    #[arg(help_heading = "Output options", long, value_name = "RUN_FOLDER")]
    out: Option<PathBuf>,
    /// Replace an existing run in the folder
    #[arg(help_heading = "Output options", long)]
    overwrite: bool,
}

#[derive(Clone)]
pub(super) struct Seeds(pub(super) Vec<u64>);

pub(super) fn seeds(text: &str) -> Result<Seeds, String> {
    let numbers: Vec<u64> =
        text.split(',').map(|number| number.trim().parse()).collect::<Result<_, _>>().map_err(
            |_| "expected a number, such as 5 for seeds 1 to 5, or a list such as 1,2,3",
        )?;
    let seeds: Vec<u64> = match *numbers {
        [n @ 1..=1000] => (1..=n).collect(),
        [n] => {
            return Err(format!("invalid number of seeds: {n}; for a single seed use `--seed`"));
        }
        _ => numbers,
    };
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != seeds.len() {
        return Err("duplicate seed".into());
    }
    Ok(Seeds(seeds))
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("expected a number above 0".into()),
    }
}

pub(super) fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("expected a share between 0 and 1, such as 0.1".into()),
    }
}

/// The name of a model.
pub(super) fn model_name(text: &str) -> Result<String, String> {
    let named = ModelSpec::known_as(text).map(String::from);
    named.ok_or_else(|| format!("expected one of {}", ModelSpec::NAMES.join(", ")))
}

impl TrainArgs {
    /// As the trainer takes them. The call is invalid if they contradict each other.
    fn options(&self) -> Result<TrainOptions, Failure> {
        let wrong =
            |problem: &str| wrong_call::<TrainArgs>(COMMAND, ErrorKind::ArgumentConflict, problem);
        let source = self.text_from.unwrap_or(TextSource::TextBert);
        if source == TextSource::TextBert && self.max_len.is_some() {
            return Err(wrong(
                "`--max-len` needs `--text-from raw_text`: `text_bert` has its own length",
            ));
        }
        if self.bert.is_some() && self.text != Text::Bert {
            return Err(wrong(
                "`--bert` needs `--text bert`: `--text features` reads those of the store",
            ));
        }
        let model = self.model.as_deref().unwrap_or(ModelSpec::NAMES[0]);
        if self.residual.is_some() && model != ModelSpec::NAMES[0] {
            return Err(wrong(&format!("`--residual` is of almt, not of {model}")));
        }
        let named = [
            ("epochs", self.epochs.is_some()),
            ("batch_size", self.batch_size.is_some()),
            ("select", self.select.is_some()),
            ("patience", self.patience.is_some()),
            ("residual", self.residual.is_some()),
            ("schedule", self.schedule.is_some()),
        ];
        let name = |assignment: &str| assignment.split('=').next().unwrap_or_default().to_owned();
        for (idx, assignment) in self.set.iter().enumerate() {
            if self.set.iter().take(idx).any(|earlier| name(earlier) == name(assignment)) {
                return Err(wrong(&format!("`--set {}` is given twice", name(assignment))));
            }
            // A schedule is that of a phase: `main.schedule`.
            let name = name(assignment);
            let last = name.rsplit('.').next().unwrap_or_default();
            if let Some((option, _)) = named.iter().find(|(of, given)| *given && *of == last) {
                let option = option.replace('_', "-");
                return Err(wrong(&format!(
                    "`--{option}` and `--set {name}` set the same value: give only one"
                )));
            }
        }
        let encoder = self.bert.as_ref().map(|folder| EncoderOptions {
            folder: folder.clone(),
            source,
            max_len: self.max_len,
            lr: self.bert_lr,
            is_frozen: self.freeze_bert,
        });
        Ok(TrainOptions {
            model: self.model.clone(),
            preset: self.preset,
            seed: self.seed,
            epochs: self.epochs.map(|epochs| epochs as usize),
            batch_size: self.batch_size.map(|size| size as usize),
            lr: self.lr,
            schedule: self.schedule,
            modalities: self.modalities.clone(),
            encoder,
            residual: self.residual,
            set: self.set.clone(),
            select: self.select.clone(),
            patience: self.patience.map(|epochs| epochs as usize),
            fold: self.manifest.as_ref().map(|manifest| FoldOptions {
                manifest: manifest.clone(),
                fold: self.fold.unwrap_or(0),
            }),
            valid_from_train: self
                .valid_fraction
                .map(|fraction| ValidOptions { fraction, by: self.by.unwrap_or(SplitBy::Video) }),
            init_from: self.init_from.as_deref().map(runs::checkpoint).transpose()?,
            fit_lengths: self.fit_lengths,
            precision: match self.tf32 {
                true => Precision::Tf32,
                false => self.precision.unwrap_or_default(),
            },
            form: self.form,
            n_threads: self.threads.threads,
            cache: self.cache.options(),
            is_piecewise: self.no_graph,
            force: self.force,
            command: command_line(),
        })
    }
}

const COMMAND: &str = "almt-data train";

/// Trains one model, or one per seed.
pub fn train(args: TrainArgs) -> Result<ExitCode, Failure> {
    let options = args.options()?;
    let path = stores::one(args.store.or(args.only))?;
    let store = Store::open(&path)?;
    let device = args.device.open()?;
    let session = Session::new(store, device, &options, &mut say).map_err(|error| match error {
        TrainerError::Setting(problem) => {
            wrong_call::<TrainArgs>(COMMAND, ErrorKind::InvalidValue, &problem)
        }
        error => error.into(),
    })?;
    let start = if args.overwrite { Start::Overwrite } else { Start::New };
    let mut stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // Runs of other models go beside those of the default one.
    let settings = &session.settings;
    if settings.model() != ModelSpec::NAMES[0] {
        stem = format!("{stem}-{}", settings.model());
    }
    // And those of each fold beside each other.
    if args.manifest.is_some() {
        stem = format!("{stem}-fold{}", args.fold.unwrap_or(0));
    }
    let initial = settings.init_from.as_ref().and_then(|initial| initial.path.parent());
    let check_initial = |out: &Path| match initial.is_some_and(|initial| same_file(initial, out)) {
        true => Err(Failure::at(out, "the run would replace the weights that it begins with")),
        false => Ok(()),
    };
    let mut bar = Bar::default();
    let Some(Seeds(seeds)) = args.seeds else {
        let default = || PathBuf::from("runs").join(format!("{stem}-seed{}", settings.seed));
        let out = args.out.unwrap_or_else(default);
        check_initial(&out)?;
        let result = session.train(&out, start, &mut bar)?;
        drop(bar);
        print_result(&out, settings, &result);
        let run = quoted_path(&out);
        output::next(&format!(
            "`almt-data report {run}` for curves and confusion matrices, `almt-data predict {run}` for \
             predictions"
        ));
        return Ok(ExitCode::SUCCESS);
    };
    let out = args.out.unwrap_or_else(|| PathBuf::from("runs").join(format!("{stem}-seeds")));
    seeds.iter().try_for_each(|seed| check_initial(&of_seed(&out, *seed)))?;
    if args.together == Together::Always
        && let Some(apart) = session.apart()?
    {
        let problem = match apart {
            Apart::TextEncoder => "with `--text bert`, models are trained one at a time",
            Apart::Patience => {
                "with `patience`, which the preset may have, runs end at \
                different epochs"
            }
            Apart::Form => "of the forms, only `batched` is for several models",
            Apart::Recipe => "`clip_norm` and a `plateau` are of one model",
            Apart::Model => "this model has no form for several seeds",
        };
        let problem = format!("`--together always`: {problem}");
        return Err(wrong_call::<TrainArgs>(COMMAND, ErrorKind::ArgumentConflict, &problem));
    }
    let results = session.train_seeds(&seeds, &out, start, args.together, &mut bar)?;
    drop(bar);
    for result in &results {
        let seed = result.seed;
        if let Some(test) = &result.selected.test {
            let (epoch, mae) = (result.selected.epoch, test.get(&MAE.id));
            errln!("seed {seed}: epoch {epoch}, test MAE {mae:.4}, {:.1} s", result.seconds);
        }
    }
    let spread = spread(settings.model_of_paper(), settings.dataset, &results);
    for (name, write) in SUMMARIES {
        let path = out.join(name);
        write(&path, &spread).map_err(|error| Failure::io(&path, "write", &error))?;
    }
    print_spread(&out, &spread, results.len());
    results.iter().for_each(|result| print_doubts(settings, result));
    output::next(&format!("`almt-data report {}` for all runs on one page", quoted_path(&out)));
    Ok(ExitCode::SUCCESS)
}
