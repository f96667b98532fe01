//! Copies a store to another form, with the same values.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::columns::{Data, NewColumn, SplitColumns};
use super::output::{Context, Job};
use super::policy::Policies;
use super::write::{OutputOptions, Started};
use super::{FeatureDtype, Store, StoreError};
use crate::chain::chain;
use crate::corpus::column::{Column, ColumnKind, Dtype};
use crate::corpus::manifest::{Manifest, SplitManifest, store_digest};
use crate::corpus::{FeatureBlock, Modality, RowError, Rows, absent};
use crate::overflow::Overflows;
use crate::paths::{same_file, size_on_disk};
use crate::progress::{Progress, Stage};

/// Result of a copy.
#[derive(Debug)]
pub struct Copied {
    /// The copy's manifest, with the digest of the copied content.
    pub manifest: Manifest,
    /// Size of the copy on disk, in bytes.
    pub n_bytes: u64,
}

/// Writes the content of the store at `from` to `to`, like [`copy`].
///
/// # Errors
/// There is no store at `from`, or `to` is the same store; also the errors of [`copy`].
pub fn copy_file(
    from: &Path,
    to: &Path,
    options: &OutputOptions,
    progress: &dyn Progress,
) -> Result<Copied, StoreError> {
    if same_file(from, to) {
        return Err(StoreError::OutputIsInput { path: to.into() });
    }
    let store = Store::open(from)?;
    progress.begin(Stage::Copying, store.size());
    let manifest = copy(&store, to, options, &|n_bytes| progress.advance(n_bytes))?;
    Ok(Copied { manifest, n_bytes: size_on_disk(to) })
}

/// Writes the content of `source` to `target`. Before the new store gets its name, it is read back and
/// must have the digest of the old one. `advance` receives the bytes of every stretch done.
///
/// # Errors
/// The source cannot be read or differs from its digests, the target exists and may not be
/// overwritten, or the disk is full. Nothing is left behind then.
pub fn copy(
    source: &Store,
    target: &Path,
    options: &OutputOptions,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<Manifest, StoreError> {
    let manifest = source.manifest();
    let splits = manifest
        .splits
        .iter()
        .map(|split| columns(source, split))
        .collect::<Result<Vec<_>, _>>()?;
    let describe = |columns: Vec<Column>| {
        if let Some(column) = columns.iter().find(|column| !is_of(source, column)) {
            return Err(source.differs(&column.id));
        }
        let copied = Manifest { digest: store_digest(&columns), columns, ..manifest.clone() };
        if copied.digest != manifest.digest {
            return Err(source.differs("manifest"));
        }
        Ok(copied)
    };
    write(source, &splits, target, options, describe, advance)
}

/// Whether `source` has exactly this column.
pub(super) fn is_of(source: &Store, column: &Column) -> bool {
    source.manifest().column(&column.id) == Some(column)
}

/// Writes `splits`, whose features have the type of those of `source`, to `target`, and publishes them
/// with the manifest that `describe` creates from the written columns.
pub(super) fn write(
    source: &Store,
    splits: &[SplitColumns<'_>],
    target: &Path,
    options: &OutputOptions,
    describe: impl FnOnce(Vec<Column>) -> Result<Manifest, StoreError>,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<Manifest, StoreError> {
    let context = Context { target };
    let half = |column: &Column| column.dtype == Dtype::Float16;
    let dtype = match source.manifest().columns.iter().any(half) {
        true => FeatureDtype::Float16,
        false => FeatureDtype::Float32,
    };
    let job = Job {
        context: &context,
        policies: Policies::COPY,
        means: &BTreeMap::new(),
        dtype,
        compression: options.compression,
        advance,
    };
    let mut started = Started::new(splits, &job, options)?;
    let (written, _) = started.write(splits, &[], &job).map_err(|error| match error {
        // A store's own values fit it: only an encoder's can be too large.
        StoreError::Refused(mut refused) => {
            refused.by_encoder = true;
            StoreError::Refused(refused)
        }
        other => other,
    })?;
    let manifest = describe(written.columns)?;
    let draft = started.finish(&manifest, &job)?;
    Store::open(&draft.path()).and_then(|store| store.check_digests()).map_err(|error| {
        let problem = format!("what was written reads differently: {}", chain(&error));
        context.io(std::io::Error::other(problem))
    })?;
    let published = if options.sync { draft.publish() } else { draft.publish_unsynced() };
    published.map_err(|error| context.io(error))?;
    Ok(manifest)
}

/// All columns of one split, as in `source`.
pub(super) fn columns<'a>(
    source: &'a Store,
    split: &'a SplitManifest,
) -> Result<SplitColumns<'a>, StoreError> {
    let columns = source.manifest().columns_of(split.name).map(|column| {
        let data = match column.id.kind {
            ColumnKind::Features(modality) => features(source, column, modality, split),
            _ => source.unchecked_content(column).map(Data::from),
        };
        let (kind, shape) = (column.id.kind.clone(), column.shape.clone());
        data.map(|data| NewColumn { kind, shape, data })
    });
    let columns = columns.collect::<Result<_, _>>()?;
    Ok(SplitColumns { name: split.name, ids: (&*split.ids).into(), columns })
}

fn features(
    source: &Store,
    column: &Column,
    modality: Modality,
    split: &SplitManifest,
) -> Result<Data<'static>, StoreError> {
    let (source, column) = (source.clone(), column.clone());
    let shape = source.shape3(&column)?;
    let lengths = source.unchecked_lengths(split.name, modality)?.map(Into::into);
    let rows = StoreRows { source, column, recent: Mutex::new(VecDeque::new()) };
    let block = FeatureBlock { shape, rows: Arc::new(rows) };
    Ok(Data::Features { modality, block, lengths })
}

/// Number of cached chunks of a block: as many as threads work on at a time.
const N_RECENT: usize = 4;

/// The samples of a feature block, read in the store's own chunks.
struct StoreRows {
    source: Store,
    column: Column,
    /// The most recently read chunks, each with its first sample.
    recent: Mutex<VecDeque<(usize, Vec<f32>)>>,
}

impl Rows for StoreRows {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError> {
        // A store's values were narrowed when it was written.
        let none = Ok(Overflows::default());
        if out.is_empty() {
            return none;
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let row_len = out.len();
        let place = |(start, values): &(usize, Vec<f32>)| {
            let first = sample_idx.checked_sub(*start)? * row_len;
            (first + row_len <= values.len()).then_some(first)
        };
        if !recent.iter().any(|piece| place(piece).is_some()) {
            let Ok(values) = self.source.feature_piece(&self.column, sample_idx) else {
                // Another sample of the chunk may be the faulty one.
                self.source.sample_of_column(&self.column, sample_idx, out)?;
                return none;
            };
            recent.truncate(N_RECENT - 1);
            recent.push_front((sample_idx, values));
        }
        let found = recent.iter().find_map(|piece| Some((place(piece)?, &piece.1)));
        let (first, values) = found.ok_or_else(|| absent(sample_idx))?;
        out.copy_from_slice(&values[first..first + row_len]);
        none
    }
}
