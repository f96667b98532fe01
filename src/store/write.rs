//! Writing a store: one pass copies, checks, summarises and digests.

use std::path::Path;

use hdf5::plist::dataset_create::AllocTime;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset as H5Dataset, File, Group};
use rayon::prelude::*;

use super::digest::{self, Element};
use super::{StoreError, VERSION};
use crate::corpus::label::Bins;
use crate::corpus::manifest::{Alignment, Column, Manifest, Source, SplitManifest, store_digest};
use crate::corpus::segment::video_of;
use crate::corpus::stats::BlockStats;
use crate::corpus::{Corpus, CorpusSplit, Dataset, FeatureBlock, Modality};
use crate::name::named;
use crate::publish::Draft;

/// What to do with values that are not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonFinite {
    /// -inf becomes 0, as in the loaders of MMSA and ALMT, and is counted; NaN and +inf are errors.
    Zero,
    /// Everything is kept.
    Keep,
    /// Every such value is an error.
    Error,
}

impl NonFinite {
    /// All policies.
    pub const ALL: [NonFinite; 3] = [NonFinite::Zero, NonFinite::Keep, NonFinite::Error];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            NonFinite::Zero => "zero",
            NonFinite::Keep => "keep",
            NonFinite::Error => "error",
        }
    }
}

named!(NonFinite);

/// How to write.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// Which dataset it is.
    pub dataset: Dataset,
    /// Replace an existing output.
    pub overwrite: bool,
    /// What to do with values that are not finite.
    pub on_nonfinite: NonFinite,
}

/// A file that the corpus comes from, without the digests that take a pass over it.
pub struct SourceInfo<'a> {
    /// File name without its folder.
    pub file_name: String,
    /// The whole file.
    pub bytes: &'a [u8],
}

/// What was written.
pub struct Outcome {
    /// The manifest of the new store.
    pub manifest: Manifest,
}

/// Values that one step of the copy holds in memory: 4 MiB of float32 keep both cores busy and
/// stay far below any machine's memory.
const CHUNK_VALUES: usize = 1 << 20;

/// Writes `corpus`, which comes from `sources`, to `target` in one pass. `advance` is told of every stretch of bytes done.
///
/// # Errors
/// The target exists and may not be overwritten, the disk is full, or a value is not finite and
/// the policy does not allow it. Nothing is left behind then.
pub fn write(
    corpus: &Corpus<'_>,
    sources: &[SourceInfo<'_>],
    target: &Path,
    options: &WriteOptions,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<Outcome, StoreError> {
    let io = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => StoreError::Exists { path: target.into() },
        _ => StoreError::Io { path: target.into(), action: "write", cause },
    };
    let draft = Draft::new(target, options.overwrite).map_err(io)?;
    // The sources are digested on a thread of their own while the copy runs.
    let (digests, written) = std::thread::scope(|scope| {
        let digests = scope.spawn(|| sources.iter().map(digested).collect());
        let written = write_file(corpus, draft.path(), target, options, advance);
        (digests.join(), written)
    });
    let sources = digests.map_err(|_| StoreError::Io {
        path: target.into(),
        action: "digest the source of",
        cause: std::io::Error::other("the digest thread stopped"),
    })?;
    let (file, columns, changes) = written?;
    let manifest = Manifest {
        store_version: VERSION,
        writer: concat!("almt-data ", env!("CARGO_PKG_VERSION")).into(),
        dataset: options.dataset,
        alignment: alignment(corpus),
        layout: corpus.layout.into(),
        sources,
        splits: corpus.splits.iter().map(split_manifest).collect(),
        digest: store_digest(&columns),
        columns,
        notes: corpus.notes.iter().cloned().chain(changes).collect(),
    };
    let context = Context { target };
    write_root(&context, &file, &manifest)?;
    file.close().map_err(|error| context.hdf5("the file", &error))?;
    draft.publish().map_err(io)?;
    Ok(Outcome { manifest })
}

fn digested(source: &SourceInfo<'_>) -> Source {
    use sha2::{Digest, Sha256};
    let mut sha256 = Sha256::new();
    let mut blake3 = blake3::Hasher::new();
    // Both digests take a piece while it is in the cache, so the file is read once.
    for piece in source.bytes.chunks(1 << 18) {
        sha256.update(piece);
        blake3.update(piece);
    }
    let sha256 = sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Source {
        file_name: source.file_name.clone(),
        size: source.bytes.len() as u64,
        sha256,
        blake3: digest::finish(&blake3),
    }
}

fn alignment(corpus: &Corpus<'_>) -> Option<Alignment> {
    let features = &corpus.splits.first()?.features;
    let mut seq_lens = features.values().map(|block| block.shape[1]);
    let first = seq_lens.next()?;
    let rest: Vec<usize> = seq_lens.collect();
    match rest.is_empty() {
        true => None,
        false if rest.iter().all(|seq_len| *seq_len == first) => Some(Alignment::Aligned),
        false => Some(Alignment::Unaligned),
    }
}

fn split_manifest(split: &CorpusSplit<'_>) -> SplitManifest {
    SplitManifest {
        name: split.name,
        digest: digest::of_strings(&split.ids),
        ids: split.ids.clone(),
        videos: split.ids.iter().map(|id| video_of(id).to_owned()).collect(),
    }
}

/// Names the target in errors: the user never sees the temporary file.
struct Context<'a> {
    target: &'a Path,
}

