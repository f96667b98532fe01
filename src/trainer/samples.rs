//! A store's splits, as read by the trainer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array3, Axis, Ix3};
use tch::Device;

use super::cache::CacheOptions;
use super::error::{FileProblem, StoreProblem, TrainerError};
use super::extents::{Extents, Fitted};
use super::note::Note;
use super::per_modality::PerModality;
use super::rows::StoreRows;
use super::tokens::TokenReader;
use crate::corpus::column::ColumnKind;
use crate::corpus::draw::{self, Drawable};
use crate::corpus::origin::{SplitOrigin, SplitRecord};
use crate::corpus::plan::{SplitPlan, StoreRow};
use crate::corpus::sharing::SharedVideos;
use crate::corpus::spec::SplitBy;
use crate::corpus::{Modality, SplitName};
use crate::model::Sequence;
use crate::model::contract::Needs;
use crate::pretrained::Tokenized;
use crate::run::folder;
use crate::run::label_map::LabelMap;
use crate::run::record::FittedLength;
use crate::run::settings::{FoldChoice, TrainSettings, ValidDraw};
use crate::store::Store;
use crate::train::config::ModelConfig;
use crate::train::corrupt::{CorruptRows, Corruptions};
use crate::train::data::{Blocks, Cache, FeatureRows, TrainingSplit};
use crate::train::{DataError, weights};

/// A path in absolute form, if it exists.
pub fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.into())
}

/// An open store, and the assignment of its rows to splits.
pub struct Samples {
    store: Arc<Store>,
    rows: BTreeMap<SplitName, Vec<StoreRow>>,
    origin: SplitOrigin,
    drawn_by: Option<SplitBy>,
    extents: Extents,
    corruptions: Corruptions,
    n_processes: u64,
    notes: Vec<Note>,
}

/// Whether samples need labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// For training or evaluation.
    Needed,
    /// For prediction.
    IfAny,
}

/// The data to load for a split.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Modalities that come as features.
    pub modalities: &'a [Modality],
    /// The model's other needs.
    pub needs: Needs,
    /// Produces tokens for the model's text encoder, which then replace text features.
    pub reader: Option<&'a TokenReader>,
    /// Whether samples need labels.
    pub labels: Labels,
    /// What labels become for the model.
    pub label_map: Option<LabelMap>,
    /// Placement of features.
    pub cache: Cache,
    /// The model's device.
    pub device: Device,
}

/// A loaded split.
pub struct Loaded {
    /// The samples.
    pub split: TrainingSplit,
    /// Each sample's label, if it has one.
    pub labels: Vec<Option<f32>>,
    /// Lengths that were changed.
    pub lengths: Vec<FittedLength>,
    /// Samples that were cut.
    pub cut: BTreeSet<usize>,
}

impl Samples {
    /// The store's own splits.
    pub fn of(store: Store) -> Samples {
        let rows = SplitName::ALL.map(|split| {
            let rows = (0..store.ids(split).len()).map(|row_idx| StoreRow { split, row_idx });
            (split, rows.collect())
        });
        Samples::with_rows(store, rows.into())
    }

    /// The splits that a checkpoint's run was trained with, if it was trained on this store; otherwise the
    /// store's own.
    pub fn of_run(store: Store, checkpoint: &Path) -> Result<Samples, TrainerError> {
        let folder = checkpoint.parent().unwrap_or(Path::new("."));
        let is_run = folder.join(folder::CONFIG).is_file() && checkpoint.ends_with(folder::BEST);
        let settings = is_run.then(|| folder::read_config(folder)).transpose()?;
        match settings.filter(|settings| settings.store_digest == store.manifest().digest) {
            None => Ok(Samples::of(store)),
            Some(settings) => {
                let mut samples = Samples::of_settings(store, &settings)?;
                samples.notes.extend(settings.split_manifest.map(Note::SplitsOfRun));
                Ok(samples)
            }
        }
    }

    /// The splits of a run on this store: those of its split manifest, which must not have changed, or
    /// the store's own, of which the run may have drawn a validation split from the training split.
    pub fn of_settings(store: Store, settings: &TrainSettings) -> Result<Samples, TrainerError> {
        match (&settings.split_manifest, &settings.valid_from_train) {
            (Some(FoldChoice { path, blake3, fold }), _) => {
                let (samples, found) = Samples::of_fold(store, path, *fold)?;
                match found.blake3 == *blake3 {
                    true => Ok(samples),
                    false => Err(TrainerError::file(path, FileProblem::Changed)),
                }
            }
            (None, Some(draw)) => Samples::with_valid_from_train(store, draw),
            (None, None) => Ok(Samples::of(store)),
        }
    }

