//! Writes a store: one pass copies, checks, summarises and digests.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle, Thread};

use super::arrow::{self, ArrowOutput};
use super::census::{self, Census, Mean};
use super::columns::{self, SplitColumns};
use super::digest;
use super::hdf5::Hdf5Output;
use super::labels;
use super::output::{Context, Job, Output, Written};
use super::policy::{Action, NonFinite, OnOverflow, Policies};
use super::settled::Settling;
use super::{Compression, FeatureDtype, Format, StoreError, VERSION};
use crate::advice::UnfitValues;
use crate::corpus::check::{BlockFacts, Finding, SplitFacts, check};
use crate::corpus::label::LabelScale;
use crate::corpus::manifest::{
    Alignment, Manifest, Source, SourceEntry, SplitManifest, store_digest,
};
use crate::corpus::release::Release;
use crate::corpus::scale::OwnScale;
use crate::corpus::segment::video_of;
use crate::corpus::stats::BlockStats;
use crate::corpus::{Corpus, CorpusSplit, Dataset, Modality, SplitName};
use crate::publish::{self, Draft};

/// Options for writing a store.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// The dataset.
    pub dataset: Dataset,
    /// What its labels are, of a dataset of one's own.
    pub label_scale: Option<OwnScale>,
    /// Policy for values that are not finite.
    pub on_nonfinite: NonFinite,
    /// Policy for finite values beyond the range of `dtype`.
    pub on_overflow: OnOverflow,
    /// Element type of the feature blocks.
    pub dtype: FeatureDtype,
    /// The form of the output.
    pub output: OutputOptions,
}

impl WriteOptions {
    fn scale(&self) -> LabelScale<'_> {
        LabelScale::of(self.dataset, self.label_scale.as_ref())
    }

    fn policies(&self) -> Policies {
        Policies { on_nonfinite: self.on_nonfinite, on_overflow: self.on_overflow }
    }

    /// How often all features are read: twice if a policy needs all of them before writing.
    pub fn n_passes(&self) -> u64 {
        1 + u64::from(self.policies().look_ahead())
    }
}

/// The on-disk form of a store, independent of its content. The default is one plain HDF5 file that
/// replaces nothing.
#[derive(Debug, Clone)]
pub struct OutputOptions {
    /// HDF5 or Arrow.
    pub format: Format,
    /// Compression of the values; the format must support it.
    pub compression: Compression,
    /// Whether to replace an existing output.
    pub overwrite: bool,
    /// Whether to wait until everything is on disk. Without it, a store can be lost or damaged if the
    /// machine, not just the program, stops within seconds of writing.
    pub sync: bool,
}

impl Default for OutputOptions {
    fn default() -> OutputOptions {
        let (format, compression) = (Format::Hdf5, Compression::None);
        OutputOptions { format, compression, overwrite: false, sync: true }
    }
}

/// A source file of the corpus, without the digests, which take a pass over it.
pub struct SourceInfo<'a> {
    /// File name without its folder.
    pub file_name: String,
    /// The whole file.
    pub bytes: &'a [u8],
    /// The entry that was read, if the file is packed.
    pub entry: Option<EntryInfo<'a>>,
}

/// The content extracted from a packed file.
pub struct EntryInfo<'a> {
    /// Its name within the file.
    pub name: String,
    /// The unpacked bytes.
    pub bytes: &'a [u8],
}

/// Result of writing a store.
pub struct Outcome {
    /// The manifest of the new store.
    pub manifest: Manifest,
    /// Findings of the data checks, errors first.
    pub findings: Vec<Finding>,
}

