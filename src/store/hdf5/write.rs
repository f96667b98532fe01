//! Writes the HDF5 form of a store.

use std::collections::BTreeSet;
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ::hdf5::plist::dataset_create::AllocTime;
use ::hdf5::types::VarLenUnicode;
use ::hdf5::{Dataset, File, Group};
use half::f16;
use ndarray::ArrayView3;

use super::{SEAL, SEAL_ATTRIBUTE};
use crate::chain::Said;
use crate::corpus::manifest::{Alignment, Manifest, Source};
use crate::corpus::stats::BlockStats;
use crate::hdf5_file::{answer, unlocked, written};
use crate::map::Bytes;
use crate::store::columns::{Data, NewColumn, SplitColumns};
use crate::store::copy::{Pass, copy_block};
use crate::store::digest::Feature;
use crate::store::output::{Context, Job, Output, Written};
use crate::store::seal::digest_around;
use crate::store::{Compression, FeatureDtype, StoreError, VERSION};

/// Bytes of one chunk of a compressed dataset, unless one sample has more. The copy writes chunks of
/// this size, so that none is compressed twice.
const CHUNK_BYTES: usize = 1 << 18;

/// Level of gzip: 9 saves less than 1 % of floating-point features over 4.
const GZIP_LEVEL: u8 = 4;

/// A file being written.
pub(in crate::store) struct Hdf5Output {
    file: File,
    /// The same file, bypassing the library.
    raw: std::fs::File,
    path: PathBuf,
    /// Stretches of values whose digests are in the manifest.
    values: Vec<Range<usize>>,
}

impl Hdf5Output {
    /// Creates a file in place of the empty one at `path`.
    pub(in crate::store) fn create(
        path: &Path,
        context: &Context<'_>,
    ) -> Result<Hdf5Output, StoreError> {
        // Created anew under the reserved name: ext4 flushes a truncated file to disk when it is
        // closed, synced or not.
        std::fs::remove_file(path).map_err(|error| context.io(error))?;
        // The 1.10 format checksums its metadata, and every recent h5py reads it.
        let file = File::with_options()
            .with_fapl(|fapl| unlocked(fapl).libver_v110())
            .with_fcpl(|fcpl| fcpl.obj_track_times(false))
            .create_excl(path)
            .map_err(|error| context.hdf5("the file", &error))?;
        let raw = std::fs::File::options().write(true).open(path);
        let raw = raw.map_err(|error| context.io(error))?;
        Ok(Hdf5Output { file, raw, path: path.into(), values: Vec::new() })
    }
}

impl Output for Hdf5Output {
    fn files(&self) -> io::Result<Vec<std::fs::File>> {
        Ok(vec![self.raw.try_clone()?])
    }

    fn split(
        &mut self,
        split: &SplitColumns<'_>,
        job: &Job<'_>,
        written: &mut Written,
    ) -> Result<(), StoreError> {
        let name = split.name.name();
        let create = |name: &str| {
            self.file
                .create_group_builder()
                .obj_track_times(false)
                .create(name)
                .map_err(|error| job.context.hdf5(name, &error))
        };
        let group = create(name)?;
        let folders = split
            .columns
            .iter()
            .filter_map(|column| column.kind.name().rsplit_once('/').map(|(folder, _)| folder));
        for folder in folders.collect::<BTreeSet<_>>() {
            create(&format!("{name}/{folder}"))?;
        }
        let (raw, values) = (&self.raw, &mut self.values);
        let mut writer = SplitWriter { raw, values, group, split, job, written };
        split.columns.iter().try_for_each(|column| writer.column(column))
    }

    fn finish(self: Box<Self>, manifest: &Manifest, job: &Job<'_>) -> Result<(), StoreError> {
        write_root(job.context, &self.file, manifest)?;
        self.file.close().map_err(|error| job.context.hdf5("the file", &error))?;
        seal(&self.path, &self.raw, self.values).map_err(|error| job.context.io(error))
    }
}

/// Appends the last line to a file that the library has closed.
fn seal(path: &Path, raw: &std::fs::File, values: Vec<Range<usize>>) -> io::Result<()> {
    let file = Bytes::map(path)?;
    let digest = digest_around(file.bytes(), values);
    let line = [SEAL, digest.as_bytes(), b"\n"].concat();
    write_all_at(raw, &line, file.bytes().len() as u64)
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
    // One text each, also for several files: joined by commas in the manifest's order.
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
        ("digest", &manifest.digest),
        ("manifest_blake3", &blake3::hash(json.as_bytes()).to_hex()),
        ("manifest", &json),
        SEAL_ATTRIBUTE,
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

fn text_attr(place: &::hdf5::Location, name: &str, text: &str) -> ::hdf5::Result<()> {
    let value = unicode(text);
    place.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&value)
}

fn number_attr<T: ::hdf5::H5Type>(
    place: &::hdf5::Location,
    name: &str,
    value: T,
) -> ::hdf5::Result<()> {
    place.new_attr::<T>().create(name)?.write_scalar(&value)
}

/// Texts contain no NUL here, the only possible failure.
fn unicode(text: &str) -> VarLenUnicode {
    text.parse().unwrap_or_default()
}

struct SplitWriter<'a, 'b> {
    raw: &'a std::fs::File,
    values: &'a mut Vec<Range<usize>>,
    group: Group,
    split: &'a SplitColumns<'b>,
    job: &'a Job<'a>,
    written: &'a mut Written,
}

