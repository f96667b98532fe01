//! Reads the Arrow form of a store, from memory maps.
//!
//! No file content causes a panic: Arrow's tables are verified before use, must match the manifest's
//! digest, and every place is checked against the file's length.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow_ipc::CompressionType;
use bytemuck::Zeroable;

use super::manifest::{self, FileEntry};
use super::{CONTINUATION, END_MAGIC, MAGIC, body, schema};
use crate::corpus::SplitName;
use crate::corpus::column::{Column, Dtype};
use crate::corpus::manifest::Manifest;
use crate::map::Bytes;
use crate::store::StoreError;
use crate::store::digest::{self, Element};

/// An open folder.
pub(in crate::store) struct ArrowReader {
    path: PathBuf,
    files: Vec<SplitFile>,
}

/// One split's file.
struct SplitFile {
    split: SplitName,
    map: Bytes,
    batches: Vec<Batch>,
    /// Digest of the bodies, if the manifest has it.
    bodies_blake3: Option<String>,
    /// The columns, each with the index of its first buffer.
    columns: Vec<(Column, usize)>,
}

struct Batch {
    rows: Range<usize>,
    body: Range<usize>,
    /// Places of the buffers in the file.
    buffers: Vec<Range<usize>>,
    codec: Option<CompressionType>,
}

impl ArrowReader {
    /// Opens the files of a folder and reads its manifest.
    pub(in crate::store) fn open(path: &Path) -> Result<(ArrowReader, Manifest), StoreError> {
        let (entries, manifest) = manifest::read(path)?;
        let mut files = Vec::new();
        for split in &manifest.splits {
            let entry = entries.iter().find(|entry| entry.split == split.name);
            let columns = manifest.columns_of(split.name).cloned().collect();
            let name = manifest::file_name(split.name);
            let damaged =
                |problem| StoreError::Damaged { path: path.into(), place: name.clone(), problem };
            let entry = entry.ok_or_else(|| damaged("is not in the manifest".into()))?;
            let map = Bytes::map(&path.join(&name)).map_err(|cause| StoreError::Io {
                path: path.join(&name),
                action: "open",
                cause,
            })?;
            files.push(SplitFile::new(entry, map, columns).map_err(damaged)?);
        }
        Ok((ArrowReader { path: path.into(), files }, manifest))
    }

    /// Bytes of all files except the manifest.
    pub(in crate::store) fn size(&self) -> u64 {
        self.files.iter().map(|file| file.map.bytes().len() as u64).sum()
    }

    /// The split files and the manifest.
    pub(in crate::store) fn files(&self) -> Vec<PathBuf> {
        let splits = self.files.iter().map(|file| self.file_of(file.split));
        splits.chain([self.path.join(manifest::NAME)]).collect()
    }

    /// One split's file.
    pub(in crate::store) fn file_of(&self, split: SplitName) -> PathBuf {
        self.path.join(manifest::file_name(split))
    }

    /// Checks the places of a column's values against its shape.
    pub(in crate::store) fn check(&self, column: &Column) -> Result<(), StoreError> {
        let (file, first_buffer) = self.find(column)?;
        let n_samples = column.n_samples();
        let n_rows = file.batches.last().map_or(0, |batch| batch.rows.end);
        if n_rows != n_samples {
            return Err(
                self.damaged(column, format!("expected {n_samples} samples, found {n_rows}"))
            );
        }
        if column.dtype == Dtype::String {
            return Ok(());
        }
        let values = first_buffer + schema::n_buffers(column) - 1;
        for batch in file.batches.iter().filter(|batch| batch.codec.is_none()) {
            let expected = self.row_bytes(column)?.checked_mul(batch.rows.len());
            let found = batch.buffers[values].len();
            if expected != Some(found) {
                let problem = format!(
                    "the values of samples {} to {} have {found} bytes, which is not their shape",
                    batch.rows.start, batch.rows.end
                );
                return Err(self.damaged(column, problem));
            }
        }
        Ok(())
    }

    /// Whether values are compressed.
    pub(in crate::store) fn is_compressed(&self, column: &Column) -> bool {
        let batches = self.find(column).map(|(file, _)| &*file.batches).unwrap_or_default();
        batches.iter().any(|batch| batch.codec.is_some())
    }

