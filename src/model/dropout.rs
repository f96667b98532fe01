//! Dropout whose masks depend on a run's seed, the step and the place in the model, and on nothing
//! else: not on a generator's state, the number of threads or the device. A run that goes on from a
//! checkpoint draws what it would have drawn.

use rand_chacha::rand_core::Rng;
use tch::Tensor;

use crate::seed::stream;

/// The dropout masks of one training step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropout {
    seed: u64,
    step: u64,
}

impl Dropout {
    /// The masks of step `step` (counted over the whole run) of the run of `seed`.
    pub fn new(seed: u64, step: u64) -> Dropout {
        Dropout { seed, step }
    }

    /// `x` with the share `rate` of its values set to 0 and the others scaled up, so that the mean
    /// stays. `place` names the place in the model: each has its own mask.
    pub fn apply(self, place: &str, x: &Tensor, rate: f64) -> Tensor {
        if rate <= 0.0 {
            return x.shallow_clone();
        }
        let factors = self.factors(place, x.numel(), rate);
        x * Tensor::from_slice(&factors).view(&*x.size()).to_device(x.device())
    }

    /// What to multiply the values at `place` by: 0, or the inverse of the share that is kept.
    fn factors(self, place: &str, n_values: usize, rate: f64) -> Vec<f32> {
        // 16 bits decide on a value, which brings any rate to within 1e-5.
        const N_DRAWS: f64 = 65536.0;
        let n_dropped = (rate * N_DRAWS).round().clamp(0.0, N_DRAWS - 1.0);
        let kept = (N_DRAWS / (N_DRAWS - n_dropped)) as f32;
        let n_dropped = n_dropped as u32;
        let mut rng = stream(self.seed, &format!("dropout/{}/{place}", self.step));
        // A piece that stays in the processor's cache.
        let mut draws = [0; 1 << 14];
        let mut factors = Vec::with_capacity(n_values);
        while factors.len() < n_values {
            rng.fill_bytes(&mut draws);
            let n_left = n_values - factors.len();
            factors.extend(draws.chunks_exact(2).take(n_left).map(|draw| {
                match u32::from(u16::from_le_bytes([draw[0], draw[1]])) < n_dropped {
                    true => 0.0,
                    false => kept,
                }
            }));
        }
        factors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_repeat_and_differ_by_seed_step_and_place() {
        let draw = |seed, step, place| Dropout::new(seed, step).factors(place, 1000, 0.5);
        assert_eq!(draw(1, 2, "a"), draw(1, 2, "a"));
        for other in [draw(2, 2, "a"), draw(1, 3, "a"), draw(1, 2, "b")] {
            assert_ne!(draw(1, 2, "a"), other);
        }
    }

    #[test]
    fn the_asked_share_is_dropped_and_the_mean_stays() {
        for rate in [0.1, 0.5, 0.9] {
            let factors = Dropout::new(1, 1).factors("a", 1_000_000, rate);
            assert_eq!(factors.len(), 1_000_000);
            let n_dropped = factors.iter().filter(|factor| **factor == 0.0).count() as f64;
            assert!((n_dropped / 1e6 - rate).abs() < 2e-3, "{rate}: {n_dropped}");
            let mean = factors.iter().map(|factor| f64::from(*factor)).sum::<f64>() / 1e6;
            assert!((mean - 1.0).abs() < 0.01, "{rate}: {mean}");
        }
    }
}
