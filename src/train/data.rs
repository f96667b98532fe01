//! The samples of a run: in device memory, or read from disk ahead of each step.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use ndarray::Array3;
use tch::{Device, Kind, Tensor};

use super::memory::{MemoryError, Work};
use super::{DataError, TrainError};
use crate::corpus::origin::SplitRecord;
use crate::corpus::{Modality, RowError, SplitName};
use crate::model::Sequence;
use crate::model::contract::Batch;
use crate::pretrained::Pretrained;
use crate::run::label_map::LabelMap;
use crate::run::record::FittedLength;

/// Feature blocks of one split.
pub trait FeatureRows: Send + Sync {
    /// Extents of each block.
    fn sequences(&self) -> BTreeMap<Modality, Sequence>;

    /// Whether all values of a block are representable as 16-bit floats, which halves the memory.
    fn is_half(&self, modality: Modality) -> bool;

    /// Reads one block from end to end and compares it with its digest: `take` gets the index and the
    /// features `[seq_len, feat_dim]` of every sample once, in any order.
    ///
    /// # Errors
    /// They cannot be read, or differ from the recorded digest.
    fn read_all(
        &self,
        modality: Modality,
        take: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), RowError>;

    /// Reads the features of one sample, `[seq_len, feat_dim]`.
    ///
    /// # Errors
    /// They cannot be read.
    fn read(&self, modality: Modality, sample_idx: usize, out: &mut [f32]) -> Result<(), RowError>;
}

/// Feature blocks of a split, as a model reads them.
pub struct Blocks {
    rows: Box<dyn FeatureRows>,
    means: bool,
}

impl Blocks {
    /// Blocks of which the model reads every step.
    pub fn of_steps(rows: Box<dyn FeatureRows>) -> Blocks {
        Blocks { rows, means: false }
    }

    /// Blocks of which the model reads only the means of audio and vision over all steps, padding
    /// included: `[1, feat_dim]` of each sample is then kept in place of `[seq_len, feat_dim]`.
    pub fn of_means(rows: Box<dyn FeatureRows>) -> Blocks {
        Blocks { rows, means: true }
    }

    /// Extents of a block that is `stored` in the store, as it is kept.
    fn kept(&self, modality: Modality, stored: Sequence) -> Sequence {
        match self.is_averaged(modality) {
            true => Sequence { seq_len: 1, ..stored },
            false => stored,
        }
    }

    fn is_averaged(&self, modality: Modality) -> bool {
        self.means && modality != Modality::Text
    }

    /// What is kept of the features of a sample, `[seq_len, feat_dim]`.
    fn reduced<'a>(
        &self,
        modality: Modality,
        feat_dim: usize,
        values: &'a [f32],
    ) -> Cow<'a, [f32]> {
        if !self.is_averaged(modality) {
            return values.into();
        }
        let steps = values.chunks_exact(feat_dim.max(1));
        let n_steps = steps.len() as f64;
        let mut sums = vec![0.0; feat_dim];
        for step in steps {
            sums.iter_mut().zip(step).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        sums.into_iter().map(|sum| (sum / n_steps) as f32).collect()
    }
}

/// Place of the features during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// On the device, one tensor per modality.
    Device,
    /// On disk: `n_threads` threads read the batches ahead of the steps.
    Disk {
        /// Number of reading threads; it does not affect the result.
        n_threads: usize,
    },
}

/// One split, ready to be cut into batches.
pub struct TrainingSplit {
    name: SplitName,
    ids: Vec<String>,
    labels: Option<Vec<f32>>,
    map: Option<LabelMap>,
    targets: Tensor,
    sequences: BTreeMap<Modality, Sequence>,
    features: Features,
    tokens: Option<Tensor>,
    lengths: BTreeMap<Modality, Tensor>,
    unimodal_labels: BTreeMap<Modality, Tensor>,
}

enum Features {
    Device(BTreeMap<Modality, Tensor>),
    Disk { blocks: Blocks, n_threads: usize },
}

impl std::fmt::Debug for TrainingSplit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} samples of {}: {:?}", self.n_samples(), self.name, self.sequences)
    }
}

/// The samples of a batch, before it is assembled.
#[derive(Debug)]
pub struct Chunk {
    /// Their indices, int64 on the device, `[batch]`.
    pub indices: Tensor,
    /// Their features, if these are not on the device.
    pub read: Option<BTreeMap<Modality, Tensor>>,
}