    fn with_rows(store: Store, rows: BTreeMap<SplitName, Vec<StoreRow>>) -> Samples {
        let extents = Extents::longest(&store);
        let manifest = store.manifest();
        let origin = SplitOrigin::of_store(manifest.dataset, &manifest.ids());
        Samples {
            store: Arc::new(store),
            rows,
            origin,
            drawn_by: None,
            extents,
            corruptions: Corruptions::default(),
            n_processes: 1,
            notes: Vec::new(),
        }
    }

    /// Where the splits come from, and the videos that they share.
    pub fn splits(&self) -> SplitRecord {
        let id = |row: &StoreRow| &*self.store.ids(row.split)[row.row_idx];
        let ids = self.rows.iter().map(|(split, rows)| (*split, rows.iter().map(id).collect()));
        let videos = SharedVideos::of(&ids.collect());
        SplitRecord { origin: self.origin, by: self.drawn_by, videos }
    }

    /// The splits of one fold of a split manifest.
    pub fn of_fold(
        store: Store,
        path: &Path,
        fold: usize,
    ) -> Result<(Samples, FoldChoice), TrainerError> {
        let plan = SplitPlan::load_for(path, store.manifest())?;
        let rows = plan.rows(fold, store.manifest());
        let rows = rows.map_err(|error| TrainerError::file(path, FileProblem::Plan(error)))?;
        let n_segments = plan.n_left_out(fold, store.manifest());
        let choice = FoldChoice { path: absolute(path), blake3: weights::digest(path)?, fold };
        let mut samples = Samples::with_rows(store, rows);
        samples.drawn_by = plan.by();
        if !plan.keeps_test() {
            samples.origin = SplitOrigin::Drawn;
        }
        if n_segments > 0 {
            samples.notes.push(Note::LeftOut { manifest: path.into(), fold, n_segments });
        }
        Ok((samples, choice))
    }

    /// Fits everything loaded from now on to the lengths of a checkpoint's model.
    pub fn fit_to(&mut self, checkpoint: &Path, config: &ModelConfig, may_cut: bool) {
        self.extents = Extents::of_model(checkpoint, config, may_cut);
    }

    /// Adds a note to those that [`Samples::take_notes`] returns.
    pub fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// Number of tokens per text, if the store has tokens.
    pub fn n_tokens(&self) -> Option<usize> {
        self.extents.n_tokens()
    }

    /// The splits that are padded to another one's length, as in all training.
    pub fn padded(&self, modalities: &[Modality], with_tokens: bool) -> Vec<Note> {
        let notes = self.extents.notes(&self.store, modalities, with_tokens);
        notes.into_iter().map(Note::Padded).collect()
    }

    /// The notes since the last call.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// The store's own splits, with a validation split drawn from the training split in place of none, or
    /// of one without labels.
    ///
    /// # Errors
    /// The store cannot be read, has no training split or has a validation split with labels.
    pub fn with_valid_from_train(store: Store, draw: &ValidDraw) -> Result<Samples, TrainerError> {
        let train: Vec<Drawable> = store.drawable(&[SplitName::Train])?;
        let shares = [1.0 - draw.fraction, draw.fraction];
        let plan = draw::from_train(store.manifest(), &train, shares, draw.by, draw.seed);
        let rows = plan.and_then(|plan| plan.rows(0, store.manifest()));
        let rows = rows.map_err(|error| TrainerError::unfit(store.path(), error))?;
        let n_left_out = store.manifest().split(SplitName::Valid).map_or(0, |it| it.ids.len());
        let n_drawn = rows.get(&SplitName::Valid).map_or(0, Vec::len);
        let note = Note::ValidDrawn { n_drawn, n_segments: train.len(), by: draw.by };
        let mut samples = Samples::with_rows(store, rows);
        samples.drawn_by = Some(draw.by);
        if n_left_out > 0 {
            samples.notes.push(Note::ValidLeftOut { n_segments: n_left_out });
        }
        samples.notes.push(note);
        Ok(samples)
    }

