//! Reads and writes tensors in safetensors files. Equal tensors give equal bytes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use tch::{Device, Kind, Tensor};

use crate::advice::Advise;
use crate::chain::tried;
use crate::publish::Draft;

/// Why a file of tensors could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file system refused.
    #[error("{path}: {}", tried(action, cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// The operating system's error.
        #[source]
        cause: std::io::Error,
    },
    /// The file is malformed.
    #[error("{path}: {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// libtorch failed.
    #[error("{path}: libtorch cannot use its tensors")]
    Torch {
        /// The file.
        path: PathBuf,
        /// libtorch's error.
        #[source]
        cause: tch::TchError,
    },
}

impl Advise for WeightsError {}

/// Tensors of float32 by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// A file of tensors, in memory.
pub(super) struct TensorFile {
    path: PathBuf,
    bytes: Vec<u8>,
    metadata: HashMap<String, String>,
}

/// Writes tensors as float32, atomically, and returns the BLAKE3 of the file. At most one metadata
/// entry, since the order of several would vary between runs.
///
/// # Errors
/// The folder cannot be written to.
pub(super) fn write(
    path: &Path,
    tensors: &Tensors,
    metadata: Option<(&str, String)>,
) -> Result<String, WeightsError> {
    let malformed = |problem: String| WeightsError::Malformed { path: path.into(), problem };
    let torch = |cause| WeightsError::Torch { path: path.into(), cause };
    let io = |cause| WeightsError::Io { path: path.into(), action: "write", cause };
    let mut values: BTreeMap<&str, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, tensor) in tensors {
        let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).flatten(0, -1);
        let numbers = Vec::<f32>::try_from(&flat).map_err(torch)?;
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let shape = tensor.size().iter().map(|extent| *extent as usize).collect();
        values.insert(name, (shape, bytes));
    }
    let views: Vec<(&str, TensorView<'_>)> = values
        .iter()
        .map(|(name, (shape, bytes))| {
            Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?))
        })
        .collect::<Result<_, safetensors::SafeTensorError>>()
        .map_err(|error| malformed(error.to_string()))?;
    let metadata = metadata.map(|(key, text)| HashMap::from([(key.to_owned(), text)]));
    let bytes =
        safetensors::serialize(views, metadata).map_err(|error| malformed(error.to_string()))?;
    let draft = Draft::new(path, true).map_err(io)?;
    std::fs::write(draft.path(), &bytes).map_err(io)?;
    // Written every epoch: complete after any kill, without waiting for the disk.
    draft.publish_unsynced().map_err(io)?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// The BLAKE3 of a file, as [`write`] returns it.
///
/// # Errors
/// The file cannot be read.
pub fn digest(path: &Path) -> Result<String, WeightsError> {
    TensorFile::read_bytes(path).map(|bytes| blake3::hash(&bytes).to_hex().to_string())
}

/// Whether two files hold identical tensors; their metadata may differ.
///
/// # Errors
/// A file cannot be read or is not a safetensors file.
pub fn same_tensors(one: &Path, other: &Path) -> Result<bool, WeightsError> {
    let (one, other) = (TensorFile::open(one)?, TensorFile::open(other)?);
    let (one, other) = (one.tensors()?, other.tensors()?);
    let by_name = |file: &SafeTensors<'_>| -> BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> {
        let tensors = file.tensors().into_iter();
        let whole = |view: TensorView<'_>| (view.dtype(), view.shape().into(), view.data().into());
        tensors.map(|(name, view)| (name, whole(view))).collect()
    };
    Ok(by_name(&one) == by_name(&other))
}

impl TensorFile {
    fn read_bytes(path: &Path) -> Result<Vec<u8>, WeightsError> {
        std::fs::read(path).map_err(|cause| {
            let path = path.into();
            WeightsError::Io { path, action: "open", cause }
        })
    }

    /// Reads a file; its tensors are examined later.
    ///
    /// # Errors
    /// The file cannot be read or is not a safetensors file.
    pub(super) fn open(path: &Path) -> Result<TensorFile, WeightsError> {
        let bytes = TensorFile::read_bytes(path)?;
        let header = SafeTensors::read_metadata(&bytes).map_err(|error| {
            let problem = format!("is not a safetensors file: {error}");
            WeightsError::Malformed { path: path.into(), problem }
        })?;
        let metadata = header.1.metadata().clone().unwrap_or_default();
        Ok(TensorFile { path: path.into(), bytes, metadata })
    }

    /// Whether the metadata has an entry.
    pub(super) fn has_info(&self, key: &str) -> bool {
        self.metadata.contains_key(key)
    }

