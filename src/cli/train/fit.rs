//! `almt-data train`: its options, new runs, and several seeds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::error::ErrorKind;
use tch::Device;

use super::devices::{DeviceArgs, ThreadsArgs};
use super::needs;
use super::samples::{CacheArgs, Labels, Samples, absolute};
use super::show::{Bar, print_degenerate, print_result, print_spread};
use super::suits;
use super::tokens::TokenReader;
use super::valid;
use crate::cli::{Failure, number, runs, wrong_call};
use crate::corpus::column::ColumnKind;
use crate::corpus::spec::SplitBy;
use crate::corpus::{Modality, SplitName};
use crate::model::contract::{Need, Needs};
use crate::model::registry::ModelSpec;
use crate::model::{Form, Residual};
use crate::pretrained::{DEFAULT_MAX_LEN, Pretrained, TextSource};
use crate::run::folder::{self, of_seed};
use crate::run::metrics::MAE;
use crate::run::preset::Preset;
use crate::run::record::RunResult;
use crate::run::schedule::Schedule;
use crate::run::seeds::{SUMMARIES, spread};
use crate::run::settings::{
    EncoderChoice, InitialWeights, Precision, TokenChoice, TrainSettings, ValidDraw,
};
use crate::store::Store;
use crate::train::TrainError;
use crate::train::checkpoint;
use crate::train::data::{Cache, TrainingSplit};
use crate::train::device;
use crate::train::run::{self, Apart, Start, TrainingData};
use crate::train::weights;