impl TrainingSplit {
    /// Prepares a split. `labels` is `[n_samples]`, or `None` for samples to predict; `blocks`
    /// and `tokens`, `[n_samples, 3, seq_len]`, have as many samples; `tokens` replace text features.
    ///
    /// # Errors
    /// The columns differ in length, the split is empty, text is absent, a value is not finite, or
    /// the features cannot be read.
    pub fn new(
        name: SplitName,
        ids: Vec<String>,
        labels: Option<Vec<f32>>,
        blocks: Blocks,
        tokens: Option<Array3<i32>>,
        cache: Cache,
        device: Device,
    ) -> Result<TrainingSplit, TrainError> {
        if ids.is_empty() {
            return Err(DataError::EmptySplit { split: name }.into());
        }
        let n_tokens = tokens.as_ref().map(|tokens| ("text_bert", tokens.dim().0));
        let n_labels = labels.as_ref().map(|labels| ("regression_labels", labels.len()));
        for (column, found) in n_labels.into_iter().chain(n_tokens) {
            if found != ids.len() {
                let expected = ids.len();
                return Err(DataError::Count { split: name, column, expected, found }.into());
            }
        }
        let label_problem = labels.iter().flatten().filter(|label| !label.is_finite()).count();
        if label_problem > 0 {
            return Err(DataError::NoLabel { split: name, n_samples: label_problem }.into());
        }
        let rows = &blocks.rows;
        let sequences = rows.sequences();
        if !sequences.contains_key(&Modality::Text) && tokens.is_none() {
            return Err(DataError::NoText.into());
        }
        let mut resident = BTreeMap::new();
        for (modality, stored) in &sequences {
            let Sequence { seq_len, feat_dim } = blocks.kept(*modality, *stored);
            let shape = [ids.len() as i64, seq_len, feat_dim];
            let is_half = rows.is_half(*modality) && !blocks.is_averaged(*modality);
            let kind = if is_half { Kind::Half } else { Kind::Float };
            let memory = |_| {
                let n_bytes = shape.iter().product::<i64>() as usize * kind.elt_size_in_bytes();
                MemoryError::Features { split: name, modality: *modality, n_bytes }
            };
            let block = match cache {
                Cache::Device => Tensor::f_zeros(shape, (kind, Device::Cpu)),
                Cache::Disk { .. } => Tensor::f_zeros([0], (kind, Device::Cpu)),
            };
            let block = block.map_err(memory)?;
            let mut n_values = 0;
            let mut take = |sample_idx: usize, values: &[f32]| {
                n_values += values.iter().filter(|value| !value.is_finite()).count();
                if cache == Cache::Device {
                    let kept = blocks.reduced(*modality, feat_dim as usize, values);
                    let row = Tensor::from_slice(&kept).view([seq_len, feat_dim]);
                    block.get(sample_idx as i64).copy_(&row);
                }
            };
            rows.read_all(*modality, &mut take)
                .map_err(|cause| DataError::Features { split: name, cause })?;
            if n_values > 0 {
                return Err(DataError::NonFinite {
                    split: name,
                    column: modality.name(),
                    n_values,
                }
                .into());
            }
            resident.insert(*modality, block.f_to_device(device).map_err(memory)?);
        }
        let features = match cache {
            Cache::Device => Features::Device(resident),
            Cache::Disk { n_threads } => Features::Disk { blocks, n_threads: n_threads.max(1) },
        };
        // Without labels, any loss is NaN.
        let no_labels = || vec![f32::NAN; ids.len()];
        let targets = Tensor::from_slice(&labels.clone().unwrap_or_else(no_labels));
        let targets = targets.view([-1, 1]).to_device(device);
        let tokens = tokens.map(|tokens| {
            let (n_samples, parts, seq_len) = tokens.dim();
            let ids: Vec<i64> = tokens.iter().map(|id| (*id).into()).collect();
            let shape = [n_samples, parts, seq_len].map(|extent| extent as i64);
            Tensor::from_slice(&ids).view(shape).to_device(device)
        });
        let (lengths, unimodal_labels) = (BTreeMap::new(), BTreeMap::new());
        Ok(TrainingSplit {
            name,
            ids,
            labels,
            map: None,
            targets,
            sequences,
            features,
            tokens,
            lengths,
            unimodal_labels,
        })
    }

    /// Sets what labels become for the model; before this, they are what it is trained on.
    pub fn set_label_map(&mut self, map: Option<LabelMap>) {
        self.map = map;
        if self.labels.is_some() {
            let targets = Tensor::from_slice(&self.outputs());
            self.targets = targets.view([-1, 1]).to_device(self.device());
        }
    }

