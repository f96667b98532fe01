//! Progress events of a run.

use super::TrainError;
use crate::run::record::EpochRecord;
use crate::run::settings::TrainSettings;

/// Observer of a run's progress. Losses are read from the device only on request.
pub trait TrainProgress {
    /// A step of an epoch is done; `losses` returns mean loss and mean absolute error over the samples
    /// of its last phase so far.
    fn step(&mut self, epoch: usize, step: usize, losses: &dyn Fn() -> (f64, f64));

    /// A run with these settings starts or resumes, on this many samples.
    fn begin(&mut self, _settings: &TrainSettings, _n_samples: usize) {}

    /// An epoch is done.
    fn epoch(&mut self, record: &EpochRecord);

    /// Steps run operation by operation, because the device could not record them.
    fn piecewise(&mut self, cause: &TrainError);
}

/// Ignores all progress.
impl TrainProgress for () {
    fn step(&mut self, _: usize, _: usize, _: &dyn Fn() -> (f64, f64)) {}

    fn epoch(&mut self, _: &EpochRecord) {}

    fn piecewise(&mut self, _: &TrainError) {}
}
