//! `almt-data train`: its options, new runs, and several seeds.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};

use super::cache::CacheArgs;
use super::devices::{DeviceArgs, ThreadsArgs};
use super::show::{Bar, print_degenerate, print_result, print_spread, say};
use crate::cli::{Failure, number, runs, stores, wrong_call};
use crate::corpus::Modality;
use crate::corpus::spec::SplitBy;
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

/// Where text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Text {
    Features,
    Bert,
}

/// Train a model on a store
#[derive(Args)]
pub struct TrainArgs {
    /// Store made by `almt-data convert` [default: the only one of the current folder]
    #[arg(long)]
    store: Option<PathBuf>,
    /// Model, one of those that `almt-data models` lists [default: almt]
    #[arg(long, value_name = "NAME", value_parser = model_name)]
    model: Option<String>,
    /// Run folder; the default is `runs/STORE-seedSEED`, with `-MODEL` in it for another model than almt
    /// and `-foldFOLD` with `--manifest`
    #[arg(long, value_name = "RUN_FOLDER")]
    out: Option<PathBuf>,
    /// Replace the run in an existing folder
    #[arg(long)]
    overwrite: bool,
    /// Seed of the initial weights and of the order of the samples [default: 1]
    #[arg(long, value_parser = number::from::<u64>(0))]
    seed: Option<u64>,
    /// Several runs: a number of seeds, 1 to N, or the seeds themselves, such as 1111,1112,1113. A
    /// run that is complete in the run folder is kept, a stopped one goes on
    #[arg(long, value_name = "N or LIST", conflicts_with = "seed", value_parser = seeds, allow_hyphen_values = true)]
    seeds: Option<Seeds>,
    /// Passes over the training split [default: the preset of model and dataset, 200 for almt]
    #[arg(long, value_parser = number::from::<u32>(1))]
    epochs: Option<u32>,
    /// Samples per batch [default: the preset of model and dataset, 64 for almt]
    #[arg(long, value_parser = number::from::<u32>(1))]
    batch_size: Option<u32>,
    /// Base learning rate [default: the preset of model and dataset, 1e-4 for almt]
    #[arg(long, value_parser = positive, allow_hyphen_values = true)]
    lr: Option<f64>,
    /// How the learning rate moves: warmup-cosine, constant, linear-warmup or plateau [default: the
    /// preset of the model, warmup-cosine for almt]
    #[arg(long)]
    schedule: Option<Schedule>,
    /// Modalities that the model sees [default: all that the store has]
    #[arg(long, value_delimiter = ',', value_name = "text,audio,vision")]
    modalities: Vec<Modality>,
    /// Where text comes from: features, the store's own, or bert, an encoder that reads the store's
    /// tokens or texts and is trained with the rest
    #[arg(long, default_value = "features", hide_possible_values = true)]
    text: Text,
    /// Folder of the encoder, as Hugging Face has them: `config.json`, `model.safetensors` and, for
    /// `--text-from raw_text`, `tokenizer.json` or `vocab.txt`
    #[arg(long, value_name = "FOLDER", required_if_eq("text", "bert"))]
    bert: Option<PathBuf>,
    /// What the encoder reads: the tokens of the store, or its texts, by the tokenizer of the
    /// encoder [default: text_bert]
    #[arg(long, requires = "bert", value_name = "text_bert|raw_text")]
    text_from: Option<TextSource>,
    /// Tokens of a text, with `raw_text`: longer ones are cut, shorter ones padded [default: 50]
    #[arg(long, requires = "text_from", value_name = "TOKENS", value_parser = number::from::<usize>(1))]
    max_len: Option<usize>,
    /// Keep the encoder as it is, without dropout
    #[arg(long, requires = "bert")]
    freeze_bert: bool,
    /// Base learning rate of the encoder [default: that of the rest]
    #[arg(long, requires = "bert", conflicts_with = "freeze_bert", value_parser = positive, allow_hyphen_values = true)]
    bert_lr: Option<f64>,
    /// What an AHL layer of almt adds its shift to: the normed hyper-modality, as the released code does,
    /// or the hyper-modality itself, as Eq. 5 of the paper says: released or paper [default:
    /// released]
    #[arg(long)]
    residual: Option<Residual>,
    /// Change the model or the recipe; may be given several times. Names are those of `[model]` and
    /// `[training]` in `config.toml`, such as token_len, fusion_depth or accumulate, those of almt's
    /// variants (embedding, hyper_modality, guides, fusion, fusion_query), and of its phases
    /// PHASE.GROUP.lr, PHASE.GROUP.weight_decay, PHASE.clip_norm, PHASE.clip_value, PHASE.schedule; a
    /// wrong name lists all
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Metric on the validation split that selects the epoch, or loss, which is what the model's task
    /// minimises [default: that of the preset, MAE]
    #[arg(long, value_name = "METRIC")]
    select: Option<String>,
    /// End the run after so many epochs without a better one [default: that of the preset, never for
    /// almt]
    #[arg(long, value_name = "EPOCHS", value_parser = number::from::<u32>(1))]
    patience: Option<u32>,
    /// Splits from a file made by `almt-data split` in place of the store's own
    #[arg(long, value_name = "SPLITS.json")]
    manifest: Option<PathBuf>,
    /// Fold of that file, counted from 0 [default: 0]
    #[arg(long, requires = "manifest", value_parser = number::from::<usize>(0))]
    fold: Option<usize>,
    /// For a store without a validation split: draw so much of its training split as one
    #[arg(long, value_name = "SHARE", value_parser = fraction, conflicts_with = "manifest")]
    valid_fraction: Option<f64>,
    /// What `--valid-fraction` keeps together: video or segment [default: video]
    #[arg(long, requires = "valid_fraction", hide_possible_values = true)]
    by: Option<SplitBy>,
    /// Begin with the weights of another run, which its folder or its `best.safetensors` names, or of
    /// a safetensors file such as that of the released PyTorch model
    #[arg(long, value_name = "RUN or FILE")]
    init_from: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Whether the models of `--seeds` are trained as one, which a GPU does in little more time than
    /// one of them: auto (on a GPU), always or never. Results are those of models trained alone but for
    /// rounding
    #[arg(long, value_name = "WHEN", requires = "seeds", default_value = "auto")]
    together: Together,
    /// How exact products are in training: float32, tf32 (on a GPU, 10 bits of mantissa) or bf16 (7 bits);
    /// weights, sums and evaluation are float32 always [default: float32]
    #[arg(long)]
    precision: Option<Precision>,
    /// The same as `--precision tf32`
    #[arg(long, conflicts_with = "precision")]
    tf32: bool,
    /// How the model is computed: reference (as the paper spells it), absorbed, batched or native, the same
    /// function but for rounding. Almt has all, other models reference [default: the fastest]
    #[arg(long)]
    form: Option<Form>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Give a GPU its work piece by piece in place of whole steps (CUDA graphs), to the same result
    #[arg(long)]
    no_graph: bool,
    /// With `--init-from`, cut samples that are longer than what its model was trained on, at their end;
    /// they are counted
    #[arg(long, requires = "init_from")]
    fit_lengths: bool,
    /// Train all the same on a store that is not valid, or whose texts hardly belong to the encoder's
    /// vocabulary
    #[arg(long)]
    force: bool,
}

