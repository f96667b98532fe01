//! Writes the Arrow form of a store.
//!
//! All threads read and check a batch while one of them digests and writes the previous one, so that
//! two batches are in memory at a time.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::marker::PhantomData;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow_ipc::{
    Block, BodyCompression, BodyCompressionArgs, BodyCompressionMethod, Buffer, CompressionType,
    FieldNode, Footer, FooterArgs, Message, MessageArgs, MessageHeader, MetadataVersion,
    RecordBatch, RecordBatchArgs,
};
use blake3::Hasher;
use flatbuffers::{FlatBufferBuilder, UnionWIPOffset, WIPOffset};
use half::f16;

use super::manifest::{self, FileEntry};
use super::{ALIGNMENT, CONTINUATION, END_MAGIC, MAGIC, body, schema};
use crate::corpus::SplitName;
use crate::corpus::column::{Column, Dtype};
use crate::corpus::manifest::Manifest;
use crate::store::columns::{Data, SplitColumns};
use crate::store::copy::{CopyError, Pass, Row, Tally, Unread};
use crate::store::digest::{self, Feature};
use crate::store::output::{Job, Output, Written};
use crate::store::{FeatureDtype, StoreError};

/// Bytes of one batch, unless one sample has more.
const BATCH_BYTES: usize = 1 << 22;

/// A folder that is being written.
pub(in crate::store) struct ArrowOutput {
    folder: PathBuf,
    /// The files of the splits still to be written.
    files: Vec<(SplitName, File)>,
    entries: Vec<FileEntry>,
}

impl ArrowOutput {
    /// Creates the files of `splits` in an empty folder.
    pub(in crate::store) fn create(
        folder: &Path,
        splits: &[SplitColumns<'_>],
    ) -> io::Result<ArrowOutput> {
        let create = |split: &SplitColumns<'_>| {
            let file = File::create_new(folder.join(manifest::file_name(split.name)))?;
            Ok((split.name, file))
        };
        let files = splits.iter().map(create).collect::<io::Result<_>>()?;
        Ok(ArrowOutput { folder: folder.into(), files, entries: Vec::new() })
    }
}

impl Output for ArrowOutput {
    fn files(&self) -> io::Result<Vec<File>> {
        self.files.iter().map(|(_, file)| file.try_clone()).collect()
    }

    fn split(
        &mut self,
        split: &SplitColumns<'_>,
        job: &Job<'_>,
        written: &mut Written,
    ) -> Result<(), StoreError> {
        let file = self.files.iter().find(|(name, _)| *name == split.name);
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
        let file = file.and_then(|(_, file)| file.try_clone());
        let file = file.map_err(|error| job.context.io(error))?;
        let entry = match job.dtype {
            FeatureDtype::Float32 => write_split::<f32>(file, split, job, written),
            FeatureDtype::Float16 => write_split::<f16>(file, split, job, written),
        };
        self.entries.push(entry?);
        Ok(())
    }

    fn finish(self: Box<Self>, content: &Manifest, job: &Job<'_>) -> Result<(), StoreError> {
        manifest::to_text(&self.entries, content)
            .and_then(|text| std::fs::write(self.folder.join(manifest::NAME), text))
            .map_err(|error| job.context.io(error))
    }
}

/// A feature block being copied.
struct Features<'a, T> {
    pass: Pass<'a, T>,
    hasher: Hasher,
    tally: Tally,
}