impl Context<'_> {
    fn hdf5(&self, place: &str, error: &hdf5::Error) -> StoreError {
        StoreError::Hdf5 { path: self.target.into(), place: place.into(), cause: error.to_string() }
    }
}

type Written = (File, Vec<Column>, Vec<String>);

fn write_file(
    corpus: &Corpus<'_>,
    path: &Path,
    target: &Path,
    options: &WriteOptions,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<Written, StoreError> {
    let context = Context { target };
    // The 1.10 format checksums its metadata and is read by every h5py of the last years.
    let file = File::with_options()
        .with_fapl(|fapl| fapl.libver_v110())
        .with_fcpl(|fcpl| fcpl.obj_track_times(false))
        .create(path)
        .map_err(|error| context.hdf5("the file", &error))?;
    let mut writer = SplitWriter {
        context: &context,
        options,
        advance,
        columns: Vec::new(),
        changes: Vec::new(),
    };
    for split in &corpus.splits {
        let name = split.name.name();
        let group = file
            .create_group_builder()
            .obj_track_times(false)
            .create(name)
            .map_err(|error| context.hdf5(name, &error))?;
        writer.split(&group, split)?;
    }
    Ok((file, writer.columns, writer.changes))
}

fn write_root(context: &Context<'_>, file: &File, manifest: &Manifest) -> Result<(), StoreError> {
    let json = serde_json::to_string(manifest).map_err(|error| StoreError::Damaged {
        path: context.target.into(),
        place: "manifest".into(),
        problem: error.to_string(),
    })?;
    let alignment = match manifest.alignment {
        Some(Alignment::Aligned) => "aligned",
        Some(Alignment::Unaligned) => "unaligned",
        None => "single modality",
    };
    // One text each, also for several files: a comma between them, in the manifest's order.
    let joined = |part: fn(&Source) -> &str| -> String {
        manifest.sources.iter().map(part).collect::<Vec<_>>().join(",")
    };
    let texts = [
        ("dataset", manifest.dataset.name()),
        ("alignment", alignment),
        ("writer", &manifest.writer),
        ("source_file_name", &joined(|source| &source.file_name)),
        ("source_sha256", &joined(|source| &source.sha256)),
        ("source_blake3", &joined(|source| &source.blake3)),
        ("digest", &manifest.digest),
        ("manifest_blake3", &blake3::hash(json.as_bytes()).to_hex()),
        ("manifest", &json),
    ];
    for (name, text) in texts {
        text_attr(file, name, text).map_err(|error| context.hdf5(name, &error))?;
    }
    let source_size = manifest.sources.iter().map(|source| source.size).sum();
    let numbers = [("store_version", u64::from(VERSION)), ("source_size", source_size)];
    for (name, number) in numbers {
        number_attr(file, name, number).map_err(|error| context.hdf5(name, &error))?;
    }
    Ok(())
}

fn text_attr(place: &hdf5::Location, name: &str, text: &str) -> hdf5::Result<()> {
    let value = unicode(text);
    place.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&value)
}

fn number_attr<T: hdf5::H5Type>(place: &hdf5::Location, name: &str, value: T) -> hdf5::Result<()> {
    place.new_attr::<T>().create(name)?.write_scalar(&value)
}

/// HDF5's strings end at the first NUL; one inside a text is shown as a space, and said so in the
/// notes of the split that holds it.
fn unicode(text: &str) -> VarLenUnicode {
    text.replace('\0', " ").parse().unwrap_or_default()
}

struct SplitWriter<'a> {
    context: &'a Context<'a>,
    options: &'a WriteOptions,
    advance: &'a (dyn Fn(u64) + Sync),
    columns: Vec<Column>,
    changes: Vec<String>,
}