#[derive(Clone)]
pub(super) struct Seeds(pub(super) Vec<u64>);

pub(super) fn seeds(text: &str) -> Result<Seeds, String> {
    let numbers: Vec<u64> = text
        .split(',')
        .map(|number| number.trim().parse())
        .collect::<Result<_, _>>()
        .map_err(|_| "expected a number of seeds, or seeds between commas")?;
    let seeds: Vec<u64> = match *numbers {
        [n @ 1..=1000] => (1..=n).collect(),
        [n] => {
            return Err(format!("{n} is no sensible number of seeds; one seed goes with `--seed`"));
        }
        _ => numbers,
    };
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != seeds.len() {
        return Err("a seed stands twice".into());
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
fn model_name(text: &str) -> Result<String, String> {
    match ModelSpec::NAMES.contains(&text) {
        true => Ok(text.into()),
        false => Err(format!("expected one of {}", ModelSpec::NAMES.join(", "))),
    }
}

impl TrainArgs {
    /// As the trainer takes them; ends the program after a call that makes no sense.
    fn options(&self) -> Result<TrainOptions, Failure> {
        let wrong =
            |problem: &str| wrong_call::<TrainArgs>(COMMAND, ErrorKind::ArgumentConflict, problem);
        let source = self.text_from.unwrap_or(TextSource::TextBert);
        if source == TextSource::TextBert && self.max_len.is_some() {
            wrong("`--max-len` needs `--text-from raw_text`: `text_bert` has its own length");
        }
        if self.bert.is_some() && self.text != Text::Bert {
            wrong("`--bert` needs `--text bert`: `--text features` reads those of the store");
        }
        let model = self.model.as_deref().unwrap_or(ModelSpec::NAMES[0]);
        if self.residual.is_some() && model != ModelSpec::NAMES[0] {
            wrong(&format!("`--residual` is of almt, not of {model}"));
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
                wrong(&format!("`--set {}` is given twice", name(assignment)));
            }
            // A schedule is that of a phase: `main.schedule`.
            let name = name(assignment);
            let last = name.rsplit('.').next().unwrap_or_default();
            if let Some((option, _)) = named.iter().find(|(of, given)| *given && *of == last) {
                let option = option.replace('_', "-");
                wrong(&format!("`--{option}` and `--set {name}` are given for the same"));
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
            command: std::env::args().collect(),
        })
    }
}

const COMMAND: &str = "almt-data train";

/// Trains one model, or one per seed.
pub fn train(args: TrainArgs) -> Result<ExitCode, Failure> {
    let options = args.options()?;
    let path = stores::one(args.store)?;
    let store = Store::open(&path)?;
    let device = args.device.open()?;
    let session = Session::new(store, device, &options, &mut say).map_err(|error| match error {
        TrainerError::Setting(problem) => {
            wrong_call::<TrainArgs>(COMMAND, ErrorKind::InvalidValue, &problem)
        }
        error => error,
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
        print_result(&out, &result);
        return Ok(ExitCode::SUCCESS);
    };
    let out = args.out.unwrap_or_else(|| PathBuf::from("runs").join(format!("{stem}-seeds")));
    seeds.iter().try_for_each(|seed| check_initial(&of_seed(&out, *seed)))?;
    if args.together == Together::Always
        && let Some(apart) = session.apart()?
    {
        let problem = match apart {
            Apart::TextEncoder => "with `--text bert`, models are trained one at a time",
            Apart::Patience => "with `--patience`, runs end at different epochs",
            Apart::Form => "of the forms, only `batched` is for several models",
            Apart::Recipe => "`clip_norm` and a `plateau` are of one model",
            Apart::Model => "this model has no form for several seeds",
        };
        let problem = format!("`--together always`: {problem}");
        wrong_call::<TrainArgs>(COMMAND, ErrorKind::ArgumentConflict, &problem);
    }
    let results = session.train_seeds(&seeds, &out, start, args.together, &mut bar)?;
    drop(bar);
    for result in &results {
        let seed = result.seed;
        if let Some(test) = &result.selected.test {
            let (epoch, mae) = (result.selected.epoch, test.get(MAE.id));
            eprintln!("seed {seed}: epoch {epoch}, test MAE {mae:.4}, {:.1} s", result.seconds);
        }
    }
    let spread = spread(settings.model(), settings.dataset, &results);
    for (name, write) in SUMMARIES {
        let path = out.join(name);
        write(&path, &spread).map_err(|error| Failure::io(&path, "write", &error))?;
    }
    print_spread(&out, &spread, results.len());
    results.iter().for_each(print_degenerate);
    Ok(ExitCode::SUCCESS)
}