fn write_split<T: Feature>(
    file: File,
    split: &SplitColumns<'_>,
    job: &Job<'_>,
    written: &mut Written,
) -> Result<FileEntry, StoreError> {
    let io = |error| job.context.io(error);
    let mut entries: Vec<Column> = Vec::new();
    let mut features: Vec<Features<'_, T>> = Vec::new();
    for column in &split.columns {
        let unwritten = || column.unwritten(split.name, T::DTYPE);
        entries.push(column.entry(split.name).unwrap_or_else(unwritten));
        if let Data::Features { modality, block, lengths } = &column.data {
            let pass = Pass {
                block,
                lengths: lengths.as_deref(),
                repair: job.repair(*modality),
                stored: PhantomData,
            };
            features.push(Features { pass, hasher: Hasher::new(), tally: Tally::default() });
        }
    }
    let codec = body::codec(job.compression);
    let mut file = BatchFile::begin(file, &entries, codec).map_err(io)?;
    let n_samples = split.ids.len();
    let n_rows = (BATCH_BYTES / row_bytes::<T>(split).max(1)).clamp(1, n_samples.max(1));
    let mut filling: Vec<Vec<f32>> =
        features.iter().map(|all| vec![0.0; n_rows * all.pass.row_len()]).collect();
    let mut writing = filling.clone();
    let mut previous = 0..0;
    // One round more than there are batches; it only writes the last one.
    for start in (0..n_samples + n_rows).step_by(n_rows) {
        let rows = start.min(n_samples)..(start + n_rows).min(n_samples);
        let mut fill = |passes: Vec<&Pass<'_, T>>| -> Vec<Result<Vec<Row>, Unread>> {
            let blocks = passes.into_iter().zip(&mut filling);
            blocks
                .map(|(pass, out)| pass.fill(rows.start, &mut out[..rows.len() * pass.row_len()]))
                .collect()
        };
        let (passes, hashers): (Vec<_>, Vec<_>) =
            features.iter_mut().map(|all| (&all.pass, &mut all.hasher)).unzip();
        let batch = Batch { split, entries: &entries, rows: previous.clone(), features: &writing };
        let (filled, put) =
            rayon::join(|| fill(passes), || file.batch::<T>(&batch, hashers, job.advance));
        put.map_err(io)?;
        let modalities = split.columns.iter().filter_map(|column| match &column.data {
            Data::Features { modality, .. } => Some(*modality),
            _ => None,
        });
        for ((all, filled), modality) in features.iter_mut().zip(filled).zip(modalities) {
            filled
                .map_err(CopyError::Read)
                .and_then(|filled| all.tally.add(rows.start, filled.iter()))
                .map_err(|error| job.copy_error(error, split, modality))?;
        }
        std::mem::swap(&mut filling, &mut writing);
        previous = rows;
    }
    let entry = file.finish(split.name, &entries).map_err(io)?;
    let mut features = features.into_iter();
    for (mut entry, column) in entries.into_iter().zip(&split.columns) {
        match (&column.data, entry.blake3.is_empty()) {
            (Data::Features { modality, .. }, true) => {
                let Some(Features { hasher, tally, .. }) = features.next() else { continue };
                entry.blake3 = digest::finish(&hasher);
                written.features(split, *modality, entry, tally);
            }
            _ => written.columns.push(entry),
        }
    }
    Ok(entry)
}

/// Bytes of one sample, with the average size of its texts.
fn row_bytes<T>(split: &SplitColumns<'_>) -> usize {
    let columns = split.columns.iter().map(|column| {
        let n_values: usize = column.shape.iter().skip(1).product();
        match &column.data {
            Data::Strings(texts) => {
                texts.iter().map(String::len).sum::<usize>() / texts.len().max(1)
            }
            Data::F32(_) | Data::I32(_) => n_values * 4,
            Data::I8(_) => n_values,
            Data::Features { .. } => n_values * size_of::<T>(),
        }
    });
    columns.sum()
}

/// A few samples of all columns.
struct Batch<'a> {
    split: &'a SplitColumns<'a>,
    entries: &'a [Column],
    rows: Range<usize>,
    /// Values of the feature blocks, in their order.
    features: &'a [Vec<f32>],
}