    /// The file that contains a column and the places of its values; `None` if they are compressed.
    pub(in crate::store) fn ranges(&self, column: &Column) -> Option<(PathBuf, Vec<Range<usize>>)> {
        let (file, first_buffer) = self.find(column).ok()?;
        let values = first_buffer + schema::n_buffers(column) - 1;
        let range = |batch: &Batch| batch.codec.is_none().then(|| batch.buffers[values].clone());
        Some((self.file_of(file.split), file.batches.iter().map(range).collect::<Option<_>>()?))
    }

    /// The file that contains a column.
    pub(in crate::store) fn place(&self, column: &Column) -> Option<String> {
        let (file, _) = self.find(column).ok()?;
        Some(manifest::file_name(file.split))
    }

    /// Values of the samples from `start` to the end of their batch, borrowed from the map unless
    /// compressed.
    pub(in crate::store) fn piece<T: Element>(
        &self,
        column: &Column,
        start: usize,
    ) -> Result<Cow<'_, [T]>, StoreError> {
        let (file, first_buffer) = self.find(column)?;
        let batch_idx = file.batches.partition_point(|batch| batch.rows.end <= start);
        let Some(batch) = file.batches.get(batch_idx) else { return Ok(Cow::Borrowed(&[])) };
        let row_bytes = self.row_bytes(column)?;
        let too_large = || self.damaged(column, "its shape is too large".into());
        let n_bytes = row_bytes.checked_mul(batch.rows.len()).ok_or_else(too_large)?;
        let buffer = first_buffer + schema::n_buffers(column) - 1;
        let skipped = start.saturating_sub(batch.rows.start) * row_bytes / size_of::<T>();
        let values = file.values(batch, buffer, n_bytes);
        let values = values.map_err(|problem| self.damaged(column, problem))?;
        let skipped = skipped.min(values.len());
        Ok(match values {
            Cow::Borrowed(values) => Cow::Borrowed(&values[skipped..]),
            Cow::Owned(values) if skipped == 0 => Cow::Owned(values),
            Cow::Owned(values) => Cow::Owned(values[skipped..].to_vec()),
        })
    }

    /// All texts of a column.
    pub(in crate::store) fn strings(&self, column: &Column) -> Result<Vec<String>, StoreError> {
        let (file, first_buffer) = self.find(column)?;
        let mut texts = Vec::new();
        for batch in &file.batches {
            file.strings(batch, first_buffer + 1, &mut texts)
                .map_err(|problem| self.damaged(column, problem))?;
        }
        Ok(texts)
    }

    /// Faults in the bytes that no column digest covers and that opening the folder did not check, per
    /// file.
    pub(in crate::store) fn unsealed(&self) -> Vec<String> {
        self.files.iter().filter_map(SplitFile::unsealed).collect()
    }

    fn find(&self, column: &Column) -> Result<(&SplitFile, usize), StoreError> {
        let place = self.files.iter().find_map(|file| {
            let (_, first) = file.columns.iter().find(|(each, _)| each.id == column.id)?;
            Some((file, *first))
        });
        place.ok_or_else(|| self.damaged(column, "is absent".into()))
    }

    fn row_bytes(&self, column: &Column) -> Result<usize, StoreError> {
        column
            .sample_len()
            .and_then(|n_values| n_values.checked_mul(column.dtype.n_bytes()))
            .ok_or_else(|| self.damaged(column, "its shape is too large".into()))
    }

    fn damaged(&self, column: &Column, problem: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), place: column.id.to_string(), problem }
    }
}

const CHANGED: &str = "its structure differs from its recorded BLAKE3: the file was changed";

impl SplitFile {
    fn new(entry: &FileEntry, map: Bytes, columns: Vec<Column>) -> Result<SplitFile, String> {
        let bytes = map.bytes();
        if bytes.len() as u64 != entry.size {
            return Err(format!("expected {} bytes, found {}", entry.size, bytes.len()));
        }
        let blocks = footer(bytes, &columns)?;
        let mut next_buffer = 0;
        let columns: Vec<(Column, usize)> = columns
            .into_iter()
            .map(|column| {
                let first = next_buffer;
                next_buffer += schema::n_buffers(&column);
                (column, first)
            })
            .collect();
        let mut hasher = blake3::Hasher::new();
        let mut hashed_to = 0;
        let mut batches: Vec<Batch> = Vec::new();
        for block in blocks {
            hasher.update(&bytes[hashed_to..block.body.start]);
            hashed_to = block.body.end;
            let start = batches.last().map_or(0, |batch| batch.rows.end);
            let batch = batch(&bytes[block.metadata], &block.body, start)?;
            if batch.buffers.len() != next_buffer {
                let found = batch.buffers.len();
                return Err(format!("expected {next_buffer} buffers in a batch, found {found}"));
            }
            batches.push(batch);
        }
        hasher.update(&bytes[hashed_to..]);
        if digest::finish(&hasher) != entry.metadata_blake3 {
            return Err(CHANGED.into());
        }
        let bodies_blake3 = entry.bodies_blake3.clone();
        Ok(SplitFile { split: entry.split, map, batches, bodies_blake3, columns })
    }

