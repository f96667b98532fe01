//! A store's splits as the trainer reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use ndarray::{Array3, Axis, Ix3};
use tch::Device;

use super::extents::{Extents, Fitted, fit_features};
use super::tokens::TokenReader;
use crate::cli::{Failure, number};
use crate::corpus::column::{ColumnKind, Dtype};
use crate::corpus::draw;
use crate::corpus::plan::{PlanError, SplitPlan, StoreRow};
use crate::corpus::{Modality, RowError, SplitName};
use crate::model::Sequence;
use crate::pretrained::Tokenized;
use crate::run::folder;
use crate::run::record::FittedLength;
use crate::run::settings::{FoldChoice, TrainSettings, ValidDraw};
use crate::split::segments_of;
use crate::store::{Store, StoreError};
use crate::train::checkpoint::CheckpointInfo;
use crate::train::corrupt::{CorruptRows, Corruptions};
use crate::train::data::{Cache, FeatureRows, TrainingSplit};
use crate::train::device;
use crate::train::{DataError, TrainError};

/// Where features lie while they are used.
#[derive(Args)]
pub struct CacheArgs {
    /// Where the features lie during the run: auto (in the device's memory where they take at
    /// most half of what is free), memory, or disk (each batch is read from the store ahead of its step)
    #[arg(long, default_value = "auto", value_parser = ["auto", "memory", "disk"])]
    cache: String,
    /// Threads that read batches with `--cache disk`; the result does not depend on it
    #[arg(long, default_value_t = 1, value_parser = number::within::<u8>(1, 64), value_name = "N")]
    loader_threads: u8,
}

/// An open store, and which of its rows make up which split.
pub struct Samples {
    store: Arc<Store>,
    rows: BTreeMap<SplitName, Vec<StoreRow>>,
    extents: Extents,
    corruptions: Corruptions,
    n_processes: u64,
}

/// Whether samples can do without labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// To train or to evaluate.
    Needed,
    /// To predict.
    IfAny,
}

/// A split as it was loaded.
pub struct Loaded {
    pub split: TrainingSplit,
    /// The label of each sample that has one.
    pub labels: Vec<Option<f32>>,
    /// What came to another length.
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

    /// The splits that the run of a checkpoint had: its validation split, if it drew one from the
    /// training split of this store and one of the two is `wanted`; and else the store's own.
    pub fn of_run(
        store: Store,
        checkpoint: &Path,
        wanted: &[SplitName],
    ) -> Result<Samples, Failure> {
        let folder = checkpoint.parent().unwrap_or(Path::new("."));
        let is_run = folder.join(folder::CONFIG).is_file() && checkpoint.ends_with(folder::BEST);
        let settings = is_run.then(|| folder::read_config(folder)).transpose()?;
        let is_wanted = wanted.iter().any(|split| *split != SplitName::Test);
        let is_of_store = |settings: &TrainSettings| {
            is_wanted && settings.store_digest == store.manifest().digest
        };
        match settings.filter(is_of_store).and_then(|settings| settings.valid_from_train) {
            None => Ok(Samples::of(store)),
            Some(draw) => Samples::with_valid_from_train(store, &draw),
        }
    }

    fn with_rows(store: Store, rows: BTreeMap<SplitName, Vec<StoreRow>>) -> Samples {
        let extents = Extents::longest(&store);
        let corruptions = Corruptions::default();
        Samples { store: Arc::new(store), rows, extents, corruptions, n_processes: 1 }
    }

    /// The splits of one fold of a split manifest.
    pub fn of_fold(
        store: Store,
        path: &Path,
        fold: usize,
    ) -> Result<(Samples, FoldChoice), Failure> {
        let plan = SplitPlan::load_for(path, &store.manifest().digest)?;
        let rows = plan.rows(fold, store.manifest()).map_err(|error| Failure::of(path, &error))?;
        let n_left_out = plan.n_left_out(fold, store.manifest());
        if n_left_out > 0 {
            let path = path.display();
            eprintln!(
                "note: {path}: segments of the store in no split of fold {fold}: {n_left_out}"
            );
        }
        let blake3 = crate::train::weights::digest(path).map_err(TrainError::from)?;
        let choice = FoldChoice { path: absolute(path), blake3, fold };
        Ok((Samples::with_rows(store, rows), choice))
    }