impl SplitWriter<'_> {
    fn split(&mut self, group: &Group, split: &CorpusSplit<'_>) -> Result<(), StoreError> {
        self.strings(group, "id", &split.ids)?;
        for (name, texts) in [("raw_text", &split.raw_text), ("annotations", &split.annotations)] {
            if let Some(texts) = texts {
                self.strings(group, name, texts)?;
            }
        }
        for (modality, block) in &split.features {
            self.features(group, split, *modality, block)?;
        }
        if let Some(tokens) = &split.text_bert {
            let values: Vec<i32> = tokens.iter().copied().collect();
            self.values(group, "text_bert", tokens.shape(), &values)?;
        }
        if let Some(words) = &split.words {
            let values: Vec<i32> = words.iter().copied().collect();
            self.values(group, "words", words.shape(), &values)?;
        }
        for (modality, lengths) in &split.lengths {
            self.column(group, &format!("{modality}_lengths"), lengths)?;
        }
        let labels = &split.regression_labels;
        self.column(group, "regression_labels", &labels.overall)?;
        for (modality, values) in &labels.by_modality {
            let suffix = match modality {
                Modality::Text => "T",
                Modality::Audio => "A",
                Modality::Vision => "V",
            };
            self.column(group, &format!("regression_labels_{suffix}"), values)?;
        }
        if let Some(classes) = &split.classification_labels {
            self.column(group, "classification_labels", classes)?;
        }
        let scheme = self.options.dataset.bin_scheme();
        group
            .create_group_builder()
            .obj_track_times(false)
            .create("bins")
            .map_err(|error| self.context.hdf5("bins", &error))?;
        for bins in scheme.bins() {
            let classes: Vec<i8> =
                labels.overall.iter().map(|label| scheme.class(*bins, *label)).collect();
            self.column(group, &format!("bins/{}", Bins::name(*bins)), &classes)?;
        }
        Ok(())
    }

    fn column<T: Element>(
        &mut self,
        group: &Group,
        name: &str,
        values: &[T],
    ) -> Result<(), StoreError> {
        self.values(group, name, &[values.len()], values)
    }

    fn values<T: Element>(
        &mut self,
        group: &Group,
        name: &str,
        shape: &[usize],
        values: &[T],
    ) -> Result<(), StoreError> {
        let path = format!("{}/{name}", group.name());
        let digest = digest::of_values(values);
        self.create::<T>(group, name, shape)
            .and_then(|dataset| {
                if !values.is_empty() {
                    dataset.as_writer().write_raw(values)?;
                }
                text_attr(&dataset, "blake3", &digest)
            })
            .map_err(|error| self.context.hdf5(&path, &error))?;
        self.record(path, T::DTYPE, shape, digest);
        Ok(())
    }

    fn strings(&mut self, group: &Group, name: &str, texts: &[String]) -> Result<(), StoreError> {
        let path = format!("{}/{name}", group.name());
        let n_nul = texts.iter().filter(|text| text.contains('\0')).count();
        if n_nul > 0 {
            self.changes.push(format!("{path}: NUL characters in {n_nul} texts became spaces"));
        }
        let values: Vec<VarLenUnicode> = texts.iter().map(|text| unicode(text)).collect();
        let digest = digest::of_strings(&values);
        self.create::<VarLenUnicode>(group, name, &[texts.len()])
            .and_then(|dataset| {
                if !values.is_empty() {
                    dataset.as_writer().write_raw(&values)?;
                }
                text_attr(&dataset, "blake3", &digest)
            })
            .map_err(|error| self.context.hdf5(&path, &error))?;
        self.record(path, "string", &[texts.len()], digest);
        Ok(())
    }

    /// An empty dataset, contiguous so that it can be memory-mapped, without a time stamp so that
    /// the same input gives the same file.
    fn create<T: hdf5::H5Type>(
        &self,
        group: &Group,
        name: &str,
        shape: &[usize],
    ) -> hdf5::Result<H5Dataset> {
        group
            .new_dataset::<T>()
            .no_chunk()
            .obj_track_times(false)
            .alloc_time(Some(AllocTime::Early))
            .shape(shape.to_vec())
            .create(name)
    }

    fn record(&mut self, path: String, dtype: &str, shape: &[usize], blake3: String) {
        self.columns.push(Column { path, dtype: dtype.into(), shape: shape.to_vec(), blake3 });
    }

    fn features(
        &mut self,
        group: &Group,
        split: &CorpusSplit<'_>,
        modality: Modality,
        block: &FeatureBlock<'_>,
    ) -> Result<(), StoreError> {
        let path = format!("{}/{modality}", group.name());
        let context = self.context;
        let failed = |error: hdf5::Error| context.hdf5(&path, &error);
        let [n_samples, seq_len, feat_dim] = block.shape;
        let dataset = self.create::<f32>(group, modality.name(), &block.shape).map_err(failed)?;
        let lengths = split.lengths.get(&modality);
        let row_len = seq_len * feat_dim;
        let chunk_rows = (CHUNK_VALUES / row_len.max(1)).clamp(1, n_samples.max(1));
        let mut buffer = vec![0.0_f32; chunk_rows * row_len];
        let mut hasher = blake3::Hasher::new();
        let mut stats = BlockStats::default();
        let (mut n_overflowed, mut n_zeroed) = (0, 0);
        for start in (0..n_samples).step_by(chunk_rows) {
            let n_rows = chunk_rows.min(n_samples - start);
            let chunk = &mut buffer[..n_rows * row_len];
            let rows: Vec<RowOutcome> = chunk
                .par_chunks_mut(row_len.max(1))
                .enumerate()
                .map(|(row, values)| {
                    let sample_idx = start + row;
                    let length = lengths.and_then(|lengths| lengths.get(sample_idx)).copied();
                    copy_row(block, sample_idx, values, length, self.options.on_nonfinite)
                })
                .collect();
            for (row, outcome) in rows.iter().enumerate() {
                if outcome.n_refused > 0 {
                    return Err(StoreError::NonFinite {
                        place: path,
                        n_values: outcome.n_refused,
                        sample: split.ids.get(start + row).cloned().unwrap_or_default(),
                        hint: "`--on-nonfinite keep` copies them as they are",
                    });
                }
                n_overflowed += outcome.n_overflowed;
                n_zeroed += outcome.n_zeroed;
                stats.merge(&outcome.stats);
            }
            f32::update(&mut hasher, chunk);
            if row_len > 0 {
                let view = ndarray::ArrayView3::from_shape((n_rows, seq_len, feat_dim), &*chunk)
                    .map_err(|error| failed(hdf5::Error::Internal(error.to_string())))?;
                dataset.write_slice(view, (start..start + n_rows, .., ..)).map_err(failed)?;
            }
            (self.advance)((n_rows * row_len * size_of::<f32>()) as u64);
        }
        if n_zeroed > 0 {
            self.changes.push(format!("{path}: {n_zeroed} values of -inf became 0"));
        }
        if n_overflowed > 0 {
            self.changes.push(format!(
                "{path}: {n_overflowed} finite values beyond the range of float32 became infinite"
            ));
        }
        let digest = digest::finish(&hasher);
        write_stats(&dataset, &stats, &digest).map_err(failed)?;
        self.record(path, f32::DTYPE, &block.shape, digest);
        Ok(())
    }
}