impl Batch<'_> {
    /// The buffers of all columns, except those that would mark absent values.
    fn buffers<T: Feature>(&self, mut hashers: Vec<&mut Hasher>) -> io::Result<Vec<Cow<'_, [u8]>>> {
        let mut buffers = Vec::new();
        let mut features = self.features.iter().zip(&mut hashers);
        for column in &self.split.columns {
            let row_len: usize = column.shape.iter().skip(1).product();
            let places = self.rows.start * row_len..self.rows.end * row_len;
            match &column.data {
                Data::Strings(texts) => {
                    let (offsets, bytes) = strings(&texts[self.rows.clone()])?;
                    buffers.push(Cow::Owned(digest::le_bytes(&offsets).into_owned()));
                    buffers.push(Cow::Owned(bytes));
                }
                Data::F32(values) => buffers.push(digest::le_bytes(&values[places])),
                Data::I32(values) => buffers.push(digest::le_bytes(&values[places])),
                Data::I8(values) => buffers.push(digest::le_bytes(&values[places])),
                Data::Features { .. } => {
                    let Some((values, hasher)) = features.next() else { continue };
                    let bytes = match T::narrow(&values[..places.len()]) {
                        Cow::Borrowed(values) => digest::le_bytes(values),
                        Cow::Owned(values) => Cow::Owned(digest::le_bytes(&values).into_owned()),
                    };
                    hasher.update(&bytes);
                    buffers.push(bytes);
                }
            }
        }
        Ok(buffers)
    }

    /// Bytes of the feature blocks as float32.
    fn feature_bytes(&self) -> u64 {
        let columns = self.split.columns.iter();
        let features = columns.filter(|column| matches!(column.data, Data::Features { .. }));
        let row_len: usize =
            features.map(|column| column.shape.iter().skip(1).product::<usize>()).sum();
        (self.rows.len() * row_len * size_of::<f32>()) as u64
    }

    /// Lengths of all arrays and their child arrays.
    fn nodes(&self) -> Vec<FieldNode> {
        let n_rows = self.rows.len();
        let lengths = self.entries.iter().flat_map(|column| {
            let inner = (column.shape.len() > 1)
                .then(|| n_rows * column.shape.iter().skip(1).product::<usize>());
            [Some(n_rows), inner]
        });
        lengths.flatten().map(|length| FieldNode::new(length as i64, 0)).collect()
    }
}

/// Offsets of the texts, and their bytes.
fn strings(texts: &[String]) -> io::Result<(Vec<i32>, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut offsets = vec![0];
    for text in texts {
        bytes.extend_from_slice(text.as_bytes());
        offsets.push(i32::try_from(bytes.len()).map_err(|_| {
            io::Error::other("texts of more than 2 GiB in one batch, which Arrow cannot hold")
        })?);
    }
    Ok((offsets, bytes))
}

/// One IPC file.
struct BatchFile {
    out: BufWriter<File>,
    position: usize,
    /// Digest of everything but the bodies.
    metadata: Hasher,
    /// Digest of the bodies, if they are compressed.
    bodies: Hasher,
    blocks: Vec<Block>,
    codec: Option<CompressionType>,
}

impl BatchFile {
    fn begin(
        file: File,
        columns: &[Column],
        codec: Option<CompressionType>,
    ) -> io::Result<BatchFile> {
        let mut file = BatchFile {
            out: BufWriter::with_capacity(1 << 16, file),
            position: 0,
            metadata: Hasher::new(),
            bodies: Hasher::new(),
            blocks: Vec::new(),
            codec,
        };
        file.metadata(MAGIC)?;
        let mut builder = FlatBufferBuilder::new();
        let schema = arrow_ipc::convert::schema_to_fb_offset(&mut builder, &schema_of(columns)?);
        let header = schema.as_union_value();
        let message = message(builder, MessageHeader::Schema, header, 0);
        file.message(&message)?;
        Ok(file)
    }

