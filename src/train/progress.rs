//! What is told while a run goes on.

use super::TrainError;
use crate::run::record::EpochRecord;
use crate::run::settings::TrainSettings;

/// What is told while a run goes on. Losses are read from the device only when asked for.
pub trait TrainProgress {
    /// A step of an epoch is done; `losses` gives mean loss and mean absolute error over the samples
    /// of its last phase so far.
    fn step(&mut self, epoch: usize, step: usize, losses: &dyn Fn() -> (f64, f64));

    /// A run begins, or goes on, with these settings on so many samples.
    fn begin(&mut self, _settings: &TrainSettings, _n_samples: usize) {}

    /// An epoch is done.
    fn epoch(&mut self, record: &EpochRecord);

    /// Steps are done piece by piece, since the device did not record them.
    fn piecewise(&mut self, cause: &TrainError);
}

/// Nobody is told.
impl TrainProgress for () {
    fn step(&mut self, _: usize, _: usize, _: &dyn Fn() -> (f64, f64)) {}

    fn epoch(&mut self, _: &EpochRecord) {}

    fn piecewise(&mut self, _: &TrainError) {}
}
