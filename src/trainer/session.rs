//! A prepared run: settings and samples, from a store or from the folder of an earlier run.

use std::collections::BTreeMap;
use std::path::Path;

use tch::Device;

use super::cache::CacheOptions;
use super::error::{FileProblem, StoreProblem, TrainerError};
use super::note::Note;
use super::options::{EncoderOptions, TrainOptions};
use super::ready::{check_needs, check_valid, chosen_modalities, missing_split};
use super::samples::{Labels, Samples, Wanted, absolute};
use super::schema;
use super::suits;
use super::tokens::TokenReader;
use crate::corpus::column::ColumnKind;
use crate::corpus::label::LabelScale;
use crate::corpus::spec::{DatasetSpec, SplitBy};
use crate::corpus::{Dataset, Modality, SplitName};
use crate::model::registry::{Inputs, ModelSpec};
use crate::model::{BertConfig, Sequence};
use crate::pretrained::{DEFAULT_MAX_LEN, Pretrained, TextSource};
use crate::run::label_map::LabelMap;
use crate::run::preset::Preset;
use crate::run::recipe::Phase;
use crate::run::schedule::Schedule;
use crate::run::settings::{
    EncoderChoice, FoldChoice, InitialWeights, Precision, TokenChoice, TrainSettings, ValidDraw,
};
use crate::store::Store;
use crate::train::checkpoint::{self, CheckpointInfo};
use crate::train::config::ModelConfig;
use crate::train::data::TrainingData;
use crate::train::data::{Cache, TrainingSplit};
use crate::train::device;
use crate::train::encoder;
use crate::train::inferred;
use crate::train::weights;

/// Random seed for drawing a run's validation split, the same for every seed of the run.
pub const VALID_SEED: u64 = 1;

/// Maximum number of epochs for which an idle epoch matters.
const SHORT: usize = 10;