    /// Compressed bodies must match their digest; otherwise the bytes between buffers must be zero, as
    /// written.
    fn unsealed(&self) -> Option<String> {
        let name = manifest::file_name(self.split);
        let bytes = self.map.bytes();
        if let Some(expected) = &self.bodies_blake3 {
            let mut hasher = blake3::Hasher::new();
            for batch in &self.batches {
                hasher.update(&bytes[batch.body.clone()]);
            }
            let problem = || format!("{name}: its compressed values differ from their BLAKE3");
            return (digest::finish(&hasher) != *expected).then(problem);
        }
        let uncompressed = self.batches.iter().filter(|batch| batch.codec.is_none());
        let mut gaps = uncompressed.flat_map(Batch::gaps);
        gaps.find(|gap| bytes[gap.clone()].iter().any(|byte| *byte != 0)).map(|gap| {
            format!("{name}: bytes {} to {} between values are not zero", gap.start, gap.end)
        })
    }

    /// The numbers of one buffer, which must have `n_bytes`.
    fn values<T: Element>(
        &self,
        batch: &Batch,
        buffer: usize,
        n_bytes: usize,
    ) -> Result<Cow<'_, [T]>, String> {
        let stored = &self.map.bytes()[batch.buffers[buffer].clone()];
        let native = |values: Vec<T>| match cfg!(target_endian = "little") {
            true => values,
            false => values.into_iter().map(T::swap).collect(),
        };
        if let Some(codec) = batch.codec {
            let mut values = zeros(n_bytes / size_of::<T>())?;
            body::decode(stored, codec, bytemuck::cast_slice_mut(&mut values))?;
            return Ok(Cow::Owned(native(values)));
        }
        if stored.len() != n_bytes {
            return Err(format!("expected {n_bytes} bytes, found {}", stored.len()));
        }
        match bytemuck::try_cast_slice(stored) {
            Ok(values) if cfg!(target_endian = "little") => Ok(Cow::Borrowed(values)),
            _ => {
                let mut values = zeros(n_bytes / size_of::<T>())?;
                let target: &mut [u8] = bytemuck::cast_slice_mut(&mut values);
                let n_whole = target.len();
                target.copy_from_slice(&stored[..n_whole]);
                Ok(Cow::Owned(native(values)))
            }
        }
    }

    /// Appends the texts of one batch; `offsets` is the index of the buffer with their offsets, and the
    /// next one holds their bytes.
    fn strings(
        &self,
        batch: &Batch,
        offsets: usize,
        texts: &mut Vec<String>,
    ) -> Result<(), String> {
        let n_bytes = (batch.rows.len() + 1) * size_of::<i32>();
        let offsets_and_end = self.values::<i32>(batch, offsets, n_bytes)?;
        let stored = &self.map.bytes()[batch.buffers[offsets + 1].clone()];
        let end = offsets_and_end.last().copied().unwrap_or(0);
        let end = usize::try_from(end).map_err(|_| format!("a text ends at byte {end}"))?;
        let bytes = match batch.codec {
            None => Cow::Borrowed(stored),
            Some(codec) => {
                let mut bytes = zeros(end)?;
                body::decode(stored, codec, &mut bytes)?;
                Cow::Owned(bytes)
            }
        };
        for place in offsets_and_end.windows(2) {
            let [start, end] = [place[0], place[1]].map(|offset| usize::try_from(offset).ok());
            let text = start.zip(end).and_then(|(start, end)| bytes.get(start..end));
            let text = text.ok_or("a text is outside its buffer")?;
            texts.push(String::from_utf8(text.to_vec()).map_err(|_| "a text is not UTF-8")?);
        }
        Ok(())
    }
}

impl Batch {
    /// Gaps between the buffers and after the last one.
    fn gaps(&self) -> Vec<Range<usize>> {
        let mut buffers = self.buffers.clone();
        buffers.sort_by_key(|buffer| buffer.start);
        let mut done = self.body.start;
        let mut gaps = Vec::new();
        for buffer in buffers.into_iter().chain(std::iter::once(self.body.end..self.body.end)) {
            if done < buffer.start {
                gaps.push(done..buffer.start);
            }
            done = done.max(buffer.end);
        }
        gaps
    }
}

