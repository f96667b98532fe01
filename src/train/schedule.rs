//! The learning rate of every epoch: linear warm-up, then a cosine.
//!
//! Paper Table 9 («Warm Up», «Cosine Annealing»); the exact sequence is that of Haoyu-ha/ALMT
//! `core/scheduler.py`, a `CosineAnnealingLR` inside a `GradualWarmupScheduler`.

use std::f64::consts::PI;

/// Learning rate during `epoch` (counted from 1) of `n_epochs`.
///
/// The warm-up lasts the first tenth: the first epoch runs with a rate of exactly 0, in which
/// only the optimizer's moments advance. At the hand-over the released code reads the cosine
/// scheduler without stepping it, so that the base rate is used twice and the cosine lags by one
/// epoch; it never reaches 0.
pub fn learning_rate(base: f64, epoch: usize, n_epochs: usize) -> f64 {
    let warm_up = 0.1 * n_epochs as f64;
    let cosine = 0.9 * n_epochs as f64;
    let t = epoch as f64 - 1.0;
    if t <= warm_up {
        return base * t / warm_up;
    }
    // The first epoch after the warm-up has t = floor(warm_up) + 1.
    let step = t - warm_up.floor() - 1.0;
    base * (1.0 + (PI * step / cosine).cos()) / 2.0
}
