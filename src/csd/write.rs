//! Writes a file that the SDK reads, entry by entry.

use std::path::{Path, PathBuf};

use ::hdf5::types::{FixedUnicode, TypeDescriptor, VarLenUnicode};
use ::hdf5::{Dataset, File, Group, H5Type};
use ndarray::Array2;
use serde_json::{Value, json};

use super::entry::{CsdEntry, Features, Texts};
use super::error::CsdError;
use super::metadata::NAMES;
use crate::hdf5_file::unlocked;
use crate::publish::Draft;

/// Bytes of one chunk, unless one row has more.
const CHUNK_BYTES: usize = 1 << 18;

/// Level of gzip; the SDK's 9 takes far longer for less than 1 %.
const GZIP_LEVEL: u8 = 4;

/// A file being written. It appears under its name when [`SequenceWriter::finish`] succeeds, and is
/// removed if dropped before.
#[derive(Debug)]
pub struct SequenceWriter {
    target: PathBuf,
    file: File,
    root: String,
    data: Group,
    hasher: blake3::Hasher,
    // Last, so that the file is closed before its folder is removed.
    draft: Draft,
}

impl SequenceWriter {
    /// Reserves a place for a file at `target`, with the top-level group `root`.
    ///
    /// # Errors
    /// `target` exists and `overwrite` is off, its folder cannot be written to, or `root` cannot be a
    /// name.
    pub fn create(target: &Path, root: &str, overwrite: bool) -> Result<SequenceWriter, CsdError> {
        ::hdf5::silence_errors(true);
        check_name(target, root)?;
        let io = |cause: std::io::Error| not_written(target, cause);
        let draft = Draft::new(target, overwrite).map_err(io)?;
        std::fs::remove_file(draft.path()).map_err(io)?;
        let failed = |error: ::hdf5::Error| CsdError::unwritten(target, root, &error);
        let file = File::with_options()
            .with_fapl(unlocked)
            .with_fcpl(|fcpl| fcpl.obj_track_times(false))
            .create_excl(draft.path())
            .map_err(failed)?;
        let data = group(&file, root).and_then(|root| group(&root, "data")).map_err(failed)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(root.as_bytes());
        Ok(SequenceWriter { target: target.into(), file, root: root.into(), data, hasher, draft })
    }

    /// Adds an entry: the name of a video, or `VIDEO[i]`.
    ///
    /// # Errors
    /// The entry exists already, its name cannot be stored, features and intervals have different
    /// numbers of rows, or the disk is full.
    pub fn entry(&mut self, name: &str, entry: &CsdEntry) -> Result<(), CsdError> {
        check_name(&self.target, name)?;
        let CsdEntry { intervals, features } = entry;
        if features.n_rows() != intervals.len() {
            let problem = format!(
                "{} rows of features and {} of intervals",
                features.n_rows(),
                intervals.len()
            );
            return Err(CsdError::damaged(&self.target, name, problem));
        }
        if self.data.link_exists(name) {
            return Err(CsdError::damaged(&self.target, name, "is written twice"));
        }
        let times: Vec<f64> = intervals.iter().flatten().copied().collect();
        self.hasher.update(name.as_bytes()).update(bytemuck::cast_slice(&times));
        self.write(name, &times, features)
            .map_err(|error| CsdError::unwritten(&self.target, name, &error))
    }

    fn write(&mut self, name: &str, times: &[f64], features: &Features) -> ::hdf5::Result<()> {
        let group = group(&self.data, name)?;
        let shape = [times.len() / 2, 2];
        numbers(&group, "intervals", shape, times)?;
        let shape = features.shape();
        match features {
            Features::Float64(values) => {
                let values: Vec<f64> = values.iter().copied().collect();
                self.hasher.update(bytemuck::cast_slice(&values));
                numbers(&group, "features", shape, &values)
            }
            Features::Float32(values) => {
                let values: Vec<f32> = values.iter().copied().collect();
                self.hasher.update(bytemuck::cast_slice(&values));
                numbers(&group, "features", shape, &values)
            }
            Features::Text(Texts { width, values }) => {
                values.iter().for_each(|text| {
                    self.hasher.update(&[text.len() as u8]).update(text.as_bytes());
                });
                strings(&group, (*width).max(1), values)
            }
        }
    }

    /// Adds the metadata, syncs the file and moves it to its name. Names that the SDK expects and
    /// `metadata` lacks become `null`; `uuid` follows from the content.
    ///
    /// # Errors
    /// The disk is full, or another program created the target meanwhile.
    pub fn finish(self, metadata: &[(String, Value)]) -> Result<(), CsdError> {
        let failed = |error: ::hdf5::Error| CsdError::unwritten(&self.target, "metadata", &error);
        let group = self
            .file
            .group(&self.root)
            .and_then(|root| group(&root, "metadata"))
            .map_err(failed)?;
        let uuid = uuid(&self.hasher);
        let given = |name: &str| metadata.iter().find(|(given, _)| given == name);
        let standard = NAMES.iter().map(|name| {
            let value = match (*name, given(name)) {
                ("root name", _) => json!(self.root),
                ("uuid", None) => json!(uuid),
                (_, Some((_, value))) => value.clone(),
                (_, None) => Value::Null,
            };
            ((*name).to_owned(), value)
        });
        let others = metadata.iter().filter(|(name, _)| !NAMES.contains(&&**name)).cloned();
        for (name, value) in standard.chain(others) {
            check_name(&self.target, &name)?;
            text(&group, &name, &value.to_string()).map_err(failed)?;
        }
        self.file.close().map_err(failed)?;
        // Handles of the groups keep the file open.
        drop((group, self.data));
        self.draft.publish().map_err(|cause| not_written(&self.target, cause))
    }
}