/// Zeros; fails if memory does not suffice.
fn zeros<T: Zeroable + Clone>(n_values: usize) -> Result<Vec<T>, String> {
    let mut values = Vec::new();
    values.try_reserve_exact(n_values).map_err(|_| format!("no memory for {n_values} values"))?;
    values.resize(n_values, T::zeroed());
    Ok(values)
}

/// Places of one batch in the file.
struct BatchPlace {
    /// The table, without its prefix.
    metadata: Range<usize>,
    body: Range<usize>,
}

/// Reads the footer: the places of the batches, which follow each other without gaps from the schema to
/// the end of the messages, so that every byte of the file belongs to something.
fn footer(bytes: &[u8], columns: &[Column]) -> Result<Vec<BatchPlace>, String> {
    let changed = || CHANGED.to_owned();
    if !bytes.starts_with(MAGIC) || !bytes.ends_with(END_MAGIC) {
        return Err("is not an Arrow file: it does not begin and end with `ARROW1`".into());
    }
    let (rest, length) =
        bytes[..bytes.len() - END_MAGIC.len()].split_last_chunk::<4>().ok_or_else(changed)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| changed())?;
    let start = rest.len().checked_sub(length).ok_or_else(changed)?;
    let footer = arrow_ipc::root_as_footer(&rest[start..]).map_err(|_| changed())?;
    let fields = footer.schema().and_then(|schema| schema.fields()).ok_or_else(changed)?;
    let agree =
        fields.iter().zip(columns).all(|(field, column)| schema::is_field_of(&field, column));
    if fields.len() != columns.len() || !agree {
        return Err("its columns are not those of the manifest".into());
    }
    // The schema's message, which repeats the footer's schema.
    let (_, mut position) = message_place(bytes, MAGIC.len()).ok_or_else(changed)?;
    let mut places = Vec::new();
    for block in footer.recordBatches().into_iter().flatten() {
        let (metadata, body_start) = message_place(bytes, position).ok_or_else(changed)?;
        let offset = usize::try_from(block.offset()).ok();
        let metadata_len = usize::try_from(block.metaDataLength()).ok();
        let body_len = usize::try_from(block.bodyLength()).ok();
        let body_end = body_len.and_then(|length| body_start.checked_add(length));
        let body_end = body_end.filter(|end| *end <= start).ok_or_else(changed)?;
        if offset != Some(position) || metadata_len != Some(body_start - position) {
            return Err(changed());
        }
        places.push(BatchPlace { metadata, body: body_start..body_end });
        position = body_end;
    }
    Ok(places)
}

/// Place of the table in the message at `position`, and start of its body.
fn message_place(bytes: &[u8], position: usize) -> Option<(Range<usize>, usize)> {
    let rest = bytes.get(position..)?.strip_prefix(&CONTINUATION)?;
    let length = usize::try_from(i32::from_le_bytes(*rest.first_chunk()?)).ok()?;
    let start = position + CONTINUATION.len() + size_of::<i32>();
    let end = start.checked_add(length).filter(|end| *end <= bytes.len())?;
    Some((start..end, end))
}

fn batch(metadata: &[u8], body: &Range<usize>, start: usize) -> Result<Batch, String> {
    let changed = || CHANGED.to_owned();
    let message = arrow_ipc::root_as_message(metadata).map_err(|_| changed())?;
    let table = message.header_as_record_batch().ok_or_else(changed)?;
    let n_rows = usize::try_from(table.length()).map_err(|_| changed())?;
    let end = start.checked_add(n_rows).ok_or_else(changed)?;
    let place = |offset: i64, length: i64| -> Option<Range<usize>> {
        let first = body.start.checked_add(usize::try_from(offset).ok()?)?;
        let last = first.checked_add(usize::try_from(length).ok()?)?;
        (last <= body.end).then_some(first..last)
    };
    let buffers = table.buffers().into_iter().flatten();
    let buffers: Option<Vec<Range<usize>>> =
        buffers.map(|buffer| place(buffer.offset(), buffer.length())).collect();
    Ok(Batch {
        rows: start..end,
        body: body.clone(),
        buffers: buffers.ok_or_else(changed)?,
        codec: table.compression().map(|compression| compression.codec()),
    })
}