    /// Sets each sample's number of steps before padding, which some models need.
    ///
    /// # Errors
    /// Their number differs from that of the samples.
    pub fn set_lengths(&mut self, modality: Modality, lengths: &[i32]) -> Result<(), TrainError> {
        self.check_count(lengths.len(), "lengths")?;
        let lengths: Vec<i64> = lengths.iter().map(|length| (*length).into()).collect();
        self.lengths.insert(modality, Tensor::from_slice(&lengths).to_device(self.device()));
        Ok(())
    }

    /// Sets each sample's unimodal label, which some models need.
    ///
    /// # Errors
    /// Their number differs from that of the samples.
    pub fn set_unimodal_labels(
        &mut self,
        modality: Modality,
        labels: &[f32],
    ) -> Result<(), TrainError> {
        self.check_count(labels.len(), "labels of a modality")?;
        let labels = Tensor::from_slice(&self.mapped(labels));
        let labels = labels.view([-1, 1]).to_device(self.device());
        self.unimodal_labels.insert(modality, labels);
        Ok(())
    }

    fn check_count(&self, found: usize, column: &'static str) -> Result<(), TrainError> {
        let expected = self.n_samples();
        match found == expected {
            true => Ok(()),
            false => Err(DataError::Count { split: self.name, column, expected, found }.into()),
        }
    }

    /// The split's name.
    pub fn name(&self) -> SplitName {
        self.name
    }

    /// Segment ids, in order.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Labels, `[n_samples]`; empty for samples to predict.
    pub fn labels(&self) -> &[f32] {
        self.labels.as_deref().unwrap_or_default()
    }

    /// How labels become what the model is trained on, where they are not that themselves.
    pub fn map(&self) -> Option<LabelMap> {
        self.map
    }

    /// What the model is trained to put out for each label, `[n_samples]`; empty for samples to predict.
    pub fn outputs(&self) -> Cow<'_, [f32]> {
        self.mapped(self.labels())
    }

    fn mapped<'a>(&self, labels: &'a [f32]) -> Cow<'a, [f32]> {
        match self.map {
            Some(map) => labels.iter().map(|label| map.to_model(*label)).collect(),
            None => labels.into(),
        }
    }

    /// What a model is trained on for each label, on the device, `[n_samples, 1]`; NaN for samples to
    /// predict.
    pub fn targets(&self) -> &Tensor {
        &self.targets
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.ids.len()
    }

    /// The model's device.
    pub fn device(&self) -> Device {
        self.targets.device()
    }

    /// Tokens per text; `None` if text comes as features.
    pub fn n_tokens(&self) -> Option<i64> {
        self.tokens.as_ref().map(|tokens| tokens.size()[2])
    }

    /// Extents of each modality that comes as features.
    pub fn sequences(&self) -> &BTreeMap<Modality, Sequence> {
        &self.sequences
    }

    /// Passes `step` the samples at the indices `order` in batches of `batch_size`; the last batch has
    /// the rest.
    ///
    /// # Errors
    /// Any error of `step`, or features that cannot be read or are not finite.
    pub fn each_batch(
        &self,
        order: &[usize],
        batch_size: usize,
        mut step: impl FnMut(Batch) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        self.each_chunk(order, batch_size, |chunk| step(self.batch(chunk)))
    }

    /// Like [`each_batch`](TrainingSplit::each_batch), with batches not yet assembled.
    ///
    /// # Errors
    /// Same as [`each_batch`](TrainingSplit::each_batch).
    pub fn each_chunk(
        &self,
        order: &[usize],
        batch_size: usize,
        mut step: impl FnMut(Chunk) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        let indices: Vec<i64> = order.iter().map(|idx| *idx as i64).collect();
        let indices = Tensor::from_slice(&indices).to_device(self.device());
        let mut first = 0;
        let mut next = |read: Option<BTreeMap<Modality, Tensor>>| {
            let n_batch = batch_size.min(order.len() - first);
            let indices = indices.narrow(0, first as i64, n_batch as i64);
            first += n_batch;
            step(Chunk { indices, read })
        };
        let batches: Vec<&[usize]> = order.chunks(batch_size).collect();
        match &self.features {
            Features::Device(_) => batches.iter().try_for_each(|_| next(None)),
            Features::Disk { blocks, n_threads } => std::thread::scope(|scope| {
                let mut readers = Vec::new();
                let reading = Reading { split: self.name, blocks, sequences: &self.sequences };
                for first in 0..*n_threads {
                    let mine = batches.iter().copied().skip(first).step_by(*n_threads);
                    readers.push(reading.ahead(scope, mine));
                }
                (0..batches.len()).try_for_each(|batch_idx| {
                    // A reader stops early only after sending an error.
                    let stopped = || DataError::Features {
                        split: self.name,
                        cause: "a reading thread stopped".into(),
                    };
                    let read = readers[batch_idx % *n_threads].recv().map_err(|_| stopped())?;
                    next(Some(reading.tensors(read?, self.device())))
                })
            }),
        }
    }

    /// Assembles a batch.
    pub fn batch(&self, chunk: Chunk) -> Batch {
        let Chunk { indices, read } = chunk;
        let features = match (&self.features, read) {
            (Features::Device(features), None) => {
                let pick = |(modality, all): (&Modality, &Tensor)| {
                    (*modality, all.index_select(0, &indices).to_kind(Kind::Float))
                };
                features.iter().map(pick).collect()
            }
            (_, read) => read.unwrap_or_default(),
        };
        let tokens = self.tokens.as_ref().map(|tokens| tokens.index_select(0, &indices));
        let target = self.targets.index_select(0, &indices);
        let pick = |all: &BTreeMap<Modality, Tensor>| {
            all.iter().map(|(modality, all)| (*modality, all.index_select(0, &indices))).collect()
        };
        Batch {
            features,
            tokens,
            pooled: None,
            lengths: pick(&self.lengths),
            target,
            unimodal_labels: pick(&self.unimodal_labels),
            samples: indices,
        }
    }
}