    /// One metadata entry, which is JSON.
    ///
    /// # Errors
    /// The entry is absent or malformed, or has a key that this version does not know.
    pub(super) fn info<T: serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        key: &str,
        what: &str,
    ) -> Result<T, WeightsError> {
        self.info_of_forms(key, what, |_, _| {})
    }

    /// Like [`info`](TensorFile::info), for an entry with a different older format: `older` adds that
    /// format's keys to the known ones.
    pub(super) fn info_of_forms<T: serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        key: &str,
        what: &str,
        older: impl Fn(&T, &mut serde_json::Value),
    ) -> Result<T, WeightsError> {
        let text = self.metadata.get(key).ok_or_else(|| {
            self.malformed(format!("is not {what} of almt-data: metadata `{key}` is absent"))
        })?;
        let malformed =
            |error: serde_json::Error| self.malformed(format!("metadata `{key}`: {error}"));
        let found: serde_json::Value = serde_json::from_str(text).map_err(malformed)?;
        let info: T = serde_json::from_str(text).map_err(malformed)?;
        // The struct has the same keys when read and when written.
        let mut known = serde_json::to_value(&info).map_err(malformed)?;
        older(&info, &mut known);
        match surplus(&found, &known) {
            None => Ok(info),
            Some(name) => Err(self.malformed(format!(
                "metadata `{key}`: key `{name}` is not known: another version of the program wrote \
                 it"
            ))),
        }
    }

    /// Number of values in all tensors.
    ///
    /// # Errors
    /// The header contradicts the file.
    pub(super) fn n_values(&self) -> Result<usize, WeightsError> {
        let tensors = self.tensors()?;
        Ok(tensors.iter().map(|(_, view)| view.shape().iter().product::<usize>()).sum())
    }

    /// Copies all tensors whose name begins with `prefix` into those named without it.
    ///
    /// # Errors
    /// A tensor is absent, surplus, of another shape or not floating-point.
    pub(super) fn copy_into(
        &self,
        prefix: &str,
        targets: &mut Tensors,
    ) -> Result<(), WeightsError> {
        let is_elsewhere = |name: &str| !name.starts_with(prefix);
        self.copy_renamed(targets, |own| format!("{prefix}{own}"), is_elsewhere)
    }

    /// Copies tensors under the names that `name_of` returns. All other tensors of the file have to be
    /// `idle`.
    ///
    /// # Errors
    /// A tensor is absent, surplus, of another shape or not floating-point.
    pub(super) fn copy_renamed(
        &self,
        targets: &mut Tensors,
        name_of: impl Fn(&str) -> String,
        is_idle: impl Fn(&str) -> bool,
    ) -> Result<(), WeightsError> {
        let tensors = self.tensors()?;
        let names: BTreeMap<String, String> =
            targets.keys().map(|own| (name_of(own), own.clone())).collect();
        for name in tensors.names() {
            if !names.contains_key(name) && !is_idle(name) {
                return Err(self.malformed(format!("tensor `{name}` is not one of the model")));
            }
        }
        for (name, own) in names {
            let view = tensors
                .tensor(&name)
                .map_err(|_| self.malformed(format!("tensor `{name}` of the model is absent")))?;
            let shape: Vec<i64> = view.shape().iter().map(|extent| *extent as i64).collect();
            let numbers = numbers(&view);
            let Some(target) = targets.get(&own) else { continue };
            let Some(numbers) = numbers.filter(|_| shape == target.size()) else {
                return Err(self.malformed(format!(
                    "tensor `{name}`: expected float32 {:?}, found {:?} {shape:?}",
                    target.size(),
                    view.dtype()
                )));
            };
            let values = Tensor::from_slice(&numbers).view(&*shape);
            tch::no_grad(|| target.detach().copy_(&values));
        }
        Ok(())
    }

    /// The shape of each tensor by name.
    ///
    /// # Errors
    /// The header contradicts the file.
    pub(super) fn shapes(&self) -> Result<BTreeMap<String, Vec<i64>>, WeightsError> {
        let extents = |shape: &[usize]| shape.iter().map(|extent| *extent as i64).collect();
        let tensors = self.tensors()?;
        let views = tensors.tensors().into_iter();
        Ok(views.map(|(name, view)| (name, extents(view.shape()))).collect())
    }

    /// Names of all tensors.
    ///
    /// # Errors
    /// The header contradicts the file.
    pub(super) fn names(&self) -> Result<Vec<String>, WeightsError> {
        Ok(self.tensors()?.names().into_iter().map(str::to_owned).collect())
    }

    pub(super) fn malformed(&self, problem: String) -> WeightsError {
        WeightsError::Malformed { path: self.path.clone(), problem }
    }

    fn tensors(&self) -> Result<SafeTensors<'_>, WeightsError> {
        SafeTensors::deserialize(&self.bytes)
            .map_err(|error| self.malformed(format!("is not a safetensors file: {error}")))
    }
}

/// The first key of `found` that `known` lacks; null values are ignored.
fn surplus<'a>(found: &'a serde_json::Value, known: &serde_json::Value) -> Option<&'a str> {
    let mut entries = found.as_object()?.iter().filter(|(_, value)| !value.is_null());
    entries.find_map(|(key, value)| match known.get(key) {
        None => Some(key.as_str()),
        Some(known) => surplus(value, known),
    })
}

/// The values of a floating-point tensor as float32; `None` for another type.
fn numbers(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => {
            data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        }
        Dtype::F16 => {
            data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        }
        Dtype::BF16 => {
            data.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_that_are_not_written_are_found() {
        let known = json!({"model": {"text": {"seq_len": 1}}, "epoch": 1});
        assert_eq!(surplus(&known, &known), None);
        let found = json!({"model": {"text": {"seq_len": 1, "stride": 2}}, "epoch": 1});
        assert_eq!(surplus(&found, &known), Some("stride"));
        assert_eq!(surplus(&json!({"epoch": 1, "audio": null}), &known), None);
    }
}