    /// Brings everything that is loaded from now on to the lengths that the model of a checkpoint
    /// takes.
    pub fn fit_to(&mut self, checkpoint: &Path, info: &CheckpointInfo, may_cut: bool) {
        self.extents = Extents::of_model(checkpoint, info, may_cut);
    }

    /// Says which splits are padded to the length of another, as everything that trains does.
    pub fn say_lengths(&self, modalities: &[Modality], with_tokens: bool) {
        for note in self.extents.notes(&self.store, modalities, with_tokens) {
            eprintln!("note: {note}");
        }
    }

    /// The store's own splits, but for a validation split that is drawn from the training split.
    pub fn with_valid_from_train(store: Store, draw: &ValidDraw) -> Result<Samples, Failure> {
        let train = segments_of(&store, &[SplitName::Train])?;
        let shares = [1.0 - draw.fraction, draw.fraction];
        let failure = |error: PlanError| Failure::of(store.path(), &error);
        let plan = draw::from_train(store.manifest(), &train, shares, draw.by, draw.seed);
        let rows = plan.and_then(|plan| plan.rows(0, store.manifest())).map_err(failure)?;
        let n = |split| rows.get(&split).map_or(0, Vec::len);
        eprintln!(
            "note: valid is {} of the {} segments of train, drawn by {}",
            n(SplitName::Valid),
            train.len(),
            draw.by
        );
        Ok(Samples::with_rows(store, rows))
    }

    /// Makes everything that is loaded from now on worse.
    pub fn corrupt(&mut self, corruptions: Corruptions) {
        self.corruptions = corruptions;
    }

