//! Dropout with reproducible masks: a resumed run draws the same ones as an uninterrupted run.
//!
//! On the CPU a mask depends only on the run's seed, the step and the place in the model: it comes from
//! a counter-based generator, in parallel. On a GPU it comes from the GPU's own generator, reseeded in
//! each step from the run's seed and the step, so that a step recorded as a CUDA graph draws anew on
//! every replay. CPU and GPU masks differ.

use rand_chacha::rand_core::Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind, TchError, Tensor};

use crate::native;
use crate::seed::stream;

/// The dropout masks of one training step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropout {
    seed: u64,
    step: u64,
}

impl Dropout {
    /// The masks of step `step` (counted over the whole run) in the run with random seed `seed`.
    pub fn new(seed: u64, step: u64) -> Dropout {
        Dropout { seed, step }
    }

    /// Prepares a device for this step.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn begin(self, device: Device) -> Result<(), TchError> {
        match device {
            Device::Cuda(index) => native::seed_gpu(index, self.key("")),
            _ => Ok(()),
        }
    }

    /// `x` with the share `rate` of its values set to 0 and the others scaled up to preserve the mean.
    /// `place` names the place in the model: each has its own mask.
    ///
    /// # Panics
    /// If libtorch fails, like `tch`'s operations.
    pub fn apply(self, place: &str, x: &Tensor, rate: f64) -> Tensor {
        if rate <= 0.0 {
            return x.shallow_clone();
        }
        #[cfg(test)]
        SITES.with_borrow_mut(|sites| sites.push((rate, x.numel())));
        let mask = match x.device() {
            Device::Cpu => self.mask(place, x, rate),
            device => {
                let kept = 1.0 - rate;
                let mut drawn = Tensor::empty(x.size(), (Kind::Float, device));
                drawn.bernoulli_float_(kept).divide_scalar_(kept)
            }
        };
        x * mask
    }

    /// Standard normal values of the shape of `x`. `place` is as for [`apply`](Dropout::apply).
    ///
    /// # Panics
    /// If libtorch fails, like `tch`'s operations.
    pub fn noise(self, place: &str, x: &Tensor) -> Tensor {
        #[cfg(test)]
        if let Some(given) = GIVEN.with_borrow_mut(|all| all.remove(&(self.step, place.to_owned())))
        {
            return given.view_as(x);
        }
        match x.device() {
            Device::Cpu => {
                let mut rng = stream(self.seed, &format!("noise/{}/{place}", self.step));
                let draw = |_| StandardNormal.sample(&mut rng);
                let values: Vec<f32> = (0..x.numel()).map(draw).collect();
                Tensor::from_slice(&values).view(&*x.size())
            }
            device => Tensor::randn(x.size(), (Kind::Float, device)),
        }
    }

    /// Factors for the values at `place`, `[shape of x]`: 0, or the inverse of the share kept.
    fn mask(self, place: &str, x: &Tensor, rate: f64) -> Tensor {
        // 16 bits per value approximate any rate to within 1e-5.
        const N_DRAWS: f64 = 65536.0;
        let n_dropped = (rate * N_DRAWS).round().clamp(0.0, N_DRAWS - 1.0);
        let kept = (N_DRAWS / (N_DRAWS - n_dropped)) as f32;
        native::mask(x, self.key(place), n_dropped as u32, kept)
            .unwrap_or_else(|error| panic!("a mask: {error}"))
    }

    fn key(self, place: &str) -> u64 {
        stream(self.seed, &format!("dropout/{}/{place}", self.step)).next_u64()
    }
}

#[cfg(test)]
thread_local! {
    /// Rate and number of values of each dropout in this thread.
    static SITES: std::cell::RefCell<Vec<(f64, usize)>> = const { std::cell::RefCell::new(Vec::new()) };
    static GIVEN: std::cell::RefCell<Noises> = const { std::cell::RefCell::new(Noises::new()) };
}

/// Noise by step and place.
#[cfg(test)]
type Noises = std::collections::BTreeMap<(u64, String), Tensor>;

/// Dropouts in this thread since the last call: rates and numbers of values.
#[cfg(test)]
pub fn take_sites() -> Vec<(f64, usize)> {
    SITES.take()
}