/// A run that is ready to start, resume or repeat.
pub struct Session {
    /// The settings, which fully determine it.
    pub settings: TrainSettings,
    /// Its samples, on the device or read from the store.
    pub data: TrainingData,
    /// The model's device.
    pub device: Device,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Session {
    /// Prepares a run on a store. `note` receives remarks about it.
    ///
    /// # Errors
    /// The store does not suit the model, or a setting is invalid.
    pub fn new(
        store: Store,
        device: Device,
        options: &TrainOptions,
        note: &mut dyn FnMut(Note),
    ) -> Result<Session, TrainerError> {
        check_numbers(&store)?;
        let has_all = options.modalities.is_empty();
        let own_splits = options.fold.is_none();
        check_valid(&store, own_splits, has_all, options.force)?.into_iter().for_each(&mut *note);
        let (preset, hyper_parameters) = hyper_parameters(&store, options)?;
        let encoder = options.encoder.as_ref();
        let pretrained = encoder.map(|encoder| Pretrained::open(&encoder.folder)).transpose()?;
        let of_encoder = pretrained.iter().flat_map(Pretrained::notes);
        of_encoder.for_each(|words| note(Note::Encoder(words.clone())));
        let text_encoder = match (&pretrained, encoder) {
            (Some(pretrained), Some(encoder)) => {
                let reader = suits::Reader::new(pretrained, encoder.source);
                suits::check(&store, reader, options.force)?.into_iter().for_each(&mut *note);
                Some(encoder_choice(pretrained, encoder, &hyper_parameters)?)
            }
            _ => None,
        };
        let model = hyper_parameters.model.name();
        let needs = hyper_parameters.model.needs();
        let has_encoder = pretrained.is_some();
        let modalities = chosen_modalities(&store, &options.modalities, has_encoder, &needs)?;
        check_needs(&store, model, &needs, &modalities, has_encoder)?;
        let manifest = store.manifest();
        let (dataset, store_digest) = (manifest.dataset, manifest.digest.clone());
        let (label_scale, label_map) =
            (manifest.label_scale.clone(), LabelMap::of(manifest.scale(), preset));
        if dataset == Dataset::Own {
            note(Note::PresetOf { preset, is_chosen: options.preset.is_some() });
        }
        if let (Some(map), Some(labels)) = (label_map, manifest.scale().range()) {
            let model = labels.map(|label| map.to_model(label));
            note(Note::LabelsMapped { labels, model });
        }
        let store_path = absolute(store.path());
        let valid_from_train = options.valid_from_train.map(|it| ValidDraw {
            fraction: it.fraction,
            by: it.by,
            seed: VALID_SEED,
        });
        let (mut samples, split_manifest) = match (&options.fold, &valid_from_train) {
            (Some(it), _) => {
                let (samples, choice) = Samples::of_fold(store, &it.manifest, it.fold)?;
                (samples, Some(choice))
            }
            (None, Some(draw)) => (Samples::with_valid_from_train(store, draw)?, None),
            (None, None) => (Samples::of(store), None),
        };
        samples.take_notes().into_iter().for_each(&mut *note);
        shared_videos(&samples, own_splits).into_iter().for_each(&mut *note);
        let init_from = options.init_from.as_deref().map(initial_weights).transpose()?;
        if let Some(n_threads) = options.n_threads {
            tch::set_num_threads(n_threads.into());
        }
        let encoder_read = pretrained.as_ref().zip(text_encoder.as_ref());
        let data_schema = Some(schema::of_run(&samples, &modalities, encoder_read));
        let settings = TrainSettings {
            dataset,
            store: store_path,
            store_digest,
            modalities,
            seed: options.seed.unwrap_or(1),
            select: match &options.select {
                Some(select) => select.clone(),
                None => hyper_parameters.training.select.clone(),
            },
            patience: options.patience.or(hyper_parameters.training.patience),
            device: device::name(device),
            precision: options.precision,
            form: options.form,
            together_with: vec![],
            n_threads: tch::get_num_threads(),
            writer: concat!("almt-data ", env!("CARGO_PKG_VERSION")).into(),
            libtorch: crate::train::libtorch_version(),
            command: options.command.clone(),
            split_manifest,
            valid_from_train,
            text_encoder,
            init_from,
            data_schema,
            label_scale,
            label_map,
            hyper_parameters,
        };
        let phases = &settings.hyper_parameters.phases;
        let n_epochs = settings.hyper_parameters.training.epochs;
        let is_idle = |phase: &Phase| phase.schedule == Schedule::WarmupCosine {};
        if n_epochs <= SHORT && phases.iter().any(is_idle) {
            note(Note::IdleEpoch { n_epochs });
        }
        if options.precision == Precision::Tf32 && !device.is_cuda() {
            note(Note::Tf32OnCpu);
        }
        if let Some(initial) = &settings.init_from {
            let bert = pretrained.as_ref().map(Pretrained::config);
            fit_to_initial(&mut samples, initial, &settings, bert, options.fit_lengths)?;
        }
        let has_stored_tokens = encoder.is_some_and(|it| it.source == TextSource::TextBert);
        let padded = samples.padded(&settings.modalities, has_stored_tokens);
        padded.into_iter().for_each(&mut *note);
        let cache = samples.cache(&options.cache, &settings.modalities, device);
        let mut data = load(&mut samples, &settings, pretrained, cache, device, note)?;
        data.graphs = !options.is_piecewise;
        if settings.init_from.is_some() {
            for (split, lengths) in &data.lengths {
                let fitted = lengths.iter().cloned();
                fitted.for_each(|length| note(Note::Fitted { split: *split, length }));
            }
        }
        Ok(Session { settings, data, device })
    }

    /// Opens a run's inputs and checks them against its settings. The store may have moved.
    ///
    /// # Errors
    /// An input differs from the run's, or cannot be read.
    pub fn reopen(
        settings: TrainSettings,
        store: Option<&Path>,
        device: Device,
        cache: &CacheOptions,
        note: &mut dyn FnMut(Note),
    ) -> Result<Session, TrainerError> {
        let path = store.unwrap_or(&settings.store);
        let store = Store::open(path)?;
        let found = &store.manifest().digest;
        if *found != settings.store_digest {
            let (expected, found) = (settings.store_digest.clone(), found.clone());
            return Err(TrainerError::unfit(path, StoreProblem::OtherStore { expected, found }));
        }
        let compare = |path: &Path, expected: &str, found: &str| match expected == found {
            true => Ok(()),
            false => Err(TrainerError::file(path, FileProblem::Changed)),
        };
        if let Some(initial) = &settings.init_from {
            let found = initial_weights(&initial.path)?;
            compare(&initial.path, &initial.blake3, &found.blake3)?;
        }
        tch::set_num_threads(settings.n_threads);
        let mut encoder = None;
        if let Some(choice) = &settings.text_encoder {
            let found = Pretrained::open(&choice.path)?;
            compare(&choice.path, &choice.sha256, &found.weight_digests().sha256)?;
            encoder = Some(found);
        }
        let mut samples = Samples::of_settings(store, &settings)?;
        samples.take_notes().into_iter().for_each(&mut *note);
        if let Some(initial) = &settings.init_from {
            // Cutting was permitted when the run began.
            let bert = encoder.as_ref().map(Pretrained::config);
            fit_to_initial(&mut samples, initial, &settings, bert, true)?;
        }
        let cache = samples.cache(cache, &settings.modalities, device);
        let data = load(&mut samples, &settings, encoder, cache, device, note)?;
        Ok(Session { settings, data, device })
    }
}

/// The note that the training split shares videos, unless the store's own splits must not and a note
/// about its validity says so.
fn shared_videos(samples: &Samples, own_splits: bool) -> Option<Note> {
    let is_known = own_splits
        && DatasetSpec::of(samples.store().manifest().dataset)
            .is_some_and(|spec| spec.split_by == SplitBy::Video);
    let splits = samples.splits();
    (splits.videos.any() && !is_known).then_some(Note::SharedVideos(splits))
}

/// Checks that the labels are numbers, if the dataset is one's own.
fn check_numbers(store: &Store) -> Result<(), TrainerError> {
    match store.manifest().scale() {
        LabelScale::Own(own) if own.is_unordered() => {
            let (n_classes, first) = (own.classes().len(), own.classes().first().cloned());
            let first = first.unwrap_or_default();
            Err(TrainerError::unfit(store.path(), StoreProblem::NamedClasses { n_classes, first }))
        }
        _ => Ok(()),
    }
}

/// A model's preset with all requested changes, and the dataset that it is for.
fn hyper_parameters(
    store: &Store,
    options: &TrainOptions,
) -> Result<(Dataset, Preset), TrainerError> {
    let model = options.model.as_deref().unwrap_or(ModelSpec::NAMES[0]);
    let unknown = || TrainerError::Setting(format!("unknown model `{model}`"));
    let dataset = options.preset.unwrap_or(Preset::usual(store.manifest().dataset));
    let mut preset = Preset::published(model, dataset).ok_or_else(unknown)?;
    let training = &mut preset.training;
    training.epochs = options.epochs.unwrap_or(training.epochs);
    training.batch_size = options.batch_size.unwrap_or(training.batch_size);
    if let Some(lr) = options.lr {
        preset.set_lr(lr);
    }
    if let Some(schedule) = options.schedule {
        preset.phases.iter_mut().for_each(|phase| phase.schedule = schedule);
    }
    match (options.residual, &mut preset.model) {
        (None, _) => {}
        (Some(residual), ModelSpec::Almt(config)) => config.sizes.residual = residual,
        (Some(_), _) => {
            return Err(TrainerError::Setting(format!("{model} has no residual to choose")));
        }
    }
    let two_rates = |what: &str, lr: f64| {
        let problem = format!("two {what}: {lr}, and another one set by name; give only one");
        TrainerError::Setting(problem)
    };
    // A group added for an encoder gets the settings of the rest, unless it has its own.
    let group = |assignment: &str| assignment.split(['.', '=']).nth(1).map(str::to_owned);
    let is_late = |assignment: &&String| group(assignment).is_some_and(|it| it == encoder::GROUP);
    let (late, early): (Vec<&String>, Vec<&String>) = options.set.iter().partition(is_late);
    let base = preset.base_lrs();
    for assignment in early {
        preset.set(assignment).map_err(TrainerError::Setting)?;
    }
    if let Some(lr) = options.lr
        && preset.base_lrs() != base
    {
        return Err(two_rates("base learning rates", lr));
    }
    let trained = options.encoder.as_ref().filter(|encoder| !encoder.is_frozen);
    match trained {
        Some(_) => encoder::add_groups(&mut preset),
        None => encoder::remove_groups(&mut preset),
    }
    let lr = trained.and_then(|encoder| encoder.lr);
    if let Some(lr) = lr {
        encoder::set_lr(&mut preset, lr);
    }
    let before = encoder::lrs(&preset);
    for assignment in late {
        preset.set(assignment).map_err(TrainerError::Setting)?;
    }
    match lr {
        Some(lr) if encoder::lrs(&preset) != before => Err(two_rates("rates of the encoder", lr)),
        _ => Ok((dataset, preset)),
    }
}

/// A run's record of its text encoder.
///
/// # Errors
/// Its tokenizer cannot be read.
pub(super) fn encoder_choice(
    pretrained: &Pretrained,
    options: &EncoderOptions,
    recipe: &Preset,
) -> Result<EncoderChoice, TrainerError> {
    let tokens = match options.source {
        TextSource::TextBert => TokenChoice::TextBert,
        TextSource::RawText => {
            let max_len = options.max_len.unwrap_or(DEFAULT_MAX_LEN);
            let tokenizer_blake3 = pretrained.tokenizer(max_len)?.blake3().into();
            TokenChoice::RawText { max_len, tokenizer_blake3 }
        }
    };
    Ok(EncoderChoice {
        path: absolute(pretrained.folder()),
        sha256: pretrained.weight_digests().sha256.clone(),
        lr: encoder::lrs(recipe).into_iter().fold(0.0, f64::max),
        tokens,
    })
}

/// A weight file and its digest.
fn initial_weights(path: &Path) -> Result<InitialWeights, TrainerError> {
    Ok(InitialWeights { path: absolute(path), blake3: weights::digest(path)? })
}

/// Fits samples to the lengths of a run's initial model, as far as its weights tell them.
///
/// # Errors
/// The weights are of a model that the run cannot train on this store.
fn fit_to_initial(
    samples: &mut Samples,
    initial: &InitialWeights,
    settings: &TrainSettings,
    bert: Option<&BertConfig>,
    may_cut: bool,
) -> Result<(), TrainerError> {
    let path = &initial.path;
    let config = match checkpoint::info(path)? {
        Some(info) => {
            check_initial(path, &info, settings)?;
            info.config
        }
        None => inferred::fitted(path, &config_on(samples, settings, bert))?,
    };
    let (found, wanted): (Vec<Modality>, _) =
        (config.inputs.0.keys().copied().collect(), &settings.modalities);
    if found != *wanted {
        let has = |modality: &Modality| {
            wanted.contains(modality) || samples.sequences().contains_key(modality)
        };
        let absent = found.iter().copied().find(|modality| !has(modality));
        return Err(match absent {
            Some(absent) => {
                let (id, model) = (ColumnKind::Features(absent).of(SplitName::Train), path.clone());
                let cause = StoreProblem::Absent { id, model: Some(model) };
                TrainerError::unfit(samples.store().path(), cause)
            }
            None => {
                let wanted = wanted.clone();
                TrainerError::file(path, FileProblem::OtherModalities { found, wanted })
            }
        });
    }
    samples.fit_to(path, &config, may_cut);
    Ok(())
}

/// Checks a checkpoint that a run begins with. One of another dataset may have a model of the same sizes.
fn check_initial(
    path: &Path,
    info: &CheckpointInfo,
    settings: &TrainSettings,
) -> Result<(), TrainerError> {
    let spec = &settings.hyper_parameters.model;
    let (found, wanted) = (info.config.spec.name(), spec.name());
    if found != wanted {
        return Err(TrainerError::file(path, FileProblem::OtherModel { found, wanted }));
    }
    let (trained_on, found) = (info.dataset, settings.dataset);
    if trained_on == found {
        return Ok(());
    }
    let own = ModelConfig { spec: spec.clone(), ..info.config.clone() };
    match own.shapes() == info.config.shapes() {
        true => Ok(()),
        false => Err(TrainerError::file(path, FileProblem::OtherDataset { trained_on, found })),
    }
}

/// Configuration of a run's model for the samples as they are.
fn config_on(
    samples: &Samples,
    settings: &TrainSettings,
    bert: Option<&BertConfig>,
) -> ModelConfig {
    let mut inputs = samples.sequences();
    inputs.retain(|modality, _| settings.modalities.contains(modality));
    if let Some(bert) = bert {
        let stored = samples.n_tokens();
        let n_tokens = match settings.text_encoder.as_ref().map(|it| &it.tokens) {
            Some(TokenChoice::RawText { max_len, .. }) => *max_len,
            _ => stored.unwrap_or(DEFAULT_MAX_LEN),
        };
        let seq_len = i64::try_from(n_tokens).unwrap_or(i64::MAX);
        inputs.insert(Modality::Text, Sequence { seq_len, feat_dim: bert.hidden_size });
    }
    let spec = settings.hyper_parameters.model.clone();
    ModelConfig { spec, inputs: Inputs(inputs), bert: bert.cloned() }
}

/// The samples of a run.
///
/// # Errors
/// A split is absent or cannot be read.
pub(crate) fn load(
    samples: &mut Samples,
    settings: &TrainSettings,
    encoder: Option<Pretrained>,
    cache: Cache,
    device: Device,
    note: &mut dyn FnMut(Note),
) -> Result<TrainingData, TrainerError> {
    let reader = match (&encoder, &settings.text_encoder) {
        (Some(encoder), Some(choice)) => Some(TokenReader::of_run(encoder, &choice.tokens)?),
        _ => None,
    };
    if let Some(split) = [SplitName::Train, SplitName::Valid].into_iter().find(|s| !samples.has(*s))
    {
        return Err(match &settings.split_manifest {
            None => missing_split(samples.store(), split),
            Some(FoldChoice { path, fold, .. }) => {
                let (fold, store) = (*fold, samples.store().path().to_owned());
                TrainerError::file(path, FileProblem::MissingSplit { fold, split, store })
            }
        });
    }
    // A validation split can be drawn, unlike labels.
    let is_labelled = |split| samples.is_labelled(split);
    if settings.split_manifest.is_none()
        && is_labelled(SplitName::Train)
        && !is_labelled(SplitName::Valid)
    {
        return Err(TrainerError::unfit(samples.store().path(), StoreProblem::ValidUnlabelled));
    }
    let has_test = samples.has(SplitName::Test);
    let is_tested = has_test && samples.is_labelled(SplitName::Test);
    let mut lengths = BTreeMap::new();
    let wanted = Wanted {
        modalities: &settings.modalities,
        needs: settings.hyper_parameters.model.needs(),
        reader: reader.as_ref(),
        labels: Labels::Needed,
        label_map: settings.label_map,
        cache,
        device,
    };
    let mut load = |split| -> Result<TrainingSplit, TrainerError> {
        let loaded = samples.load(split, wanted)?;
        samples.take_notes().into_iter().for_each(&mut *note);
        if !loaded.lengths.is_empty() {
            lengths.insert(split, loaded.lengths);
        }
        Ok(loaded.split)
    };
    let (train, valid) = (load(SplitName::Train)?, load(SplitName::Valid)?);
    let test = is_tested.then(|| load(SplitName::Test)).transpose()?;
    if has_test && !is_tested {
        note(Note::TestUnlabelled);
    }
    let splits = Some(samples.splits());
    Ok(TrainingData { train, valid, test, lengths, splits, encoder, graphs: true })
}