impl SplitWriter<'_, '_> {
    fn column(&mut self, column: &NewColumn<'_>) -> Result<(), StoreError> {
        let failed = |error: ::hdf5::Error| {
            let id = column.kind.clone().of(self.split.name);
            self.job.context.hdf5(&id.to_string(), &error)
        };
        let Some(entry) = column.entry(self.split.name) else {
            return match self.job.dtype {
                FeatureDtype::Float32 => self.features::<f32>(column),
                FeatureDtype::Float16 => self.features::<f16>(column),
            };
        };
        match &column.data {
            Data::Strings(texts) => {
                let values: Vec<VarLenUnicode> = texts.iter().map(|text| unicode(text)).collect();
                self.values(column, &values, &entry.blake3)
            }
            Data::F32(values) => self.values(column, values, &entry.blake3),
            Data::I32(values) => self.values(column, values, &entry.blake3),
            Data::I8(values) => self.values(column, values, &entry.blake3),
            Data::Features { .. } => Ok(()),
        }
        .map_err(failed)?;
        self.written.columns.push(entry);
        Ok(())
    }

    fn values<T: ::hdf5::H5Type>(
        &mut self,
        column: &NewColumn<'_>,
        values: &[T],
        digest: &str,
    ) -> ::hdf5::Result<()> {
        // Texts lie in a heap of the file, which filters do not reach.
        let is_text = matches!(column.data, Data::Strings(_));
        let dataset = self.create::<T>(column, !is_text)?;
        if let (Some(stretch), false) = (stretch_of(&dataset, size_of_val(values)), is_text) {
            self.values.push(stretch);
        }
        if !values.is_empty() {
            dataset.as_writer().write_raw(values)?;
        }
        text_attr(&dataset, "blake3", digest)
    }

    /// Creates an empty dataset: without a time stamp, so that equal input gives equal files;
    /// contiguous unless compressed, so that it can be memory-mapped.
    fn create<T: ::hdf5::H5Type>(
        &self,
        column: &NewColumn<'_>,
        compress: bool,
    ) -> ::hdf5::Result<Dataset> {
        let builder = self.group.new_dataset::<T>().obj_track_times(false);
        let row_bytes = column.shape[1..].iter().product::<usize>() * size_of::<T>();
        let n_samples = column.shape[0];
        if !compress || self.job.compression == Compression::None || row_bytes * n_samples == 0 {
            return builder
                .no_chunk()
                .alloc_time(Some(AllocTime::Early))
                .shape(column.shape.clone())
                .create(column.kind.name());
        }
        let mut chunk = column.shape.clone();
        chunk[0] = chunk_rows(row_bytes).min(n_samples);
        builder
            .chunk(chunk)
            .shuffle()
            .deflate(GZIP_LEVEL)
            .shape(column.shape.clone())
            .create(column.kind.name())
    }

    fn features<T: Feature>(&mut self, column: &NewColumn<'_>) -> Result<(), StoreError> {
        let Data::Features { modality, block, lengths } = &column.data else { return Ok(()) };
        let context = self.job.context;
        let mut entry = column.unwritten(self.split.name, T::DTYPE);
        let path = entry.id.to_string();
        let failed = |error: ::hdf5::Error| context.hdf5(&path, &error);
        let dataset = self.create::<T>(column, true).map_err(failed)?;
        let n_values: usize = column.shape.iter().product();
        self.values.extend(stretch_of(&dataset, n_values * size_of::<T>()));
        let lengths = lengths.as_deref();
        let repair = self.job.repair(*modality);
        let pass = Pass { block, lengths, repair, stored: PhantomData::<T> };
        let row_len = pass.row_len().max(1);
        // A contiguous dataset's values are one stretch of the file, allocated on creation. Writing
        // there directly avoids the library's global lock.
        let mut offset = dataset.offset();
        let mut row = 0;
        let mut put = |values: &[T]| -> io::Result<()> {
            if let Some(offset) = &mut offset {
                write_all_at(self.raw, bytemuck::cast_slice(values), *offset)?;
                *offset += size_of_val(values) as u64;
                return Ok(());
            }
            let end = row + values.len() / row_len;
            let [_, seq_len, feat_dim] = block.shape;
            let view = ArrayView3::from_shape((end - row, seq_len, feat_dim), values)
                .map_err(io::Error::other)?;
            dataset.write_slice(view, (row..end, .., ..)).map_err(written)?;
            row = end;
            Ok(())
        };
        let (blake3, tally) = copy_block(&pass, &mut put, self.job.advance)
            .map_err(|error| self.job.copy_error(error, self.split, *modality))?;
        write_stats(&dataset, &tally.stats, &blake3).map_err(failed)?;
        entry.blake3 = blake3;
        self.written.features(self.split, *modality, entry, tally);
        Ok(())
    }
}

/// Place of a contiguous dataset's `n_bytes`.
fn stretch_of(dataset: &Dataset, n_bytes: usize) -> Option<Range<usize>> {
    let start = usize::try_from(dataset.offset()?).ok()?;
    Some(start..start + n_bytes)
}

/// Samples per chunk.
fn chunk_rows(row_bytes: usize) -> usize {
    (CHUNK_BYTES / row_bytes.max(1)).max(1)
}

impl Context<'_> {
    /// The library's failure to write at a place in the file.
    fn hdf5(&self, place: &str, error: &::hdf5::Error) -> StoreError {
        if let Some(answer) = answer(error) {
            return self.io(answer);
        }
        let cause = Said(error.to_string());
        StoreError::Hdf5 { path: self.target.into(), place: place.into(), is_written: true, cause }
    }
}

fn write_stats(dataset: &Dataset, stats: &BlockStats, digest: &str) -> ::hdf5::Result<()> {
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

#[cfg(unix)]
fn write_all_at(file: &std::fs::File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &std::fs::File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        match file.seek_write(bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n_written => {
                bytes = &bytes[n_written..];
                offset += n_written as u64;
            }
        }
    }
    Ok(())
}