/// The samples of a run.
pub struct TrainingData {
    /// Used for fitting.
    pub train: TrainingSplit,
    /// Used to select the epoch.
    pub valid: TrainingSplit,
    /// Reported on, if present.
    pub test: Option<TrainingSplit>,
    /// What was padded or cut, for each split affected.
    pub lengths: BTreeMap<SplitName, Vec<FittedLength>>,
    /// Where the splits come from, and the videos that they share, if known.
    pub splits: Option<SplitRecord>,
    /// The text encoder, if text comes as tokens.
    pub encoder: Option<Pretrained>,
    /// Whether a GPU runs each step as one recorded graph instead of operation by operation. The result
    /// is the same.
    pub graphs: bool,
}

/// State shared by the reading threads.
#[derive(Clone, Copy)]
struct Reading<'a> {
    split: SplitName,
    blocks: &'a Blocks,
    sequences: &'a BTreeMap<Modality, Sequence>,
}

/// Values of some samples per modality, `[n, seq_len, feat_dim]`.
type Gathered = BTreeMap<Modality, Vec<f32>>;

impl<'a> Reading<'a> {
    /// Spawns a thread that reads `batches` in order, one ahead of the consumer.
    fn ahead<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        batches: impl Iterator<Item = &'scope [usize]> + Send + 'scope,
    ) -> Receiver<Result<Gathered, TrainError>>
    where
        'a: 'scope,
    {
        let (sender, receiver) = sync_channel(1);
        scope.spawn(move || {
            for batch in batches {
                let read = self.gather(batch);
                let failed = read.is_err();
                // The consumer may have stopped.
                if sender.send(read).is_err() || failed {
                    return;
                }
            }
        });
        receiver
    }

    fn gather(&self, samples: &[usize]) -> Result<Gathered, TrainError> {
        let mut gathered = BTreeMap::new();
        for (modality, stored) in self.sequences {
            let no_memory = |_| MemoryError::Work {
                work: Work::Batch { n_samples: samples.len() },
                n_bytes: None,
            };
            let kept = self.blocks.kept(*modality, *stored);
            let mut values: Vec<f32> = Vec::new();
            let n_values = len(kept).saturating_mul(samples.len());
            values.try_reserve_exact(n_values).map_err(no_memory)?;
            let mut row: Vec<f32> = Vec::new();
            row.try_reserve_exact(len(*stored)).map_err(no_memory)?;
            for sample in samples {
                row.clear();
                row.resize(len(*stored), 0.0);
                self.blocks
                    .rows
                    .read(*modality, *sample, &mut row)
                    .map_err(|cause| DataError::Features { split: self.split, cause })?;
                let feat_dim = kept.feat_dim as usize;
                values.extend_from_slice(&self.blocks.reduced(*modality, feat_dim, &row));
            }
            gathered.insert(*modality, values);
        }
        Ok(gathered)
    }

    fn tensors(&self, gathered: Gathered, device: Device) -> BTreeMap<Modality, Tensor> {
        let tensor = |(modality, values): (Modality, Vec<f32>)| {
            let Sequence { seq_len, feat_dim } =
                self.blocks.kept(modality, self.sequences[&modality]);
            let tensor = Tensor::from_slice(&values).view([-1, seq_len, feat_dim]);
            (modality, tensor.to_device(device))
        };
        gathered.into_iter().map(tensor).collect()
    }
}

/// Number of values of a sample.
fn len(sequence: Sequence) -> usize {
    (sequence.seq_len * sequence.feat_dim) as usize
}