    /// Says how many processes like this one share the machine's memory.
    pub fn share_memory(&mut self, n_processes: usize) {
        self.n_processes = n_processes as u64;
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Extents that each modality is brought to, of which the store has features.
    pub fn sequences(&self) -> BTreeMap<Modality, Sequence> {
        self.extents.wanted().clone()
    }

    /// Whether a split has any samples.
    pub fn has(&self, split: SplitName) -> bool {
        self.rows.get(&split).is_some_and(|rows| !rows.is_empty())
    }

    /// Whether the samples of a split have labels.
    pub fn is_labelled(&self, split: SplitName) -> bool {
        let has_labels = |of: SplitName| {
            self.store.manifest().column(&ColumnKind::RegressionLabels.of(of)).is_some()
        };
        self.rows.get(&split).is_some_and(|rows| rows.iter().all(|row| has_labels(row.split)))
    }

    /// Where features are to lie, as the user asked or as the device's memory allows.
    pub fn cache(&self, args: &CacheArgs, modalities: &[Modality], device: Device) -> Cache {
        let disk = Cache::Disk { n_threads: args.loader_threads.into() };
        match &*args.cache {
            "memory" => Cache::Device,
            "disk" => disk,
            _ => {
                let n_bytes: u64 = self
                    .store
                    .manifest()
                    .columns
                    .iter()
                    .filter(|column| column.modality().is_some_and(|it| modalities.contains(&it)))
                    .map(crate::store::column_bytes)
                    .sum();
                let available = match device {
                    Device::Cuda(index) => device::memory(index),
                    _ => available_memory(),
                };
                match available {
                    Some(available) if n_bytes * self.n_processes > available / 2 => disk,
                    _ => Cache::Device,
                }
            }
        }
    }

    /// One split for the trainer. With `reader`, text comes as tokens that its encoder knows, and
    /// not as features.
    pub fn load(
        &self,
        split: SplitName,
        modalities: &[Modality],
        reader: Option<&TokenReader>,
        cache: Cache,
        device: Device,
    ) -> Result<TrainingSplit, Failure> {
        let labels = Labels::Needed;
        Ok(self.load_fitted(split, modalities, reader, labels, cache, device)?.split)
    }

    /// As [`Samples::load`], with what was brought to another length for that.
    pub fn load_fitted(
        &self,
        split: SplitName,
        modalities: &[Modality],
        reader: Option<&TokenReader>,
        wanted: Labels,
        cache: Cache,
        device: Device,
    ) -> Result<Loaded, Failure> {
        let path = self.store.path();
        let rows = self.rows.get(&split).cloned().unwrap_or_default();
        if rows.is_empty() {
            return Err(Failure::of(path, &DataError::EmptySplit { split }));
        }
        let mut labels_of = BTreeMap::new();
        for of in SplitName::ALL {
            if rows.iter().any(|row| row.split == of) {
                labels_of.insert(
                    of,
                    match wanted {
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
        let targets = (is_complete || wanted == Labels::Needed)
            .then(|| labels.iter().copied().flatten().collect());
        let fitted = Arc::new(Fitted::default());
        let mut tokens =
            reader.map(|reader| self.tokens(split, &rows, reader, &fitted)).transpose()?;
        if let Some(tokens) = &mut tokens {
            let done = self.corruptions.of_tokens(&ids, tokens);
            done.map_err(|problem| Failure::at(path, problem))?;
        }
        let as_features = |modality: &Modality| *modality != Modality::Text || tokens.is_none();
        let modalities: Vec<Modality> = modalities.iter().copied().filter(as_features).collect();
        let (store, fitting) = (Arc::clone(&self.store), Arc::clone(&fitted));
        let rows = StoreRows::new(store, rows, &modalities, &self.extents, fitting)?;
        let mut rows: Box<dyn FeatureRows> = Box::new(rows);
        if !self.corruptions.is_empty() {
            let (ids, corruptions) = (ids.clone(), self.corruptions.clone());
            rows = Box::new(CorruptRows { rows, ids, corruptions });
        }
        let loaded = TrainingSplit::new(split, ids, targets, rows, tokens, cache, device)
            .map_err(|error| Failure::of(path, &error))?;
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
    ) -> Result<Array3<i32>, Failure> {
        let tokens = match &reader.tokenizer {
            None => {
                let pad_id = i32::try_from(reader.bert.pad_token_id).unwrap_or_default();
                self.stored_tokens(rows, pad_id, fitted)?
            }
            Some(tokenizer) => {
                let Tokenized { text_bert, n_cut } = tokenizer.encode(&self.texts(rows)?)?;
                if n_cut > 0 {
                    let seq_len = text_bert.dim().2;
                    eprintln!("note: {split}: {n_cut} texts were cut at {seq_len} tokens");
                }
                text_bert
            }
        };
        let unknown = |cause| Failure::of(self.store.path(), &DataError::Tokens { split, cause });
        reader.bert.check_tokens(tokens.view()).map_err(unknown)?;
        Ok(tokens)
    }

    /// `raw_text` of some rows.
    fn texts(&self, rows: &[StoreRow]) -> Result<Vec<String>, Failure> {
        let mut all = BTreeMap::new();
        for of in SplitName::ALL {
            if rows.iter().any(|row| row.split == of) {
                let texts = self.store.strings(&ColumnKind::RawText.of(of))?;
                let absent = || Failure::of(self.store.path(), &DataError::NoTexts { split: of });
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
    ) -> Result<Array3<i32>, Failure> {
        let mut all: BTreeMap<SplitName, Array3<i32>> = BTreeMap::new();
        let absent = || Failure::of(self.store.path(), &DataError::NoTokens);
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
        ndarray::stack(Axis(0), &rows)
            .map_err(|error| Failure::at(self.store.path(), error.to_string()))
    }
}

/// Bytes of memory that the system could give; `None` where it does not say.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// A path that means the same from another folder.
pub fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.into())
}

struct StoreRows {
    store: Arc<Store>,
    rows: Vec<StoreRow>,
    sequences: BTreeMap<Modality, Sequence>,
    /// Steps that the store has.
    n_steps: BTreeMap<(SplitName, Modality), usize>,
    fitted: Arc<Fitted>,
}

impl StoreRows {
    fn new(
        store: Arc<Store>,
        rows: Vec<StoreRow>,
        modalities: &[Modality],
        extents: &Extents,
        fitted: Arc<Fitted>,
    ) -> Result<StoreRows, Failure> {
        let (mut sequences, mut n_steps) = (BTreeMap::new(), BTreeMap::new());
        for modality in modalities {
            for split in SplitName::ALL {
                if rows.iter().any(|row| row.split == split) {
                    let (wanted, n_found) = extents.of(&store, split, *modality)?;
                    sequences.insert(*modality, wanted);
                    n_steps.insert((split, *modality), n_found);
                    fitted.met(*modality, n_found, wanted.seq_len as usize);
                }
            }
        }
        Ok(StoreRows { store, rows, sequences, n_steps, fitted })
    }

    /// Values of a sample in the store, and with the steps that are wanted.
    fn row_lens(&self, split: SplitName, modality: Modality) -> (usize, usize) {
        let Sequence { seq_len, feat_dim } = self.sequences[&modality];
        let n_steps = self.n_steps.get(&(split, modality)).copied().unwrap_or(0);
        (n_steps * feat_dim as usize, (seq_len * feat_dim) as usize)
    }
}

impl FeatureRows for StoreRows {
    fn sequences(&self) -> BTreeMap<Modality, Sequence> {
        self.sequences.clone()
    }

    fn is_half(&self, modality: Modality) -> bool {
        let is_half = |split: SplitName| {
            let id = ColumnKind::Features(modality).of(split);
            let column = self.store.manifest().column(&id);
            column.is_some_and(|column| column.dtype == Dtype::Float16)
        };
        self.rows.iter().all(|row| is_half(row.split))
    }

    fn read_all(
        &self,
        modality: Modality,
        take: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), RowError> {
        for split in SplitName::ALL {
            let mut wanted: BTreeMap<usize, usize> = BTreeMap::new();
            for (sample_idx, row) in self.rows.iter().enumerate() {
                if row.split == split {
                    wanted.insert(row.row_idx, sample_idx);
                }
            }
            if wanted.is_empty() {
                continue;
            }
            let (n_found, n_wanted) = self.row_lens(split, modality);
            let mut fitted = vec![0.0; n_wanted];
            let mut row_idx = 0;
            self.store.feature_pieces::<StoreError>(split, modality, |values| {
                for row in values.chunks_exact(n_found.max(1)) {
                    if let Some(sample_idx) = wanted.get(&row_idx) {
                        if n_found == n_wanted {
                            take(*sample_idx, row);
                        } else {
                            let beyond = row.get(n_wanted..).unwrap_or_default();
                            if beyond.iter().any(|value| *value != 0.0) {
                                self.fitted.cut(modality, *sample_idx);
                            }
                            fit_features(row, &mut fitted);
                            take(*sample_idx, &fitted);
                        }
                    }
                    row_idx += 1;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn read(&self, modality: Modality, sample_idx: usize, out: &mut [f32]) -> Result<(), RowError> {
        let row = self.rows[sample_idx];
        let (n_found, n_wanted) = self.row_lens(row.split, modality);
        if n_found == n_wanted {
            return Ok(self.store.sample(row.split, modality, row.row_idx, out)?);
        }
        let mut values = vec![0.0; n_found];
        self.store.sample(row.split, modality, row.row_idx, &mut values)?;
        fit_features(&values, out);
        Ok(())
    }
}