/// Writes `corpus`, which comes from `sources`, to `target`, in one pass unless a policy needs all
/// values first. `advance` receives the bytes of every stretch done.
///
/// # Errors
/// The target exists and may not be overwritten, the disk is full, a sample cannot be read, or a
/// value is not finite or beyond the range of the stored type and the policies do not allow it.
/// Nothing is left behind then.
pub fn write(
    corpus: &Corpus,
    sources: &[SourceInfo<'_>],
    target: &Path,
    options: &WriteOptions,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<Outcome, StoreError> {
    let context = Context { target };
    let (policies, limit) = (options.policies(), options.dtype.limit());
    let has_means = policies.has(Action::Mean);
    let census = policies
        .look_ahead()
        .then(|| Census::of(&census::blocks(corpus), limit, has_means, advance))
        .transpose()?;
    let labels = labels::settle(corpus, policies.on_overflow)
        .map_err(|refused| StoreError::RefusedLabels(Box::new(refused)))?;
    let mut left_out =
        census.as_ref().map_or_else(BTreeMap::new, |all| all.rows(policies, Action::Drop));
    for (split, rows) in &labels.rows {
        left_out.entry(*split).or_default().extend(rows);
    }
    refuse_nothing(corpus, &left_out, policies)?;
    let kept = (!left_out.is_empty()).then(|| corpus.without(&left_out));
    let source = corpus;
    let corpus = kept.as_ref().unwrap_or(source);
    // A mean covers only the segments that the store keeps.
    let again = (has_means && kept.is_some())
        .then(|| Census::of(&census::blocks(corpus), limit, true, &|_| ()))
        .transpose()?;
    let no_means = BTreeMap::new();
    let sums = again.as_ref().or(census.as_ref()).map_or(&no_means, |census| &census.means);
    let values = |means: &Vec<Mean>| means.iter().map(|mean| mean.value()).collect();
    let means = sums.iter().map(|(modality, means)| (*modality, values(means))).collect();
    let mut changes = Vec::new();
    let splits = columns::of_corpus(corpus, options.scale(), &mut changes);
    let job = Job {
        context: &context,
        policies,
        means: &means,
        dtype: options.dtype,
        compression: options.output.compression,
        advance,
    };
    let mut started = Started::new(&splits, &job, &options.output)?;
    let (written, digests) = started.write(&splits, sources, &job)?;
    let Written { columns, seen, mean_features, stats } = written;
    let settling = Settling {
        policies,
        dtype: options.dtype,
        corpus: source,
        census: census.as_ref(),
        means: sums,
        left_out: &left_out,
        labels,
    };
    let ids = |split: SplitName| {
        corpus.splits.iter().find(|all| all.name == split).map_or(&[][..], |split| &split.ids)
    };
    let (values, changes_of_values) = settling.record(&seen, ids, &mean_features);
    changes.extend(changes_of_values);
    let facts: Vec<SplitFacts> = corpus.splits.iter().map(|split| facts(split, &stats)).collect();
    let manifest = Manifest {
        store_version: VERSION,
        writer: concat!("almt-data ", env!("CARGO_PKG_VERSION")).into(),
        dataset: options.dataset,
        label_scale: options.label_scale.clone(),
        alignment: alignment_of(corpus),
        layout: corpus.layout.into(),
        sources: sources.iter().zip(digests).map(self::source).collect(),
        splits: corpus.splits.iter().map(split_manifest).collect(),
        digest: store_digest(&columns),
        columns,
        notes: corpus.notes.iter().cloned().chain(options.dtype.note()).chain(changes).collect(),
        text_encoder: None,
        values,
        features: corpus.feature_names.clone(),
        build: corpus.build.clone(),
    };
    let draft = started.finish(&manifest, &job)?;
    let published = if options.output.sync { draft.publish() } else { draft.publish_unsynced() };
    published.map_err(|error| context.io(error))?;
    Ok(Outcome { manifest, findings: check(options.dataset, options.scale(), &facts) })
}

/// Refuses to leave out all segments of a split.
fn refuse_nothing(
    corpus: &Corpus,
    left_out: &BTreeMap<SplitName, BTreeSet<usize>>,
    policies: Policies,
) -> Result<(), StoreError> {
    let n_left_out = |split: &CorpusSplit| left_out.get(&split.name).map_or(0, BTreeSet::len);
    let emptied = corpus.splits.iter().find(|split| {
        let n_left_out = n_left_out(split);
        n_left_out > 0 && n_left_out == split.ids.len()
    });
    emptied.map_or(Ok(()), |split| {
        Err(StoreError::NothingLeft {
            split: split.name,
            n_segments: split.ids.len(),
            values: match policies.on_nonfinite {
                NonFinite::DropSegment => UnfitValues::NonFinite,
                _ => UnfitValues::Overflow,
            },
        })
    })
}

/// A store under its temporary name.
pub(super) struct Started {
    /// Dropped before the draft, which removes the remains after a failure.
    output: Box<dyn Output + Send>,
    draft: Draft,
    sync: bool,
}

impl Started {
    /// Reserves the temporary name and creates the files.
    pub(super) fn new(
        splits: &[SplitColumns<'_>],
        job: &Job<'_>,
        options: &OutputOptions,
    ) -> Result<Started, StoreError> {
        let context = job.context;
        let (format, overwrite, target) = (options.format, options.overwrite, context.target);
        if !format.compressions().contains(&options.compression) {
            let compression = options.compression;
            return Err(StoreError::Compression { path: target.into(), format, compression });
        }
        let io = |error| context.io(error);
        if format == Format::Arrow && overwrite && target.is_dir() && !arrow::is_ours(target) {
            return Err(StoreError::Foreign { path: target.into() });
        }
        let (draft, output): (Draft, Box<dyn Output + Send>) = match format {
            Format::Hdf5 => {
                let draft = Draft::new(target, overwrite).map_err(io)?;
                let output = Hdf5Output::create(&draft.path(), context)?;
                (draft, Box::new(output))
            }
            Format::Arrow => {
                let draft = Draft::folder(target, overwrite).map_err(io)?;
                let output = ArrowOutput::create(&draft.path(), splits).map_err(io)?;
                (draft, Box::new(output))
            }
        };
        Ok(Started { output, draft, sync: options.sync })
    }

    /// Writes all splits. Meanwhile, separate threads digest the sources and flush the written data to
    /// disk.
    pub(super) fn write(
        &mut self,
        splits: &[SplitColumns<'_>],
        sources: &[SourceInfo<'_>],
        job: &Job<'_>,
    ) -> Result<(Written, Vec<Digests>), StoreError> {
        let context = job.context;
        let files = self.output.files().map_err(|error| context.io(error))?;
        let (done, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        let (digests, synced, written) = std::thread::scope(|scope| {
            let digests = digest_sources(scope, sources, &failed);
            let synced = scope.spawn(|| match self.sync {
                true => publish::sync_until(&files, &done),
                false => Ok(()),
            });
            let mut written = Written::default();
            let mut end = End {
                done: &done,
                failed: &failed,
                synced: synced.thread().clone(),
                is_written: false,
            };
            let result =
                splits.iter().try_for_each(|split| self.output.split(split, job, &mut written));
            end.is_written = result.is_ok();
            drop(end);
            (digests.join(), synced.join(), result.map(|()| written))
        });
        let stopped = |_| context.io(io::Error::other("a thread stopped"));
        let digests = digests.map_err(stopped)?;
        synced.map_err(stopped)?.map_err(|error| context.io(error))?;
        Ok((written.map_err(|error| job.with_totals(error, splits))?, digests))
    }

    /// Writes the manifest; publishing the draft is the only step left.
    pub(super) fn finish(self, manifest: &Manifest, job: &Job<'_>) -> Result<Draft, StoreError> {
        self.output.finish(manifest, job)?;
        Ok(self.draft)
    }
}

/// Tells the other threads that writing is over, also when it unwinds: they would wait forever, and the
/// scope for them.
struct End<'a> {
    done: &'a AtomicBool,
    failed: &'a AtomicBool,
    synced: Thread,
    is_written: bool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.failed.store(!self.is_written, Ordering::Release);
        self.done.store(true, Ordering::Release);
        self.synced.unpark();
    }
}

/// SHA-256 of a file, and of the entry extracted from it.
pub(super) struct Digests {
    file: String,
    entry: Option<String>,
}

/// SHA-256 of each file as hexadecimal text, computed on a thread of `scope` until `failed` is set.
fn digest_sources<'scope>(
    scope: &'scope Scope<'scope, '_>,
    sources: &'scope [SourceInfo<'scope>],
    failed: &'scope AtomicBool,
) -> ScopedJoinHandle<'scope, Vec<Digests>> {
    // Small chunks, so that a failure elsewhere is noticed soon.
    const PIECE: usize = 1 << 18;
    scope.spawn(move || {
        use sha2::{Digest, Sha256};
        let digest = |bytes: &[u8]| -> String {
            let mut hasher = Sha256::new();
            let pieces = bytes.chunks(PIECE);
            pieces
                .take_while(|_| !failed.load(Ordering::Acquire))
                .for_each(|piece| hasher.update(piece));
            hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
        };
        sources
            .iter()
            .map(|source| Digests {
                file: digest(source.bytes),
                entry: source.entry.as_ref().map(|entry| digest(entry.bytes)),
            })
            .collect()
    })
}

fn source((source, digests): (&SourceInfo<'_>, Digests)) -> Source {
    let known = [Some(&digests.file), digests.entry.as_ref()];
    let release = known.into_iter().flatten().find_map(|sha256| Release::find(sha256));
    let entry = source.entry.as_ref().zip(digests.entry);
    Source {
        file_name: source.file_name.clone(),
        size: source.bytes.len() as u64,
        sha256: digests.file,
        release: release.map(ToString::to_string),
        entry: entry.map(|(entry, sha256)| SourceEntry {
            name: entry.name.clone(),
            size: entry.bytes.len() as u64,
            sha256,
        }),
    }
}

/// How the modalities of a corpus are aligned. Features of clips may have one length by choice, so that
/// only the length of every clip tells.
fn alignment_of(corpus: &Corpus) -> Option<Alignment> {
    let split = corpus.splits.first()?;
    let alignment = alignment(split.features.values().map(|block| block.shape[1]))?;
    let differ = |split: &CorpusSplit| {
        let mut lengths = split.features.keys().filter_map(|modality| split.lengths.get(modality));
        lengths.next().is_some_and(|first| lengths.any(|other| other != first))
    };
    let is_unlike = corpus.build.is_some() && corpus.splits.iter().any(differ);
    Some(if is_unlike { Alignment::Unaligned } else { alignment })
}

/// How modalities with these numbers of frames are aligned.
pub(super) fn alignment(mut seq_lens: impl Iterator<Item = usize>) -> Option<Alignment> {
    let first = seq_lens.next()?;
    let rest: Vec<usize> = seq_lens.collect();
    match rest.is_empty() {
        true => None,
        false if rest.iter().all(|seq_len| *seq_len == first) => Some(Alignment::Aligned),
        false => Some(Alignment::Unaligned),
    }
}

fn split_manifest(split: &CorpusSplit) -> SplitManifest {
    SplitManifest {
        name: split.name,
        digest: digest::of_strings(&split.ids),
        ids: split.ids.clone(),
        videos: split.ids.iter().map(|id| video_of(id).to_owned()).collect(),
        intervals: split.intervals.clone(),
    }
}

/// Input of the checks.
fn facts(split: &CorpusSplit, stats: &BTreeMap<(SplitName, Modality), BlockStats>) -> SplitFacts {
    let blocks = split.features.iter().filter_map(|(modality, block)| {
        let stats = stats.get(&(split.name, *modality))?.clone();
        let lengths = split.lengths.get(modality).cloned();
        Some((*modality, BlockFacts { shape: block.shape, lengths, stats }))
    });
    SplitFacts {
        name: split.name,
        ids: split.ids.clone(),
        labels: split.regression_labels.overall.clone().unwrap_or_default(),
        classes: split.classification_labels.clone(),
        emotions: split.emotion_labels.as_ref().map(|all| all.iter().copied().collect()),
        annotations: split.annotations.clone(),
        blocks: blocks.collect(),
        has_words: split.raw_text.is_some() || split.text_bert.is_some(),
    }
}