/// Makes this thread use recorded noise.
#[cfg(test)]
pub fn given_noise(noise: Noises) {
    GIVEN.set(noise);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(dropout: Dropout, place: &str, n_values: i64, rate: f64) -> Vec<f32> {
        let x = Tensor::zeros([n_values], (Kind::Float, Device::Cpu));
        Vec::try_from(dropout.mask(place, &x, rate)).unwrap()
    }

    #[test]
    fn masks_repeat_and_differ_by_seed_step_and_place() {
        let draw = |seed, step, place| factors(Dropout::new(seed, step), place, 1000, 0.5);
        assert_eq!(draw(1, 2, "a"), draw(1, 2, "a"));
        for other in [draw(2, 2, "a"), draw(1, 3, "a"), draw(1, 2, "b")] {
            assert_ne!(draw(1, 2, "a"), other);
        }
    }

    #[test]
    fn the_asked_share_is_dropped_and_the_mean_stays() {
        for rate in [0.1, 0.5, 0.9] {
            let factors = factors(Dropout::new(1, 1), "a", 1_000_000, rate);
            assert_eq!(factors.len(), 1_000_000);
            let n_dropped = factors.iter().filter(|factor| **factor == 0.0).count() as f64;
            assert!((n_dropped / 1e6 - rate).abs() < 2e-3, "{rate}: {n_dropped}");
            let mean = factors.iter().map(|factor| f64::from(*factor)).sum::<f64>() / 1e6;
            assert!((mean - 1.0).abs() < 0.01, "{rate}: {mean}");
        }
    }

    #[test]
    fn noise_is_normal_and_repeats_by_seed_step_and_place() {
        let x = Tensor::zeros([200, 50], (Kind::Float, Device::Cpu));
        let draw = |seed, step, place| Dropout::new(seed, step).noise(place, &x);
        let noise = draw(1, 2, "a");
        assert_eq!(noise.size(), x.size());
        assert!(noise.mean(Kind::Float).double_value(&[]).abs() < 0.05);
        assert!((noise.std(true).double_value(&[]) - 1.0).abs() < 0.05);
        assert_eq!(noise, draw(1, 2, "a"));
        for other in [draw(2, 2, "a"), draw(1, 3, "a"), draw(1, 2, "b")] {
            assert_ne!(noise, other);
        }
    }

    /// Philox4x32-10 as Salmon et al. define it.
    fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
        for _ in 0..10 {
            let product = |factor: u64, x: u32| factor * u64::from(x);
            let (a, b) = (product(0xD251_1F53, counter[0]), product(0xCD9E_8D57, counter[2]));
            counter = [
                (b >> 32) as u32 ^ counter[1] ^ key[0],
                b as u32,
                (a >> 32) as u32 ^ counter[3] ^ key[1],
                a as u32,
            ];
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        counter
    }

    #[test]
    fn masks_are_of_the_published_generator_whatever_the_number_of_threads() {
        // Known answers of its authors' library Random123.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let answer = [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1];
        assert_eq!(philox(pi, [0xa409_3822, 0x299f_31d0]), answer);
        // Not a multiple of the loop's block size.
        const N_VALUES: i64 = 200_003;
        let (key, n_dropped) = (0x0123_4567_89ab_cdef_u64, 20_000);
        let mut expected = vec![0.0; N_VALUES as usize];
        for (idx, value) in expected.iter_mut().enumerate() {
            let (group, within) = ((idx / 64) as u32, idx % 64);
            let words = philox(
                [group * 8 + (within % 8) as u32, 0, 0, 0],
                [key as u32, (key >> 32) as u32],
            );
            let half = within / 8;
            let draw = words[half / 2] >> (16 * (half % 2)) & 0xffff;
            *value = if draw < n_dropped { 0.0 } else { 1.5 };
        }
        let like = Tensor::zeros([N_VALUES], (Kind::Float, Device::Cpu));
        let before = tch::get_num_threads();
        for n_threads in [1, 2, 3] {
            tch::set_num_threads(n_threads);
            let found = Vec::<f32>::try_from(native::mask(&like, key, n_dropped, 1.5).unwrap());
            assert!(found.unwrap() == expected, "{n_threads} threads");
        }
        tch::set_num_threads(before);
    }
}
