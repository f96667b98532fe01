//! Weights on disk: a safetensors file whose names load into the released PyTorch model, with the
//! metadata needed to rebuild the model.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::{Device, Tensor, nn};

use super::config::ModelConfig;
use super::network::Network;
use super::released::ReleasedNames;
use super::weights::{self, TensorFile, Tensors, WeightsError};
use crate::corpus::Dataset;
use crate::corpus::label::LabelScale;
use crate::corpus::scale::OwnScale;
use crate::corpus::schema::DataSchema;
use crate::model::form::Placement;
use crate::model::registry::ModelSpec;
use crate::model::{Almt, Form};
use crate::run::describe::CHECKPOINT;
use crate::run::label_map::LabelMap;
use crate::run::settings::TokenChoice;

/// Metadata of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointInfo {
    /// All sizes of the model.
    #[serde(flatten)]
    pub config: ModelConfig,
    /// The form that the model was trained in; absent in files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// Source of the text encoder's tokens.
    #[serde(default, skip_serializing_if = "TokenChoice::is_stored")]
    pub tokens: TokenChoice,
    /// The training dataset.
    pub dataset: Dataset,
    /// What its labels are, of a dataset of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_scale: Option<OwnScale>,
    /// How labels become what the model is trained on, where they are not that themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_map: Option<LabelMap>,
    /// Digest of the training store.
    pub store_digest: String,
    /// The run's random seed.
    pub seed: u64,
    /// Epoch of the weights, counted from 1.
    pub epoch: usize,
    /// What the model was trained on; absent in files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_schema: Option<DataSchema>,
}

impl CheckpointInfo {
    /// What the labels are.
    pub fn scale(&self) -> LabelScale<'_> {
        LabelScale::of(self.dataset, self.label_scale.as_ref())
    }
}

/// A model with its weights.
#[derive(Debug)]
pub struct Checkpoint {
    /// The file's metadata.
    pub info: CheckpointInfo,
    /// The model.
    pub network: Network,
    /// Its form: the one used in training, or the fastest if the device lacks that.
    form: Form,
    /// Its parameters; they live as long as this does.
    pub vars: nn::VarStore,
}

impl Checkpoint {
    /// The model as ALMT, sharing its parameters; `None` for another model.
    pub fn almt(&self) -> Option<Almt> {
        Some(Almt::given(&parameters(&self.vars), &self.info.config.almt()?, Form::Reference))
    }

    /// The model in the traceable form closest to its own.
    pub fn traced(&self) -> Network {
        Network::given(&parameters(&self.vars), &self.info.config, self.form.traced())
    }
}

/// Writes all parameters atomically and returns the BLAKE3 of the file. Equal weights give equal bytes.
///
/// # Errors
/// The folder cannot be written to.
pub fn save(
    path: &Path,
    parameters: &Tensors,
    info: &CheckpointInfo,
) -> Result<String, WeightsError> {
    let text = serde_json::to_string(info).map_err(|error| WeightsError::Malformed {
        path: path.into(),
        problem: error.to_string(),
    })?;
    weights::write(path, parameters, Some((CHECKPOINT, text)))
}

