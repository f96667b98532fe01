//! The paper's experiments on a store, as a library: which runs they are, what those would take, and what
//! comes of them.
//!
//! [`reproduce`] does what `almt-data reproduce` does. What it takes apart is there, too: a
//! [`Reproduction`] is a store on which experiments are to be done; it [chooses](Reproduction::choose)
//! those that the store can have, [estimates](Reproduction::estimate) them, says which
//! [runs](Reproduction::runs_left) are left, and [does](Reproduction::run) them. Runs are done one after
//! another here. Whoever wants several at a time starts processes, each of which
//! [trains](Reproduction::train) one of those that are left, before all are asked for.
//!
//! `crate::reproduce` says what to train and what to make of it, without knowing a store.

mod about;
mod encoder;
mod estimate;
mod find;
mod options;
mod outputs;
mod plan;
mod progress;
mod reproduction;
mod result;
mod runs;

use std::path::Path;

use tch::Device;

pub use estimate::{Estimate, ExperimentEstimate, RowEstimate, RowWork};
pub use options::ReproduceOptions;
pub use plan::{LeftOutReason, RunLeft};
pub use progress::ReproduceProgress;
pub use reproduction::Reproduction;
pub use result::{ExperimentResult, Findings, NoiseFindings, RepresentationFindings};

use super::error::TrainerError;
use crate::reproduce::{Experiment, ExperimentChoice};
use crate::store::Store;

/// Does experiments of the paper on a store: trains the runs that are not there yet, and writes what comes
/// of them to the folder `out`, a page and a table per experiment. Complete runs in it are kept, stopped
/// ones go on.
///
/// # Errors
/// The store does not suit an experiment that is asked for by name, a run fails, or the folder cannot be
/// written to.
pub fn reproduce(
    store: Store,
    device: Device,
    choice: ExperimentChoice,
    options: &ReproduceOptions,
    out: &Path,
    progress: &mut dyn ReproduceProgress,
) -> Result<Vec<ExperimentResult>, TrainerError> {
    let note = &mut |note| progress.note(note);
    let mut reproduction = Reproduction::new(store, device, options, out, note)?;
    let experiments: Vec<&Experiment> = reproduction.choose(choice, note)?;
    reproduction.run(&experiments, progress)
}