fn not_written(target: &Path, cause: std::io::Error) -> CsdError {
    match cause.kind() {
        std::io::ErrorKind::AlreadyExists => CsdError::Exists { path: target.into() },
        _ => CsdError::Io { path: target.into(), action: "write", cause },
    }
}

fn check_name(target: &Path, name: &str) -> Result<(), CsdError> {
    let problem = match name {
        "" | "." => "it is empty",
        name if name.contains('/') => "it has a `/`, which separates groups",
        name if name.contains('\0') => "it has a NUL",
        _ => return Ok(()),
    };
    Err(CsdError::Name { path: target.into(), name: name.into(), problem })
}

fn group(parent: &Group, name: &str) -> ::hdf5::Result<Group> {
    parent.create_group_builder().obj_track_times(false).create(name)
}

/// An empty dataset in compressed chunks of whole rows.
fn dataset(
    group: &Group,
    name: &str,
    dtype: &TypeDescriptor,
    [n_rows, feat_dim]: [usize; 2],
) -> ::hdf5::Result<Dataset> {
    let builder = group.new_dataset_builder().obj_track_times(false);
    let chunk_rows = (CHUNK_BYTES / (feat_dim * dtype.size()).max(1)).max(1);
    let builder = match n_rows * feat_dim {
        0 => builder.no_chunk(),
        _ => builder.chunk([chunk_rows.min(n_rows), feat_dim]).deflate(GZIP_LEVEL),
    };
    builder.empty_as(dtype).shape([n_rows, feat_dim]).create(name)
}

fn numbers<T: H5Type>(
    group: &Group,
    name: &str,
    shape: [usize; 2],
    values: &[T],
) -> ::hdf5::Result<()> {
    let dataset = dataset(group, name, &T::type_descriptor(), shape)?;
    if values.is_empty() { Ok(()) } else { dataset.write_raw(values) }
}

/// Strings of fixed width: the library converts them from the next larger of a few widths, because a
/// width is part of a type.
fn strings(group: &Group, width: usize, values: &Array2<String>) -> ::hdf5::Result<()> {
    macro_rules! by_width {
        ($($most:literal)*) => {
            match width {
                $(..=$most => padded::<$most>(group, width, values),)*
                _ => Err(format!("strings of {width} bytes are too wide").into()),
            }
        };
    }
    by_width!(8 16 32 64 128 256 512 1024 2048 4096)
}

fn padded<const MOST: usize>(
    group: &Group,
    width: usize,
    values: &Array2<String>,
) -> ::hdf5::Result<()> {
    let is_ascii = values.iter().all(|text| text.is_ascii());
    let (n_rows, feat_dim) = values.dim();
    let dtype = match is_ascii {
        true => TypeDescriptor::FixedAscii(width),
        false => TypeDescriptor::FixedUnicode(width),
    };
    let dataset = dataset(group, "features", &dtype, [n_rows, feat_dim])?;
    if let Some(long) = values.iter().find(|text| text.len() > width) {
        return Err(format!("`{long}` is longer than {width} bytes").into());
    }
    if values.is_empty() {
        return Ok(());
    }
    let wide = |_| ::hdf5::Error::from("a string is too long");
    if is_ascii {
        let values: Result<Vec<::hdf5::types::FixedAscii<MOST>>, _> =
            values.iter().map(::hdf5::types::FixedAscii::from_ascii).collect();
        return dataset.write_raw(&values.map_err(wide)?);
    }
    let values: Result<Vec<FixedUnicode<MOST>>, _> =
        values.iter().map(|text| text.parse()).collect();
    dataset.write_raw(&values.map_err(wide)?)
}

/// One string of the metadata, `[1]`.
fn text(group: &Group, name: &str, value: &str) -> ::hdf5::Result<()> {
    let value: VarLenUnicode =
        value.parse().map_err(|_| ::hdf5::Error::from("a value of the metadata has a NUL"))?;
    let builder = group.new_dataset::<VarLenUnicode>().obj_track_times(false);
    builder.no_chunk().shape([1]).create(name)?.write_raw(&[value])
}

/// A UUID of version 8 (RFC 9562) from a digest of the content: equal content has an equal one.
fn uuid(hasher: &blake3::Hasher) -> String {
    let mut digest = hasher.finalize().to_hex().to_string();
    digest.replace_range(12..13, "8");
    digest.replace_range(16..17, "8");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    parts.map(|part| digest[part].to_owned()).join("-")
}