/// Train a model on a store
#[derive(Args)]
pub struct TrainArgs {
    /// Store made by `almt-data convert`
    #[arg(long)]
    store: PathBuf,
    /// Model: almt, tfn or lmf; `almt-data models` says what each needs [default: almt]
    #[arg(long, value_name = "NAME", value_parser = model_name)]
    model: Option<String>,
    /// Run folder; the default is `runs/STORE-seedSEED`, or `runs/STORE-MODEL-seedSEED` of another
    /// model than almt
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
    #[arg(long, default_value = "features", value_parser = ["features", "bert"])]
    text: String,
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
    /// Metric on the validation split that selects the epoch [default: that of the preset, MAE]
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
    #[arg(long, requires = "valid_fraction")]
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
    #[arg(long, value_name = "WHEN", requires = "seeds", default_value = "auto", value_parser = ["auto", "always", "never"])]
    together: String,
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

/// Seed of a validation split that is drawn for a run, the same for every seed of the run.
pub(super) const VALID_SEED: u64 = 1;

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

/// Trains one model, or one per seed.
pub fn train(args: TrainArgs) -> Result<ExitCode, Failure> {
    let text_source = args.text_from.unwrap_or(TextSource::TextBert);
    if text_source == TextSource::TextBert && args.max_len.is_some() {
        let problem = "`--max-len` needs `--text-from raw_text`: `text_bert` has its own length";
        wrong_call::<TrainArgs>("almt-data train", ErrorKind::ArgumentConflict, problem);
    }
    if args.bert.is_some() && args.text != "bert" {
        let problem = "`--bert` needs `--text bert`: `--text features` reads those of the store";
        wrong_call::<TrainArgs>("almt-data train", ErrorKind::ArgumentConflict, problem);
    }
    let store = Store::open(&args.store)?;
    let has_all = args.modalities.is_empty();
    valid::check(&store, args.manifest.is_none(), has_all, args.force)?;
    let device = args.device.open()?;
    let dataset = store.manifest().dataset;
    let model = args.model.as_deref().unwrap_or(ModelSpec::NAMES[0]);
    let unknown = || Failure::new(format!("there is no model `{model}`"));
    let mut hyper_parameters = Preset::published(model, dataset).ok_or_else(unknown)?;
    let training = &mut hyper_parameters.training;
    training.epochs = args.epochs.map_or(training.epochs, |epochs| epochs as usize);
    training.batch_size = args.batch_size.map_or(training.batch_size, |size| size as usize);
    if let Some(lr) = args.lr {
        hyper_parameters.set_lr(lr);
    }
    if let Some(schedule) = args.schedule {
        hyper_parameters.phases.iter_mut().for_each(|phase| phase.schedule = schedule);
    }
    if let Some(residual) = args.residual {
        let ModelSpec::Almt(config) = &mut hyper_parameters.model else {
            let problem = format!("`--residual` is of almt, not of {model}");
            wrong_call::<TrainArgs>("almt-data train", ErrorKind::ArgumentConflict, &problem);
        };
        config.sizes.residual = residual;
    }
    let name = |assignment: &str| assignment.split('=').next().unwrap_or_default().to_owned();
    for (idx, assignment) in args.set.iter().enumerate() {
        if args.set.iter().take(idx).any(|earlier| name(earlier) == name(assignment)) {
            let problem = format!("`--set {}` is given twice", name(assignment));
            wrong_call::<TrainArgs>("almt-data train", ErrorKind::ArgumentConflict, &problem);
        }
        hyper_parameters.set(assignment).map_err(Failure::new)?;
    }
    let encoder = match &*args.text {
        "bert" => args.bert.as_deref().map(Pretrained::open).transpose()?,
        _ => None,
    };
    let notes = encoder.iter().flat_map(Pretrained::notes);
    notes.for_each(|note| eprintln!("warning: {note}"));
    let choice = |encoder: &Pretrained| {
        let lr = match args.freeze_bert {
            true => 0.0,
            false => args.bert_lr.unwrap_or(hyper_parameters.lr()),
        };
        let tokens = match text_source {
            TextSource::TextBert => TokenChoice::TextBert,
            TextSource::RawText => {
                let max_len = args.max_len.unwrap_or(DEFAULT_MAX_LEN);
                let tokenizer_blake3 = encoder.tokenizer(max_len)?.blake3().into();
                TokenChoice::RawText { max_len, tokenizer_blake3 }
            }
        };
        let sha256 = encoder.weight_digests().sha256.clone();
        Ok::<_, Failure>(EncoderChoice { path: absolute(encoder.folder()), sha256, lr, tokens })
    };
    let text_encoder = encoder.as_ref().map(choice).transpose()?;
    if let Some(encoder) = &encoder {
        suits::check(&store, encoder, text_source, args.force)?;
    }
    let needs = hyper_parameters.model.needs();
    let modalities = chosen_modalities(&store, &args.modalities, encoder.is_some(), &needs)?;
    needs::check(&store, model, &needs, &modalities)?;
    let store_digest = store.manifest().digest.clone();
    let valid_from_train = args.valid_fraction.map(|fraction| ValidDraw {
        fraction,
        by: args.by.unwrap_or(SplitBy::Video),
        seed: VALID_SEED,
    });
    let (mut samples, split_manifest) = match (&args.manifest, &valid_from_train) {
        (Some(path), _) => {
            let (samples, choice) = Samples::of_fold(store, path, args.fold.unwrap_or(0))?;
            (samples, Some(choice))
        }
        (None, Some(draw)) => (Samples::with_valid_from_train(store, draw)?, None),
        (None, None) => (Samples::of(store), None),
    };
    let init_from = args.init_from.as_deref().map(runs::checkpoint).transpose()?;
    let init_from = init_from.as_deref().map(initial_weights).transpose()?;
    args.threads.set();
    let settings = TrainSettings {
        dataset,
        store: absolute(&args.store),
        store_digest,
        modalities,
        seed: args.seed.unwrap_or(1),
        select: args.select.unwrap_or_else(|| hyper_parameters.training.select.clone()),
        patience: match args.patience {
            Some(epochs) => Some(epochs as usize),
            None => hyper_parameters.training.patience,
        },
        device: device::name(device),
        precision: if args.tf32 { Precision::Tf32 } else { args.precision.unwrap_or_default() },
        form: args.form,
        together_with: vec![],
        n_threads: tch::get_num_threads(),
        writer: concat!("almt-data ", env!("CARGO_PKG_VERSION")).into(),
        libtorch: crate::train::libtorch_version(),
        command: std::env::args().collect(),
        split_manifest,
        valid_from_train,
        text_encoder,
        init_from,
        hyper_parameters,
    };
    if let Some(initial) = &settings.init_from {
        fit_to_initial(&mut samples, &initial.path, args.fit_lengths)?;
    }
    let has_stored_tokens = encoder.is_some() && text_source == TextSource::TextBert;
    samples.say_lengths(&settings.modalities, has_stored_tokens);
    let cache = samples.cache(&args.cache, &settings.modalities, device);
    let mut data = load(&samples, &settings, encoder, cache, device)?;
    data.graphs = !args.no_graph;
    if settings.init_from.is_some() {
        for (split, lengths) in &data.lengths {
            lengths.iter().for_each(|length| eprintln!("note: {split}/{length}"));
        }
    }
    let start = if args.overwrite { Start::Overwrite } else { Start::New };
    let mut stem = args.store.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // Runs of other models go beside those of the default one.
    if settings.model() != ModelSpec::NAMES[0] {
        stem = format!("{stem}-{}", settings.model());
    }
    let Some(Seeds(seeds)) = args.seeds else {
        let default = || PathBuf::from("runs").join(format!("{stem}-seed{}", settings.seed));
        let out = args.out.unwrap_or_else(default);
        let result = fit(&settings, &data, device, &out, start)?;
        print_result(&out, &result);
        return Ok(ExitCode::SUCCESS);
    };
    let out = args.out.unwrap_or_else(|| PathBuf::from("runs").join(format!("{stem}-seeds")));
    let together = match &*args.together {
        "always" => true,
        "never" => false,
        // An encoder draws its dropout for one model, and patience ends one run and not another.
        _ => device.is_cuda() && run::problem_together(&settings, &data)?.is_none(),
    };
    if together && let Some(problem) = run::problem_together(&settings, &data)? {
        let problem = match problem {
            Apart::TextEncoder => "with `--text bert`, models are trained one at a time",
            Apart::Patience => "with `--patience`, runs end at different epochs",
            Apart::Form => "of the forms, only `batched` is for several models",
            Apart::Model => "this model has no form for several seeds",
        };
        let problem = format!("`--together always`: {problem}");
        wrong_call::<TrainArgs>("almt-data train", ErrorKind::ArgumentConflict, &problem);
    }
    let results = match together && seeds.len() > 1 {
        true => fit_together(&settings, &seeds, &data, device, &out, start)?,
        false => seeds
            .iter()
            .map(|seed| {
                let settings = TrainSettings { seed: *seed, ..settings.clone() };
                fit_or_keep(&settings, &data, device, &of_seed(&out, *seed), start)
            })
            .collect::<Result<Vec<_>, _>>()?,
    };
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

/// The result of a run: of the one in the folder if it is complete, else of going on with it or of
/// beginning it.
pub(super) fn fit_or_keep(
    settings: &TrainSettings,
    data: &TrainingData,
    device: Device,
    folder: &Path,
    start: Start,
) -> Result<RunResult, Failure> {
    match kept(folder, settings, start)? {
        Some(Kept::Complete(result)) => Ok(*result),
        Some(Kept::Stopped) => fit(settings, data, device, folder, Start::Resume),
        None => fit(settings, data, device, folder, start),
    }
}

/// Trains the models of several seeds as one, each with a folder of its own below `out`. Complete runs
/// are kept, stopped ones go on.
pub(super) fn fit_together(
    settings: &TrainSettings,
    seeds: &[u64],
    data: &TrainingData,
    device: Device,
    out: &Path,
    start: Start,
) -> Result<Vec<RunResult>, Failure> {
    let of_seed = |seed: &u64| {
        let together_with = seeds.to_vec();
        let settings = TrainSettings { seed: *seed, together_with, ..settings.clone() };
        (settings, of_seed(out, *seed))
    };
    let runs: Vec<(TrainSettings, PathBuf)> = seeds.iter().map(of_seed).collect();
    let found = runs.iter().map(|(settings, folder)| kept(folder, settings, start));
    let found = found.collect::<Result<Vec<_>, _>>()?;
    let start = if found.iter().any(Option::is_some) { Start::Resume } else { start };
    let results: Option<Vec<RunResult>> = found
        .into_iter()
        .map(|kept| match kept {
            Some(Kept::Complete(result)) => Some(*result),
            _ => None,
        })
        .collect();
    if let Some(results) = results {
        return Ok(results);
    }
    let mut progress = Bar::new(settings, data.train.n_samples());
    let state = out.join(folder::STATE_TOGETHER);
    let results = run::train_together(&runs, data, device, &state, start, &mut progress);
    progress.bar.finish_and_clear();
    Ok(results?)
}

/// What a folder of a sweep holds already.
pub(super) enum Kept {
    Complete(Box<RunResult>),
    Stopped,
}

/// Looks whether a folder holds a run of the same settings.
pub(super) fn kept(
    folder: &Path,
    settings: &TrainSettings,
    start: Start,
) -> Result<Option<Kept>, Failure> {
    if start == Start::Overwrite || !folder::is_run(folder) {
        return Ok(None);
    }
    let found = folder::read_config(folder)?;
    // The words of the call that began it have no part in the result, and what it did not ask for may be
    // whatever it was.
    let expected = TrainSettings {
        command: found.command.clone(),
        form: settings.form.or(found.form),
        ..settings.clone()
    };
    if found != expected {
        return Err(Failure::at(folder, "holds a run of other settings")
            .hint("another `--out` keeps it; without that folder it is done again"));
    }
    Ok(Some(match folder::read_result(folder)? {
        Some(result) => Kept::Complete(Box::new(result)),
        None => Kept::Stopped,
    }))
}

pub(super) fn initial_weights(path: &Path) -> Result<InitialWeights, Failure> {
    let blake3 = weights::digest(path).map_err(TrainError::from)?;
    Ok(InitialWeights { path: absolute(path), blake3 })
}

/// Brings samples to the lengths of the model whose weights a run begins with, if these say of which
/// model they are.
pub(super) fn fit_to_initial(
    samples: &mut Samples,
    path: &Path,
    may_cut: bool,
) -> Result<(), Failure> {
    if let Some(info) = checkpoint::info(path).map_err(TrainError::from)? {
        samples.fit_to(path, &info, may_cut);
    }
    Ok(())
}

pub(super) fn load(
    samples: &Samples,
    settings: &TrainSettings,
    encoder: Option<Pretrained>,
    cache: Cache,
    device: Device,
) -> Result<TrainingData, Failure> {
    let reader = match (&encoder, &settings.text_encoder) {
        (Some(encoder), Some(choice)) => Some(TokenReader::of_run(encoder, &choice.tokens)?),
        _ => None,
    };
    let modalities = &settings.modalities;
    if let Some(split) = [SplitName::Train, SplitName::Valid].into_iter().find(|s| !samples.has(*s))
    {
        return Err(valid::missing_split(samples.store(), split));
    }
    let has_test = samples.has(SplitName::Test);
    let is_tested = has_test && samples.is_labelled(SplitName::Test);
    let mut lengths = BTreeMap::new();
    let mut load = |split| -> Result<TrainingSplit, Failure> {
        let (reader, labels) = (reader.as_ref(), Labels::Needed);
        let loaded = samples.load_fitted(split, modalities, reader, labels, cache, device)?;
        if !loaded.lengths.is_empty() {
            lengths.insert(split, loaded.lengths);
        }
        Ok(loaded.split)
    };
    let (train, valid) = (load(SplitName::Train)?, load(SplitName::Valid)?);
    if has_test && !is_tested {
        eprintln!("note: test has no regression labels: the run has no figures of it");
    }
    Ok(TrainingData {
        train,
        valid,
        test: is_tested.then(|| load(SplitName::Test)).transpose()?,
        lengths,
        encoder,
        graphs: true,
    })
}

pub(super) fn fit(
    settings: &TrainSettings,
    data: &TrainingData,
    device: Device,
    out: &Path,
    start: Start,
) -> Result<RunResult, Failure> {
    let mut progress = Bar::new(settings, data.train.n_samples());
    let result = run::train(settings, data, device, out, start, &mut progress);
    progress.bar.finish_and_clear();
    Ok(result?)
}

/// The modalities of a run; with `has_encoder`, text needs no features.
fn chosen_modalities(
    store: &Store,
    asked: &[Modality],
    has_encoder: bool,
    needs: &Needs,
) -> Result<Vec<Modality>, Failure> {
    // In any split, since a split manifest may make a training split of others.
    let has = |modality: &Modality| {
        let id = |split| ColumnKind::Features(*modality).of(split);
        let is_in = |split| store.manifest().column(&id(split)).is_some();
        (has_encoder && *modality == Modality::Text) || SplitName::ALL.into_iter().any(is_in)
    };
    let mut chosen: Vec<Modality> = match asked.is_empty() {
        true => {
            let is_used = |modality: &Modality| needs.of(*modality) != Need::Ignored;
            Modality::ALL.into_iter().filter(is_used).filter(has).collect()
        }
        false => asked.to_vec(),
    };
    chosen.sort();
    chosen.dedup();
    if let Some(absent) = chosen.iter().find(|modality| !has(modality)) {
        return Err(Failure::at(store.path(), format!("the store has no {absent}")));
    }
    if !chosen.contains(&Modality::Text) {
        return Err(valid::without_text(store, &chosen, has(&Modality::Text)));
    }
    Ok(chosen)
}