    /// Corrupts everything loaded from now on.
    pub fn corrupt(&mut self, corruptions: Corruptions) {
        self.corruptions = corruptions;
    }

    /// Sets the number of processes like this one that share the machine's memory.
    pub fn share_memory(&mut self, n_processes: usize) {
        self.n_processes = n_processes as u64;
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Target extents of each modality that has features in the store.
    pub fn sequences(&self) -> BTreeMap<Modality, Sequence> {
        self.extents.wanted().clone()
    }

    /// Whether a split has samples.
    pub fn has(&self, split: SplitName) -> bool {
        self.rows.get(&split).is_some_and(|rows| !rows.is_empty())
    }

    /// Number of samples in a split.
    pub fn n_samples(&self, split: SplitName) -> usize {
        self.rows.get(&split).map_or(0, Vec::len)
    }

    /// Whether a split's samples have labels.
    pub fn is_labelled(&self, split: SplitName) -> bool {
        let has_labels = |of: SplitName| {
            self.store.manifest().column(&ColumnKind::RegressionLabels.of(of)).is_some()
        };
        self.rows.get(&split).is_some_and(|rows| rows.iter().all(|row| has_labels(row.split)))
    }

    /// Placement of features, as requested or as the device's memory allows.
    pub fn cache(&self, options: &CacheOptions, modalities: &[Modality], device: Device) -> Cache {
        options.resolve(&self.store, modalities, device, self.n_processes)
    }

    /// One split for the trainer, with its changed lengths.
    ///
    /// # Errors
    /// The store cannot be read, or lacks what is wanted.
    pub fn load(&mut self, split: SplitName, wanted: Wanted<'_>) -> Result<Loaded, TrainerError> {
        let Wanted { needs, reader, cache, device, .. } = wanted;
        let rows = self.rows.get(&split).cloned().unwrap_or_default();
        if rows.is_empty() {
            return Err(self.about(DataError::EmptySplit { split }));
        }
        let mut labels_of = BTreeMap::new();
        for of in SplitName::ALL {
            if rows.iter().any(|row| row.split == of) {
                labels_of.insert(
                    of,
                    match wanted.labels {
                        Labels::Needed => Some(self.store.needed_labels(of)?),
                        Labels::IfAny => self.store.labels(of)?,
                    },
                );
            }
        }
        let ids: Vec<String> =
            rows.iter().map(|row| self.store.ids(row.split)[row.row_idx].clone()).collect();
        let labels: Vec<Option<f32>> =
            rows.iter().map(|row| Some(labels_of[&row.split].as_ref()?[row.row_idx])).collect();
        let is_complete =
            labels.iter().flatten().filter(|label| label.is_finite()).count() == ids.len();
        let targets = (is_complete || wanted.labels == Labels::Needed)
            .then(|| labels.iter().copied().flatten().collect());
        let fitted = Arc::new(Fitted::default());
        let mut notes = Vec::new();
        let mut tokens = match reader {
            Some(reader) => Some(self.tokens(split, &rows, reader, &fitted, &mut notes)?),
            None => None,
        };
        if let Some(tokens) = &mut tokens {
            let done = self.corruptions.of_tokens(&ids, tokens);
            done.map_err(|problem| self.about(StoreProblem::Corruption { problem }))?;
        }
        let as_features = |modality: &Modality| *modality != Modality::Text || tokens.is_none();
        let modalities: Vec<Modality> =
            wanted.modalities.iter().copied().filter(as_features).collect();
        let per_modality =
            PerModality::read(&self.store, &rows, wanted.modalities, &needs, tokens.as_ref())?;
        let (store, fitting) = (Arc::clone(&self.store), Arc::clone(&fitted));
        let rows = StoreRows::new(store, rows, &modalities, &self.extents, fitting)?;
        let mut rows: Box<dyn FeatureRows> = Box::new(rows);
        // Before anything is corrupted: a modality that is missing has zeros in place of its steps, and
        // what is cut to its length keeps its own.
        let lengths = match needs.lengths {
            true => per_modality.lengths(&*rows, ids.len()),
            false => Ok(BTreeMap::new()),
        };
        let lengths = lengths.map_err(|cause| self.about(DataError::Features { split, cause }))?;
        if !self.corruptions.is_empty() {
            let (ids, corruptions) = (ids.clone(), self.corruptions.clone());
            rows = Box::new(CorruptRows { rows, ids, corruptions });
        }
        let blocks = match needs.means {
            true => Blocks::of_means(rows),
            false => Blocks::of_steps(rows),
        };
        let loaded = TrainingSplit::new(split, ids, targets, blocks, tokens, cache, device);
        let mut loaded = loaded.map_err(|error| self.about(error))?;
        loaded.set_label_map(wanted.label_map);
        for (modality, lengths) in lengths {
            loaded.set_lengths(modality, &lengths)?;
        }
        for (modality, labels) in per_modality.labels {
            loaded.set_unimodal_labels(modality, &labels)?;
        }
        self.notes.append(&mut notes);
        let lengths = fitted.lengths();
        self.extents.check_cut(&self.store, split, loaded.n_samples(), &lengths)?;
        let labels =
            labels.into_iter().map(|label| label.filter(|label| label.is_finite())).collect();
        Ok(Loaded { split: loaded, labels, lengths, cut: fitted.cut_samples() })
    }

    /// Tokens of some rows, `[n_rows, 3, seq_len]`.
    fn tokens(
        &self,
        split: SplitName,
        rows: &[StoreRow],
        reader: &TokenReader,
        fitted: &Fitted,
        notes: &mut Vec<Note>,
    ) -> Result<Array3<i32>, TrainerError> {
        let tokens = match &reader.tokenizer {
            None => {
                let pad_id = i32::try_from(reader.bert.pad_token_id).unwrap_or_default();
                self.stored_tokens(rows, pad_id, fitted)?
            }
            Some(tokenizer) => {
                let Tokenized { text_bert, n_cut: n_texts } =
                    tokenizer.encode(&self.texts(rows)?)?;
                if n_texts > 0 {
                    let (split, n_tokens) = (Some(split), text_bert.dim().2);
                    notes.push(Note::TextsCut { split, n_texts, n_tokens });
                }
                text_bert
            }
        };
        let unknown = |cause| self.about(DataError::Tokens { split, cause });
        reader.bert.check_tokens(tokens.view()).map_err(unknown)?;
        Ok(tokens)
    }

    /// `raw_text` of some rows.
    fn texts(&self, rows: &[StoreRow]) -> Result<Vec<String>, TrainerError> {
        let mut all = BTreeMap::new();
        for of in SplitName::ALL {
            if rows.iter().any(|row| row.split == of) {
                let texts = self.store.strings(&ColumnKind::RawText.of(of))?;
                let absent = || self.about(DataError::NoTexts { split: of });
                all.insert(of, texts.ok_or_else(absent)?);
            }
        }
        Ok(rows.iter().map(|row| all[&row.split][row.row_idx].clone()).collect())
    }

    /// `text_bert` of some rows, `[n_rows, 3, seq_len]`.
    fn stored_tokens(
        &self,
        rows: &[StoreRow],
        pad_id: i32,
        fitted: &Fitted,
    ) -> Result<Array3<i32>, TrainerError> {
        let mut all: BTreeMap<SplitName, Array3<i32>> = BTreeMap::new();
        let absent = || self.about(DataError::NoTokens);
        for of in SplitName::ALL {
            if rows.iter().any(|row| row.split == of) {
                let tokens = self.store.numbers::<i32>(&ColumnKind::TextBert.of(of))?;
                let tokens = tokens.and_then(|tokens| tokens.into_dimensionality::<Ix3>().ok());
                all.insert(of, tokens.ok_or_else(absent)?);
            }
        }
        let fit = |(sample_idx, row): (usize, &StoreRow)| {
            let tokens = all[&row.split].index_axis(Axis(0), row.row_idx);
            self.extents.fit_tokens(sample_idx, tokens, pad_id, fitted)
        };
        let rows: Vec<_> = rows.iter().enumerate().map(fit).collect();
        let rows: Vec<_> = rows.iter().map(|row| row.view()).collect();
        // All texts have the same number of tokens here.
        ndarray::stack(Axis(0), &rows).map_err(|_| self.about(DataError::NoTokens))
    }

    /// The error that the store does not suit.
    fn about(&self, cause: impl Into<StoreProblem>) -> TrainerError {
        TrainerError::unfit(self.store.path(), cause)
    }
}
