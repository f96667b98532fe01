//! `model.safetensors`: the values of all parameters, by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use sha2::{Digest, Sha256};
use tch::{Kind, Tensor, nn};

use super::PretrainedError;
use crate::map::Bytes;
use crate::model::BertConfig;

/// A mapped file with every parameter of a configuration.
pub(super) struct Weights {
    path: PathBuf,
    bytes: Bytes,
    /// Each parameter's name in the file.
    names: BTreeMap<String, String>,
    ignored: Vec<String>,
}

/// Both digests of a whole file, as hexadecimal text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightDigests {
    /// SHA-256.
    pub sha256: String,
    /// BLAKE3.
    pub blake3: String,
}

impl Weights {
    /// Maps the file and checks its header against the configuration.
    pub(super) fn open(folder: &Path, config: &BertConfig) -> Result<Weights, PretrainedError> {
        let path = folder.join("model.safetensors");
        let bytes = match Bytes::map(&path) {
            Ok(bytes) => bytes,
            Err(cause) => {
                return Err(instead(folder).unwrap_or(PretrainedError::Io { path, cause }));
            }
        };
        let mut weights = Weights { path, bytes, names: BTreeMap::new(), ignored: Vec::new() };
        weights.match_names(config)?;
        Ok(weights)
    }

    pub(super) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    fn tensors(&self) -> Result<SafeTensors<'_>, PretrainedError> {
        SafeTensors::deserialize(self.bytes.bytes()).map_err(|error| PretrainedError::Malformed {
            path: self.path.clone(),
            problem: error.to_string(),
        })
    }

    fn match_names(&mut self, config: &BertConfig) -> Result<(), PretrainedError> {
        let tensors = self.tensors()?;
        let mut names = BTreeMap::new();
        for (name, shape) in config.parameters() {
            let found = spellings(&name)
                .into_iter()
                .find_map(|spelling| Some((tensors.tensor(&spelling).ok()?, spelling)));
            let Some((view, spelling)) = found else {
                return Err(PretrainedError::Missing { path: self.path.clone(), name });
            };
            self.check(&spelling, &view, &shape)?;
            names.insert(name, spelling);
        }
        let used: Vec<&String> = names.values().collect();
        let mut ignored: Vec<String> = tensors.names().into_iter().map(str::to_owned).collect();
        ignored.retain(|name| !used.contains(&name));
        ignored.sort();
        (self.names, self.ignored) = (names, ignored);
        Ok(())
    }

    fn check(
        &self,
        name: &str,
        view: &TensorView<'_>,
        expected: &[i64],
    ) -> Result<Kind, PretrainedError> {
        let differs = |expected: String, found: String| PretrainedError::Tensor {
            path: self.path.clone(),
            name: name.to_owned(),
            expected,
            found,
        };
        if !view
            .shape()
            .iter()
            .map(|extent| i64::try_from(*extent).ok())
            .eq(expected.iter().map(|e| Some(*e)))
        {
            return Err(differs(format!("{expected:?}"), format!("{:?}", view.shape())));
        }
        match view.dtype() {
            Dtype::F32 => Ok(Kind::Float),
            Dtype::F16 => Ok(Kind::Half),
            Dtype::BF16 => Ok(Kind::BFloat16),
            other => Err(differs("F32, F16 or BF16".into(), format!("{other:?}"))),
        }
    }

    pub(super) fn copy_into(
        &self,
        config: &BertConfig,
        vars: &nn::VarStore,
        prefix: &str,
    ) -> Result<(), PretrainedError> {
        let torch = |cause| PretrainedError::Torch { path: self.path.clone(), cause };
        let tensors = self.tensors()?;
        let mut variables = vars.variables();
        let has_variable =
            |(name, _): &(String, _)| variables.contains_key(&format!("{prefix}{name}"));
        let pooler: Vec<_> = config.pooler().into_iter().filter(has_variable).collect();
        for (name, shape) in config.parameters().chain(pooler) {
            let absent =
                || PretrainedError::Missing { path: self.path.clone(), name: name.clone() };
            let known = self.names.get(&name).cloned();
            let in_file = |spelling: &String| tensors.tensor(spelling).is_ok();
            let spelling =
                known.or_else(|| spellings(&name).into_iter().find(in_file)).ok_or_else(absent)?;
            // Parsed again, since other processes can change the file.
            let view = tensors.tensor(&spelling).map_err(|_| absent())?;
            let kind = self.check(&spelling, &view, &shape)?;
            let variable = variables.get_mut(&format!("{prefix}{name}")).ok_or_else(absent)?;
            let values = Tensor::f_from_data_size(view.data(), &shape, kind).map_err(torch)?;
            tch::no_grad(|| variable.f_copy_(&values)).map_err(torch)?;
        }
        Ok(())
    }

    pub(super) fn digests(&self) -> WeightDigests {
        let bytes = self.bytes.bytes();
        let (sha256, blake3) = rayon::join(|| Sha256::digest(bytes), || blake3::hash(bytes));
        WeightDigests {
            sha256: sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            blake3: blake3.to_hex().to_string(),
        }
    }
}

/// Alternatives to `model.safetensors` in a folder.
fn instead(folder: &Path) -> Option<PretrainedError> {
    let existing = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
    if let Some(path) = existing("model.safetensors.index.json") {
        return Some(PretrainedError::Sharded { path });
    }
    let folder = folder.display().to_string();
    existing("pytorch_model.bin").map(|path| PretrainedError::Pickle { path, folder })
}

/// Possible names of a parameter: with the prefix used in models with a head, and with the older names
/// of a norm's scale and shift, still used by `bert-base-uncased`.
fn spellings(name: &str) -> Vec<String> {
    let older = name
        .replace("LayerNorm.weight", "LayerNorm.gamma")
        .replace("LayerNorm.bias", "LayerNorm.beta");
    let mut all = vec![name.to_owned(), format!("bert.{name}")];
    if older != name {
        all.extend([format!("bert.{older}"), older]);
    }
    all
}