/// BLAKE3 of tensors: each name, then its values as little-endian float32.
///
/// # Errors
/// libtorch fails.
pub(super) fn digest<'a>(
    tensors: impl IntoIterator<Item = (&'a String, &'a Tensor)>,
) -> Result<String, tch::TchError> {
    let mut hasher = blake3::Hasher::new();
    for (name, tensor) in tensors {
        hasher.update(name.as_bytes());
        let values = Vec::<f32>::try_from(tensor.detach().to_device(Device::Cpu).flatten(0, -1))?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        hasher.update(&bytes);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// All parameters by name.
pub(super) fn parameters(vars: &nn::VarStore) -> Tensors {
    vars.variables().into_iter().collect()
}

/// Reads a checkpoint and rebuilds its model on `device`.
///
/// # Errors
/// The file cannot be read, is not a checkpoint, or its tensors do not match its model or are not finite.
pub fn load(path: &Path, device: Device) -> Result<Checkpoint, WeightsError> {
    let file = TensorFile::open(path)?;
    let info = info_of(&file)?;
    // The sizes come from the file: nothing is built that the file cannot fill.
    let n_values = file.n_values()?;
    let size = info.config.size();
    if size.and_then(|size| usize::try_from(size.all).ok()) != Some(n_values) {
        let expected = size.map_or("an impossible number of".into(), |size| size.all.to_string());
        return Err(file.malformed(format!(
            "its configuration needs {expected} parameters, the file holds {n_values}"
        )));
    }
    build(&file, info, device)
}

/// A checkpoint's metadata, in this version's format or an older one.
fn info_of(file: &TensorFile) -> Result<CheckpointInfo, WeightsError> {
    file.info_of_forms(CHECKPOINT, "a checkpoint", |info: &CheckpointInfo, known| {
        known["model"] = serde_json::to_value(info.config.almt()).unwrap_or_default();
    })
}

/// The metadata of a checkpoint.
///
/// # Errors
/// The file cannot be read, or is not a checkpoint.
pub fn described(path: &Path) -> Result<CheckpointInfo, WeightsError> {
    info_of(&TensorFile::open(path)?)
}

/// The metadata of a weight file; `None` if it has none.
///
/// # Errors
/// The file cannot be read or is not a safetensors file.
pub fn info(path: &Path) -> Result<Option<CheckpointInfo>, WeightsError> {
    Ok(info_of(&TensorFile::open(path)?).ok())
}

/// Reads weights without metadata, such as those of the released PyTorch model, for the model that
/// `info` describes.
///
/// # Errors
/// The file cannot be read, is not a safetensors file, or its tensors do not match the model or are not
/// finite.
pub fn load_as(
    path: &Path,
    info: CheckpointInfo,
    device: Device,
) -> Result<Checkpoint, WeightsError> {
    build(&TensorFile::open(path)?, info, device)
}

fn build(
    file: &TensorFile,
    info: CheckpointInfo,
    device: Device,
) -> Result<Checkpoint, WeightsError> {
    let vars = nn::VarStore::new(device);
    let place = Placement::of_one(!device.is_cuda());
    let form = info.config.form(info.form, place).or_else(|_| info.config.form(None, place));
    let form = form.unwrap_or(Form::Reference);
    let network = Network::new(&vars, &info.config, form, info.seed);
    copy(file, &info.config.spec, &vars)?;
    Ok(Checkpoint { info, network, form, vars })
}

/// Copies the tensors of a checkpoint, or of a file that uses published names.
fn copy(file: &TensorFile, spec: &ModelSpec, vars: &nn::VarStore) -> Result<(), WeightsError> {
    let mut parameters = parameters(vars);
    match file.has_info(CHECKPOINT) {
        true => file.copy_into("", &mut parameters),
        false => ReleasedNames::of(spec).copy_into(file, &mut parameters),
    }?;
    check_finite(file, vars)
}

/// Refuses weights that are not finite: whatever a model computes with them looks like a result.
fn check_finite(file: &TensorFile, vars: &nn::VarStore) -> Result<(), WeightsError> {
    for (name, tensor) in parameters(vars) {
        let n_values = tensor.numel();
        let n_finite = tensor.detach().isfinite().sum(tch::Kind::Int64).int64_value(&[]);
        let n_wrong = n_values as i64 - n_finite;
        if n_wrong > 0 {
            let verb = if n_wrong == 1 { "is" } else { "are" };
            return Err(file.malformed(format!(
                "tensor `{name}`: {n_wrong} of {n_values} values {verb} NaN or infinite"
            )));
        }
    }
    Ok(())
}

/// Whether a file with the published names of a model also has a text encoder.
///
/// # Errors
/// The file cannot be read or is not a safetensors file.
pub fn has_encoder(path: &Path, spec: &ModelSpec) -> Result<bool, WeightsError> {
    ReleasedNames::of(spec).has_encoder(&TensorFile::open(path)?)
}

/// Replaces a model's parameters with those of a checkpoint, or of a file that uses the names of its
/// published code.
///
/// # Errors
/// Same as [`load_as`].
pub fn load_into(path: &Path, spec: &ModelSpec, vars: &nn::VarStore) -> Result<(), WeightsError> {
    copy(&TensorFile::open(path)?, spec, vars)
}

/// Writes only the tensors of a checkpoint, under the names of the released PyTorch model, whose
/// `load_state_dict` accepts them directly. Returns their number and the BLAKE3 of the file.
///
/// # Errors
/// The folder cannot be written to.
pub fn export(path: &Path, checkpoint: &Checkpoint) -> Result<(usize, String), WeightsError> {
    let names = ReleasedNames::of(&checkpoint.info.config.spec);
    let tensors = names.rename(&parameters(&checkpoint.vars));
    Ok((tensors.len(), weights::write(path, &tensors, None)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Modality;
    use crate::model::registry::Inputs;
    use crate::model::{AlmtSizes, Sequence};
    use crate::run::preset::Preset;

    fn small() -> CheckpointInfo {
        let sequence = Sequence { seq_len: 3, feat_dim: 2 };
        let inputs = [(crate::corpus::Modality::Text, sequence)].into();
        CheckpointInfo {
            config: ModelConfig {
                spec: Preset::of(Dataset::Mosi).model,
                inputs: Inputs(inputs),
                bert: None,
            },
            form: Some(Form::Absorbed),
            tokens: TokenChoice::TextBert,
            dataset: Dataset::Mosi,
            label_scale: None,
            label_map: None,
            store_digest: "d".into(),
            seed: 7,
            epoch: 2,
            data_schema: None,
        }
    }

    #[test]
    fn a_checkpoint_comes_back_and_its_bytes_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1"), folder.path().join("2"));
        let info = small();
        let vars = nn::VarStore::new(Device::Cpu);
        let _network = Network::new(&vars, &info.config, Form::Reference, 7);
        save(&one, &parameters(&vars), &info).unwrap();
        let loaded = load(&one, Device::Cpu).unwrap();
        assert_eq!(loaded.info, info);
        save(&two, &parameters(&loaded.vars), &loaded.info).unwrap();
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
        let _network = Network::new(&vars, &info.config, Form::Reference, 7);
        let right = info.clone();
        type Change = fn(&mut AlmtSizes, &mut Sequence);
        let changes: [(Change, &str); 6] = [
            (|sizes, _| sizes.fusion_depth += 1, "parameters, the file holds"),
            (|sizes, _| sizes.token_dim = 1 << 40, "an impossible number of parameters"),
            (|sizes, _| sizes.embedding_heads = 0, "an impossible number of parameters"),
            (|sizes, _| sizes.token_len = -3, "an impossible number of parameters"),
            (|_, text| text.seq_len = i64::MAX, "an impossible number of parameters"),
            // The same number of parameters, with other shapes.
            (|sizes, _| std::mem::swap(&mut sizes.fusion_depth, &mut sizes.ahl_depth), "tensor `"),
        ];
        for (change, expected) in changes {
            info.clone_from(&right);
            let text = info.config.inputs.0.get_mut(&Modality::Text).unwrap();
            let ModelSpec::Almt(config) = &mut info.config.spec else { panic!() };
            change(&mut config.sizes, text);
            save(&path, &parameters(&vars), &info).unwrap();
            let error = load(&path, Device::Cpu).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn configurations_of_older_versions_are_read() {
        let config = small().config;
        let old = serde_json::json!({ "model": config.almt().unwrap() });
        assert_eq!(serde_json::from_value::<ModelConfig>(old).unwrap(), config);
        assert!(serde_json::from_value::<ModelConfig>(serde_json::json!({})).is_err());
    }
}
