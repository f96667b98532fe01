//! What is told while experiments are done.

use std::path::Path;

use super::result::ExperimentResult;
use crate::train::progress::TrainProgress;
use crate::trainer::note::Note;

/// What is told while experiments are done; of a run, what [`TrainProgress`] tells.
pub trait ReproduceProgress: TrainProgress {
    /// The run of this folder begins, or goes on.
    fn run(&mut self, _folder: &Path) {}

    /// Something is worth saying.
    fn note(&mut self, _note: Note) {}

    /// An experiment is done, and written.
    fn done(&mut self, _result: &ExperimentResult) {}
}

impl ReproduceProgress for () {}
