//! State of an unfinished run: weights, memory and optimizers after an epoch, so that it can resume as
//! if never interrupted. Everything else follows from the settings and `metrics.jsonl`.

use std::path::Path;

use super::checkpoint;
use super::optimizer::Optimizer;
use super::weights::{self, TensorFile, Tensors, WeightsError};
use serde::{Deserialize, Serialize};

const KEY: &str = "almt_data_state";

/// Metadata of the file.
#[derive(Debug, Serialize, Deserialize)]
struct StateInfo {
    /// Last finished epoch, counted from 1.
    epoch: usize,
    /// BLAKE3 of the tensors, computed by [`checkpoint::digest`]; absent in files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blake3: Option<String>,
}

/// All tensors that change in a run.
#[derive(Debug)]
pub struct Changing<'a> {
    /// Parameters and buffers.
    pub parameters: Tensors,
    /// The model's other state.
    pub memory: Tensors,
    /// One optimizer per phase.
    pub optimizers: &'a [Optimizer],
}

impl Changing<'_> {
    /// The tensors of the file: `param/NAME`, `memory/NAME`, and those of [`Optimizer::state`],
    /// prefixed with the phase's number from the second phase on.
    fn all(self) -> Tensors {
        let named = |place: &'static str, tensors: Tensors| {
            tensors.into_iter().map(move |(name, tensor)| (format!("{place}/{name}"), tensor))
        };
        let mut all: Tensors = named("param", self.parameters).collect();
        all.extend(named("memory", self.memory));
        for (idx, optimizer) in self.optimizers.iter().enumerate() {
            let place = if idx == 0 { String::new() } else { format!("{idx}/") };
            let state = optimizer.state().into_iter();
            all.extend(state.map(|(name, tensor)| (format!("{place}{name}"), tensor)));
        }
        all
    }
}

/// Writes the state after an epoch, atomically.
///
/// # Errors
/// The folder cannot be written to.
pub fn save(path: &Path, changing: Changing<'_>, epoch: usize) -> Result<(), WeightsError> {
    let tensors = changing.all();
    let info = StateInfo { epoch, blake3: Some(digest(path, &tensors)?) };
    let text = serde_json::to_string(&info).map_err(|error| WeightsError::Malformed {
        path: path.into(),
        problem: error.to_string(),
    })?;
    weights::write(path, &tensors, Some((KEY, text))).map(|_| ())
}

fn digest(path: &Path, tensors: &Tensors) -> Result<String, WeightsError> {
    checkpoint::digest(tensors).map_err(|cause| WeightsError::Torch { path: path.into(), cause })
}

/// Restores weights and optimizers, and returns the last finished epoch.
///
/// # Errors
/// The file cannot be read, is not the state of this model, or its tensors are not those that were
/// written.
pub fn load(path: &Path, changing: Changing<'_>) -> Result<usize, WeightsError> {
    let file = TensorFile::open(path)?;
    let info: StateInfo = file.info(KEY, "a training state")?;
    let mut tensors = changing.all();
    file.copy_into("", &mut tensors)?;
    match info.blake3 {
        Some(written) if written != digest(path, &tensors)? => Err(file.malformed(
            "its tensors are not those that were written: the file is damaged or was changed"
                .into(),
        )),
        _ => Ok(info.epoch),
    }
}
