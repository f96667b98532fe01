//! Where an unfinished run stands: weights and optimizer after an epoch, so that it can go on as if
//! it had never stopped. All else follows from the settings and from `metrics.jsonl`.

use std::path::Path;

use super::optimizer::Optimizer;
use super::weights::{self, TensorFile, Tensors, WeightsError};
use serde::{Deserialize, Serialize};

const KEY: &str = "almt_data_state";

/// What the file says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct StateInfo {
    /// Last finished epoch, counted from 1.
    epoch: usize,
}

/// The tensors of the file: `param/NAME`, and those of [`Optimizer::state`].
fn all_tensors(parameters: Tensors, optimizer: &Optimizer) -> Tensors {
    let parameters = parameters.into_iter();
    let mut tensors: Tensors =
        parameters.map(|(name, tensor)| (format!("param/{name}"), tensor)).collect();
    tensors.extend(optimizer.state());
    tensors
}

/// Writes the state after an epoch, whole or not at all.
///
/// # Errors
/// The folder cannot be written to.
pub fn save(
    path: &Path,
    parameters: Tensors,
    optimizer: &Optimizer,
    epoch: usize,
) -> Result<(), WeightsError> {
    let text = serde_json::to_string(&StateInfo { epoch }).map_err(|error| {
        WeightsError::Malformed { path: path.into(), problem: error.to_string() }
    })?;
    weights::write(path, &all_tensors(parameters, optimizer), Some((KEY, text))).map(|_| ())
}

/// Puts weights and optimizer back, and returns the last finished epoch.
///
/// # Errors
/// The file cannot be read, or is not the state of such a model.
pub fn load(
    path: &Path,
    parameters: Tensors,
    optimizer: &Optimizer,
) -> Result<usize, WeightsError> {
    let file = TensorFile::open(path)?;
    let info: StateInfo = file.info(KEY, "a training state")?;
    file.copy_into("", &mut all_tensors(parameters, optimizer))?;
    Ok(info.epoch)
}