    fn batch<T: Feature>(
        &mut self,
        batch: &Batch<'_>,
        hashers: Vec<&mut Hasher>,
        advance: &(dyn Fn(u64) + Sync),
    ) -> io::Result<()> {
        if batch.rows.is_empty() {
            return Ok(());
        }
        let buffers = body::encode(batch.buffers::<T>(hashers)?, self.codec)?;
        let (places, body_len) = body::places(&buffers);
        let mut with_values = places.into_iter();
        let mut places = Vec::new();
        for column in batch.entries {
            let n_with_values = if column.dtype == Dtype::String { 2 } else { 1 };
            for idx in (0..schema::n_buffers(column)).rev() {
                let place = match idx < n_with_values {
                    true => with_values.next().unwrap_or_default(),
                    false => (places.last().map_or(0, |last: &Buffer| last.offset() as usize), 0),
                };
                places.push(Buffer::new(place.0 as i64, place.1 as i64));
            }
        }
        let mut builder = FlatBufferBuilder::new();
        let nodes = builder.create_vector(&batch.nodes());
        let places = builder.create_vector(&places);
        let compression = self.codec.map(|codec| {
            let method = BodyCompressionMethod::BUFFER;
            BodyCompression::create(&mut builder, &BodyCompressionArgs { codec, method })
        });
        let args = RecordBatchArgs {
            length: batch.rows.len() as i64,
            nodes: Some(nodes),
            buffers: Some(places),
            compression,
            variadicBufferCounts: None,
        };
        let header = RecordBatch::create(&mut builder, &args).as_union_value();
        let offset = self.position;
        let message = message(builder, MessageHeader::RecordBatch, header, body_len);
        self.message(&message)?;
        let metadata_len = i32::try_from(self.position - offset).map_err(io::Error::other)?;
        self.blocks.push(Block::new(offset as i64, metadata_len, body_len as i64));
        for buffer in &buffers {
            self.out.write_all(buffer)?;
            let padded = buffer.len().next_multiple_of(ALIGNMENT);
            let padding = &[0; ALIGNMENT][..padded - buffer.len()];
            self.out.write_all(padding)?;
            if self.codec.is_some() {
                self.bodies.update(buffer);
                self.bodies.update(padding);
            }
            self.position += padded;
        }
        advance(batch.feature_bytes());
        Ok(())
    }

    /// Writes the footer; returns the file's manifest entry.
    fn finish(mut self, split: SplitName, columns: &[Column]) -> io::Result<FileEntry> {
        self.metadata(&CONTINUATION)?;
        self.metadata(&[0; 4])?;
        let mut builder = FlatBufferBuilder::new();
        let schema = arrow_ipc::convert::schema_to_fb_offset(&mut builder, &schema_of(columns)?);
        let dictionaries = builder.create_vector::<Block>(&[]);
        let batches = builder.create_vector(&self.blocks);
        let args = FooterArgs {
            version: MetadataVersion::V5,
            schema: Some(schema),
            dictionaries: Some(dictionaries),
            recordBatches: Some(batches),
            custom_metadata: None,
        };
        let footer = Footer::create(&mut builder, &args);
        builder.finish(footer, None);
        let footer = builder.finished_data();
        self.metadata(footer)?;
        let length = i32::try_from(footer.len()).map_err(io::Error::other)?;
        self.metadata(&length.to_le_bytes())?;
        self.metadata(END_MAGIC)?;
        self.out.flush()?;
        Ok(FileEntry {
            split,
            size: self.position as u64,
            metadata_blake3: digest::finish(&self.metadata),
            bodies_blake3: self.codec.map(|_| digest::finish(&self.bodies)),
        })
    }

    /// Writes a message, padded so that what follows is aligned.
    fn message(&mut self, message: &[u8]) -> io::Result<()> {
        let prefix = CONTINUATION.len() + size_of::<i32>();
        let end = (self.position + prefix + message.len()).next_multiple_of(ALIGNMENT);
        let length = end - self.position - prefix;
        self.metadata(&CONTINUATION)?;
        self.metadata(&i32::try_from(length).map_err(io::Error::other)?.to_le_bytes())?;
        self.metadata(message)?;
        self.metadata(&[0; ALIGNMENT][..length - message.len()])
    }

    fn metadata(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.metadata.update(bytes);
        self.position += bytes.len();
        self.out.write_all(bytes)
    }
}

fn schema_of(columns: &[Column]) -> io::Result<arrow_schema::Schema> {
    schema::schema(columns)
        .ok_or_else(|| io::Error::other("a sample has more values than Arrow can hold"))
}

fn message(
    mut builder: FlatBufferBuilder<'_>,
    header_type: MessageHeader,
    header: WIPOffset<UnionWIPOffset>,
    body_len: usize,
) -> Vec<u8> {
    let args = MessageArgs {
        version: MetadataVersion::V5,
        header_type,
        header: Some(header),
        bodyLength: body_len as i64,
        custom_metadata: None,
    };
    let message = Message::create(&mut builder, &args);
    builder.finish(message, None);
    builder.finished_data().to_vec()
}
