//! Writing a store: one pass copies, checks, summarises and digests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use hdf5::plist::dataset_create::AllocTime;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset as H5Dataset, File, Group};

use super::copy::{CopyError, Target, copy_block};
use super::digest::{self, Element};
use super::{StoreError, VERSION};
use crate::corpus::check::{BlockFacts, Finding, SplitFacts, check};
use crate::corpus::label::Bins;
use crate::corpus::manifest::{Alignment, Column, Manifest, Source, SplitManifest, store_digest};
use crate::corpus::release::Release;
use crate::corpus::segment::video_of;
use crate::corpus::stats::BlockStats;
use crate::corpus::{Corpus, CorpusSplit, Dataset, FeatureBlock, Modality};
use crate::name::named;
use crate::publish::{self, Draft};

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
    /// Whether to wait until the disk has everything. Without it, a store can be lost or damaged if
    /// the machine, not only the program, stops in the seconds after it was written.
    pub sync: bool,
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
    /// What the checks found in the data, errors first.
    pub findings: Vec<Finding>,
}

/// Writes `corpus`, which comes from `sources`, to `target` in one pass. `advance` is told of every
/// stretch of bytes done.
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
    let context = Context { target };
    let draft = Draft::new(target, options.overwrite).map_err(|error| context.io(error))?;
    let file = create_file(draft.path(), &context)?;
    let raw = std::fs::File::options()
        .write(true)
        .open(draft.path())
        .map_err(|error| context.io(error))?;
    // While the copy runs, the sources are digested and what is written goes to the disk, each on
    // a thread of its own.
    let (done, failed) = (AtomicBool::new(false), AtomicBool::new(false));
    let (digests, synced, written) = std::thread::scope(|scope| {
        let digests = digest_sources(scope, sources, &failed);
        let synced = scope.spawn(|| match options.sync {
            true => publish::sync_until(&raw, &done),
            false => Ok(()),
        });
        let written = write_splits(corpus, &file, &raw, &context, options, advance);
        failed.store(written.is_err(), Ordering::Release);
        done.store(true, Ordering::Release);
        synced.thread().unpark();
        (digests(), synced.join(), written)
    });
    let stopped = |_| context.io(std::io::Error::other("a thread stopped"));
    let sources = sources.iter().zip(digests.map_err(stopped)?).map(source).collect();
    synced.map_err(stopped)?.map_err(|error| context.io(error))?;
    let Written { columns, changes, facts } = written?;
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
    write_root(&context, &file, &manifest)?;
    file.close().map_err(|error| context.hdf5("the file", &error))?;
    let published = if options.sync { draft.publish() } else { draft.publish_unsynced() };
    published.map_err(|error| context.io(error))?;
    Ok(Outcome { manifest, findings: check(options.dataset, &facts) })
}

/// The two digests of a whole source file, as hexadecimal text.
struct SourceDigests {
    sha256: String,
    blake3: String,
}

/// Digests files on two threads of `scope`, until `failed` is set. Neither digest can be split
/// among threads as it is formed, so that with both on one it would be the last to end.
fn digest_sources<'scope>(
    scope: &'scope Scope<'scope, '_>,
    sources: &'scope [SourceInfo<'scope>],
    failed: &'scope AtomicBool,
) -> impl FnOnce() -> std::thread::Result<Vec<SourceDigests>> {
    // Taken in the same small pieces, so that what one of them brings into the cache serves both.
    const PIECE: usize = 1 << 18;
    let pieces = move |source: &'scope SourceInfo<'scope>| {
        source.bytes.chunks(PIECE).take_while(|_| !failed.load(Ordering::Acquire))
    };
    let sha256 = scope.spawn(move || -> Vec<String> {
        use sha2::{Digest, Sha256};
        let digest = |source| {
            let mut hasher = Sha256::new();
            pieces(source).for_each(|piece| hasher.update(piece));
            hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
        };
        sources.iter().map(digest).collect()
    });
    let blake3 = scope.spawn(move || -> Vec<String> {
        let digest = |source| {
            let mut hasher = blake3::Hasher::new();
            pieces(source).for_each(|piece| {
                hasher.update(piece);
            });
            digest::finish(&hasher)
        };
        sources.iter().map(digest).collect()
    });
    move || {
        let pairs = sha256.join()?.into_iter().zip(blake3.join()?);
        Ok(pairs.map(|(sha256, blake3)| SourceDigests { sha256, blake3 }).collect())
    }
}

