//! Weights on disk: a safetensors file whose names load into the released PyTorch model, with
//! everything that is needed to rebuild the model beside them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, nn};

use crate::corpus::Dataset;
use crate::model::{Almt, AlmtConfig, Init};
use crate::publish;

/// What a checkpoint says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointInfo {
    /// All sizes of the model.
    pub model: AlmtConfig,
    /// The dataset that it was trained on.
    pub dataset: Dataset,
    /// Digest of the store that it was trained on.
    pub store_digest: String,
    /// The run's seed.
    pub seed: u64,
    /// Epoch after which the weights were taken, counted from 1.
    pub epoch: usize,
}

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{path}: cannot {action}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// The file is no checkpoint of this program.
    #[error("{path}: {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// libtorch failed.
    #[error("{path}: {cause}")]
    Torch {
        /// The file.
        path: PathBuf,
        /// What it said.
        cause: tch::TchError,
    },
}

const INFO_KEY: &str = "almt_data";

/// A model with its weights.
#[derive(Debug)]
pub struct Checkpoint {
    /// What the file says of itself.
    pub info: CheckpointInfo,
    /// The model.
    pub model: Almt,
    /// Its parameters; they live as long as this does.
    pub vars: nn::VarStore,
}

/// Writes all parameters, whole or not at all. The same weights give the same bytes.
///
/// # Errors
/// The folder cannot be written to.
pub fn save(
    path: &Path,
    vars: &nn::VarStore,
    info: &CheckpointInfo,
) -> Result<(), CheckpointError> {
    let malformed = |problem: String| CheckpointError::Malformed { path: path.into(), problem };
    let torch = |cause| CheckpointError::Torch { path: path.into(), cause };
    let mut values: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, tensor) in vars.variables() {
        let flat = tensor.to_device(Device::Cpu).to_kind(Kind::Float).flatten(0, -1);
        let numbers = Vec::<f32>::try_from(&flat).map_err(torch)?;
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let shape = tensor.size().iter().map(|extent| *extent as usize).collect();
        values.insert(name, (shape, bytes));
    }
    let views: Vec<(&String, TensorView<'_>)> = values
        .iter()
        .map(|(name, (shape, bytes))| {
            Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?))
        })
        .collect::<Result<_, safetensors::SafeTensorError>>()
        .map_err(|error| malformed(error.to_string()))?;
    let text = serde_json::to_string(info).map_err(|error| malformed(error.to_string()))?;
    // One entry only: the order of several would differ from run to run.
    let metadata = HashMap::from([(INFO_KEY.to_owned(), text)]);
    let bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|error| malformed(error.to_string()))?;
    publish::write(path, &bytes).map_err(|cause| CheckpointError::Io {
        path: path.into(),
        action: "write",
        cause,
    })
}

/// Reads a checkpoint and rebuilds its model on `device`.
///
/// # Errors
/// The file cannot be read, is no checkpoint, or its tensors are not those of its model.
pub fn load(path: &Path, device: Device) -> Result<Checkpoint, CheckpointError> {
    let malformed = |problem: String| CheckpointError::Malformed { path: path.into(), problem };
    let bytes = std::fs::read(path).map_err(|cause| CheckpointError::Io {
        path: path.into(),
        action: "open",
        cause,
    })?;
    let not_safetensors = |error| malformed(format!("is not a safetensors file: {error}"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(not_safetensors)?;
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(INFO_KEY));
    let text = text.ok_or_else(|| {
        malformed(format!("is not a checkpoint of almt-data: metadata `{INFO_KEY}` is absent"))
    })?;
    let info: CheckpointInfo = serde_json::from_str(text)
        .map_err(|error| malformed(format!("metadata `{INFO_KEY}`: {error}")))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(not_safetensors)?;
    // The sizes come from the file: nothing is built that the file does not hold.
    let n_values: usize = tensors.iter().map(|(_, view)| view.data().len() / 4).sum();
    let n_parameters = info.model.n_parameters();
    if n_parameters.and_then(|n| usize::try_from(n).ok()) != Some(n_values) {
        let expected = n_parameters.map_or("an impossible number of".into(), |n| n.to_string());
        return Err(malformed(format!(
            "its configuration needs {expected} parameters, the file holds {n_values}"
        )));
    }
    let vars = nn::VarStore::new(device);
    let model = Almt::new(&Init::new(vars.root(), info.seed), &info.model);
    let mut variables = vars.variables();
    for name in tensors.names() {
        if !variables.contains_key(name) {
            return Err(malformed(format!("tensor `{name}` is not one of the model")));
        }
    }
    for (name, variable) in &mut variables {
        let view = tensors
            .tensor(name)
            .map_err(|_| malformed(format!("tensor `{name}` of the model is absent")))?;
        let shape: Vec<i64> = view.shape().iter().map(|extent| *extent as i64).collect();
        if view.dtype() != Dtype::F32 || shape != variable.size() {
            return Err(malformed(format!(
                "tensor `{name}`: expected float32 {:?}, found {:?} {shape:?}",
                variable.size(),
                view.dtype()
            )));
        }
        let numbers: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        tch::no_grad(|| variable.copy_(&Tensor::from_slice(&numbers).view(&*shape)));
    }
    Ok(Checkpoint { info, model, vars })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sequence;
    use crate::train::preset::Preset;

    fn small() -> CheckpointInfo {
        let sequence = Sequence { seq_len: 3, feat_dim: 2 };
        let inputs = [(crate::corpus::Modality::Text, sequence)].into();
        CheckpointInfo {
            model: Preset::of(Dataset::Mosi).config(&inputs).unwrap(),
            dataset: Dataset::Mosi,
            store_digest: "d".into(),
            seed: 7,
            epoch: 2,
        }
    }

    #[test]
    fn a_checkpoint_comes_back_and_its_bytes_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1"), folder.path().join("2"));
        let info = small();
        let vars = nn::VarStore::new(Device::Cpu);
        let _model = Almt::new(&Init::new(vars.root(), 7), &info.model);
        save(&one, &vars, &info).unwrap();
        let loaded = load(&one, Device::Cpu).unwrap();
        assert_eq!(loaded.info, info);
        save(&two, &loaded.vars, &loaded.info).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    }

    #[test]
    fn wrong_files_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        std::fs::write(&path, "not tensors").unwrap();
        assert!(load(&path, Device::Cpu).unwrap_err().to_string().contains("not a safetensors"));
        let mut info = small();
        let vars = nn::VarStore::new(Device::Cpu);
        let _model = Almt::new(&Init::new(vars.root(), 7), &info.model);
        let right = info.clone();
        type Change = fn(&mut CheckpointInfo);
        let changes: [(Change, &str); 6] = [
            (|info| info.model.sizes.fusion_depth += 1, "parameters, the file holds"),
            (|info| info.model.sizes.token_dim = 1 << 40, "an impossible number of parameters"),
            (|info| info.model.sizes.embedding_heads = 0, "an impossible number of parameters"),
            (|info| info.model.sizes.token_len = -3, "an impossible number of parameters"),
            (|info| info.model.text.seq_len = i64::MAX, "an impossible number of parameters"),
            // The same number of parameters, of other shapes.
            (
                |info| {
                    std::mem::swap(
                        &mut info.model.sizes.fusion_depth,
                        &mut info.model.sizes.ahl_depth,
                    );
                },
                "tensor `",
            ),
        ];
        for (change, expected) in changes {
            info.clone_from(&right);
            change(&mut info);
            save(&path, &vars, &info).unwrap();
            let error = load(&path, Device::Cpu).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