struct RowOutcome {
    stats: BlockStats,
    n_overflowed: usize,
    n_zeroed: u64,
    n_refused: u64,
}

fn copy_row(
    block: &FeatureBlock<'_>,
    sample_idx: usize,
    values: &mut [f32],
    length: Option<i32>,
    policy: NonFinite,
) -> RowOutcome {
    let n_overflowed = block.rows.read(sample_idx, values);
    let mut stats = BlockStats::of_sample(values, block.shape[2], length);
    let (mut n_zeroed, mut n_refused) = (0, 0);
    match policy {
        NonFinite::Keep => {}
        NonFinite::Error => n_refused = stats.n_nonfinite(),
        NonFinite::Zero => {
            n_zeroed = stats.n_neg_inf;
            n_refused = stats.n_nan + stats.n_pos_inf;
        }
    }
    if n_zeroed > 0 && n_refused == 0 {
        values.iter_mut().filter(|value| **value == f32::NEG_INFINITY).for_each(|v| *v = 0.0);
        stats = BlockStats::of_sample(values, block.shape[2], length);
    }
    RowOutcome { stats, n_overflowed, n_zeroed, n_refused }
}

fn write_stats(dataset: &H5Dataset, stats: &BlockStats, digest: &str) -> hdf5::Result<()> {
    text_attr(dataset, "blake3", digest)?;
    if stats.n_finite > 0 {
        number_attr(dataset, "min", stats.min)?;
        number_attr(dataset, "max", stats.max)?;
        number_attr(dataset, "mean", stats.mean)?;
        number_attr(dataset, "std", stats.std())?;
    }
    let counts = [
        ("n_nan", stats.n_nan),
        ("n_pos_inf", stats.n_pos_inf),
        ("n_neg_inf", stats.n_neg_inf),
        ("n_zero_samples", stats.n_zero_samples),
        ("n_zero_frames", stats.n_zero_frames),
        ("n_beyond_length", stats.n_beyond_length),
    ];
    counts.into_iter().try_for_each(|(name, count)| number_attr(dataset, name, count))
}