fn source((source, digests): (&SourceInfo<'_>, SourceDigests)) -> Source {
    Source {
        file_name: source.file_name.clone(),
        size: source.bytes.len() as u64,
        release: Release::find(&digests.sha256).map(ToString::to_string),
        sha256: digests.sha256,
        blake3: digests.blake3,
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
    fn io(&self, cause: std::io::Error) -> StoreError {
        match cause.kind() {
            std::io::ErrorKind::AlreadyExists => StoreError::Exists { path: self.target.into() },
            _ => StoreError::Io { path: self.target.into(), action: "write", cause },
        }
    }

    fn hdf5(&self, place: &str, error: &hdf5::Error) -> StoreError {
        StoreError::Hdf5 { path: self.target.into(), place: place.into(), cause: error.to_string() }
    }
}

/// What the manifest has to say of a file that is complete but for it.
struct Written {
    columns: Vec<Column>,
    /// What was changed on the way, one sentence each.
    changes: Vec<String>,
    facts: Vec<SplitFacts>,
}

fn create_file(path: &Path, context: &Context<'_>) -> Result<File, StoreError> {
    // Made anew under the reserved name: of a file that was emptied instead, ext4 writes
    // everything to the disk when it is closed, synced or not.
    std::fs::remove_file(path).map_err(|error| context.io(error))?;
    // The 1.10 format checksums its metadata and is read by every h5py of the last years.
    File::with_options()
        .with_fapl(|fapl| fapl.libver_v110())
        .with_fcpl(|fcpl| fcpl.obj_track_times(false))
        .create_excl(path)
        .map_err(|error| context.hdf5("the file", &error))
}

fn write_splits(
    corpus: &Corpus<'_>,
    file: &File,
    raw: &std::fs::File,
    context: &Context<'_>,
    options: &WriteOptions,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<Written, StoreError> {
    let mut writer = SplitWriter {
        raw,
        context,
        options,
        advance,
        columns: Vec::new(),
        changes: Vec::new(),
        facts: Vec::new(),
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
    let SplitWriter { columns, changes, facts, .. } = writer;
    Ok(Written { columns, changes, facts })
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
        ("source_release", &joined(|source| source.release.as_deref().unwrap_or("none"))),
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
    /// The same file, without the library.
    raw: &'a std::fs::File,
    context: &'a Context<'a>,
    options: &'a WriteOptions,
    advance: &'a (dyn Fn(u64) + Sync),
    columns: Vec<Column>,
    changes: Vec<String>,
    facts: Vec<SplitFacts>,
}

impl SplitWriter<'_> {
    fn split(&mut self, group: &Group, split: &CorpusSplit<'_>) -> Result<(), StoreError> {
        self.strings(group, "id", &split.ids)?;
        for (name, texts) in [("raw_text", &split.raw_text), ("annotations", &split.annotations)] {
            if let Some(texts) = texts {
                self.strings(group, name, texts)?;
            }
        }
        let mut facts = SplitFacts {
            name: split.name,
            ids: split.ids.clone(),
            labels: split.regression_labels.overall.clone(),
            classes: split.classification_labels.clone(),
            annotations: split.annotations.clone(),
            blocks: BTreeMap::new(),
        };
        for (modality, block) in &split.features {
            let stats = self.features(group, split, *modality, block)?;
            let lengths = split.lengths.get(modality).cloned();
            facts.blocks.insert(*modality, BlockFacts { shape: block.shape, lengths, stats });
        }
        self.facts.push(facts);
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
    ) -> Result<BlockStats, StoreError> {
        let path = format!("{}/{modality}", group.name());
        let context = self.context;
        let failed = |error: hdf5::Error| context.hdf5(&path, &error);
        let dataset = self.create::<f32>(group, modality.name(), &block.shape).map_err(failed)?;
        // The values of a contiguous dataset lie in one stretch of the file, allocated when the
        // dataset is made. Written there directly, they need not pass the library's one lock.
        let offset = dataset.offset().unwrap_or(0);
        let target = Target { file: self.raw, offset };
        let lengths = split.lengths.get(&modality).map(Vec::as_slice);
        let policy = self.options.on_nonfinite;
        let copied =
            copy_block(block, lengths, policy, target, self.advance).map_err(
                |error| match error {
                    CopyError::Write(cause) => context.io(cause),
                    CopyError::NonFinite { sample_idx, n_values } => StoreError::NonFinite {
                        place: path.clone(),
                        n_values,
                        sample: split.ids.get(sample_idx).cloned().unwrap_or_default(),
                        hint: "`--on-nonfinite keep` copies them as they are",
                    },
                },
            )?;
        if copied.n_zeroed > 0 {
            self.changes.push(format!("{path}: {} values of -inf became 0", copied.n_zeroed));
        }
        if copied.n_overflowed > 0 {
            self.changes.push(format!(
                "{path}: {} finite values beyond the range of float32 became infinite",
                copied.n_overflowed
            ));
        }
        write_stats(&dataset, &copied.stats, &copied.blake3).map_err(failed)?;
        self.record(path, f32::DTYPE, &block.shape, copied.blake3);
        Ok(copied.stats)
    }
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
