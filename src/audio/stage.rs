//! The two kinds of stages of a resampler: a long filter by FFT that halves, keeps or doubles the rate, and
//! a short one with a table of phases for any rational ratio. Both have linear phase and no delay.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::kaiser::LowPass;
use super::spectrum::{dot, transform, transform_into};

/// A stretch of a signal that is zero before and after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// Index of the first sample; may be negative.
    pub first: i64,
    /// The samples.
    pub samples: Vec<f64>,
}

impl Stretch {
    /// The sample at an index.
    fn at(&self, idx: i64) -> f64 {
        let place = usize::try_from(idx - self.first).ok();
        place.and_then(|place| self.samples.get(place)).copied().unwrap_or(0.0)
    }
}

/// A range of samples: index of the first, and number.
pub type Range = (i64, usize);

/// One stage.
pub trait FilterStage: Send + Sync {
    /// The samples of the input that the samples `wanted` of the output depend on.
    fn needs(&self, wanted: Range) -> Range;

    /// The samples `wanted` of the output.
    fn run(&self, input: &Stretch, wanted: Range) -> Stretch;
}

/// A long filter that is applied in blocks by FFT. Before it the rate is multiplied by `up`, after it
/// divided by `down`; one of them is 1, the other 1 or 2.
pub struct LongFilter {
    up: i64,
    down: i64,
    /// Taps of each part on each side of its centre.
    n_side: i64,
    /// Length of the FFT.
    block_len: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    backward: Arc<dyn ComplexToReal<f64>>,
    /// Spectra of every second tap, from tap 0 and from tap 1; of all taps where the rate stays.
    spectra: Vec<Vec<Complex<f64>>>,
}

impl LongFilter {
    /// The filter `response`, whose time runs in samples of the higher rate.
    pub fn new(response: LowPass, up: i64, down: i64) -> LongFilter {
        let n_parts = up.max(down);
        let n_side = (response.n_side() as i64 + 1).div_euclid(n_parts) + 1;
        let n_taps = (2 * n_side + 1) as usize;
        // Eight times the taps: most of a block is output then, and it fits into the cache.
        let block_len = (8 * n_taps).next_power_of_two();
        let mut planner = RealFftPlanner::<f64>::new();
        let (forward, backward) =
            (planner.plan_fft_forward(block_len), planner.plan_fft_inverse(block_len));
        // Scaled for an inverse transform that does not divide by its length.
        let scale = up as f64 / block_len as f64;
        let spectra = (0..n_parts).map(|part| {
            let mut taps = vec![0.0; block_len];
            for (tap, k) in taps.iter_mut().zip(-n_side..=n_side) {
                *tap = scale * response.at((n_parts * k + part) as f64);
            }
            transform(&*forward, &mut taps)
        });
        let spectra = spectra.collect();
        LongFilter { up, down, n_side, block_len, forward, backward, spectra }
    }

    /// Outputs of one block, before their parts are interleaved.
    fn block_step(&self) -> usize {
        self.block_len - 2 * self.n_side as usize
    }

    /// The samples of the input that go into the block of outputs from `start`; with two parts of the input,
    /// those that the part `part` of the taps meets.
    fn input_of_block(&self, input: &Stretch, start: i64, part: i64, block: &mut [f64]) {
        let first = self.down * (start - self.n_side) - part - input.first;
        // Places of the block before the input.
        let n_before = usize::try_from((-first).div_euclid(self.down)).unwrap_or_default();
        let n_before =
            (n_before + usize::from(first < 0 && first % self.down != 0)).min(block.len());
        let (before, places) = block.split_at_mut(n_before);
        before.fill(0.0);
        let from = usize::try_from(first + self.down * n_before as i64).unwrap_or_default();
        let inside = input.samples.get(from..).unwrap_or_default().iter();
        let n_inside =
            if self.down == 1 { fill(places, inside) } else { fill(places, inside.step_by(2)) };
        places.iter_mut().skip(n_inside).for_each(|place| *place = 0.0);
    }
}

/// Copies as many values as there are and fit, and returns their number.
fn fill<'a>(places: &mut [f64], values: impl Iterator<Item = &'a f64>) -> usize {
    let mut n = 0;
    for (place, value) in places.iter_mut().zip(values) {
        *place = *value;
        n += 1;
    }
    n
}

impl FilterStage for LongFilter {
    fn needs(&self, (first, n): Range) -> Range {
        let from = self.down * first.div_euclid(self.up) - self.down * (self.n_side + 1);
        let to = self.down * (first + n as i64).div_euclid(self.up) + self.down * (self.n_side + 1);
        (from, (to - from) as usize)
    }

    fn run(&self, input: &Stretch, (first, n): Range) -> Stretch {
        let mut samples = vec![0.0; n];
        let mut block = vec![0.0; self.block_len];
        let mut product = self.forward.make_output_vec();
        let mut inputs: Vec<_> = (0..self.down).map(|_| self.forward.make_output_vec()).collect();
        let (mut forward_memory, mut backward_memory) =
            (self.forward.make_scratch_vec(), self.backward.make_scratch_vec());
        let step = self.block_step();
        let mut start = first.div_euclid(self.up);
        while start * self.up < first + n as i64 {
            for (part, spectrum) in (0..).zip(&mut inputs) {
                self.input_of_block(input, start, part, &mut block);
                transform_into(&*self.forward, &mut block, spectrum, &mut forward_memory);
            }
            for part in 0..self.up as usize {
                product.fill(Complex::default());
                // With two parts of the input they meet one part of the taps each, and are added.
                for (spectrum, taps) in inputs.iter().zip(self.spectra.iter().skip(part)) {
                    for ((sum, a), b) in product.iter_mut().zip(spectrum).zip(taps) {
                        *sum += a * b;
                    }
                }
                // The ends are real but for rounding, and the transform insists.
                if let [zero, .., nyquist] = product.as_mut_slice() {
                    (zero.im, nyquist.im) = (0.0, 0.0);
                }
                let done = self.backward.process_with_scratch(
                    &mut product,
                    &mut block,
                    &mut backward_memory,
                );
                debug_assert!(done.is_ok(), "{done:?}");
                let outputs = block.iter().skip(2 * self.n_side as usize).take(step);
                for (value, k) in outputs.zip(start..) {
                    let place = usize::try_from(k * self.up + part as i64 - first);
                    if let Some(sample) = place.ok().and_then(|place| samples.get_mut(place)) {
                        *sample = *value;
                    }
                }
            }
            start += step as i64;
        }
        Stretch { first, samples }
    }
}

/// A short filter that is evaluated between the samples of its input.
pub struct ShortFilter {
    /// The rate is multiplied by `up / down`, without a common divisor.
    up: i64,
    down: i64,
    /// Samples of the input on each side of an output.
    n_side: i64,
    /// Taps `[phase, sample]`.
    taps: Vec<f64>,
}

impl ShortFilter {
    /// The filter `response`, whose time runs in samples of the input.
    pub fn new(response: LowPass, up: i64, down: i64) -> ShortFilter {
        let n_side = response.n_side() as i64;
        let phases = (0..up).flat_map(|phase| {
            let after = phase as f64 / up as f64;
            (1 - n_side..=n_side).map(move |k| response.at(after - k as f64))
        });
        ShortFilter { up, down, n_side, taps: phases.collect() }
    }
}

impl FilterStage for ShortFilter {
    fn needs(&self, (first, n): Range) -> Range {
        let from = (first * self.down).div_euclid(self.up) - self.n_side;
        let to = ((first + n as i64) * self.down).div_euclid(self.up) + self.n_side + 1;
        (from, (to - from) as usize)
    }

    fn run(&self, input: &Stretch, (first, n): Range) -> Stretch {
        let n_taps = 2 * self.n_side as usize;
        let mut samples = Vec::with_capacity(n);
        for k in first..first + n as i64 {
            let (base, phase) =
                ((k * self.down).div_euclid(self.up), (k * self.down).rem_euclid(self.up));
            let from = base + 1 - self.n_side;
            let start = phase as usize * n_taps;
            let taps = self.taps.get(start..start + n_taps).unwrap_or_default();
            let inside = usize::try_from(from - input.first)
                .ok()
                .and_then(|place| input.samples.get(place..place + n_taps));
            samples.push(match inside {
                Some(part) => dot::<f64, 2>(taps, part),
                None => taps.iter().zip(from..).map(|(tap, idx)| tap * input.at(idx)).sum(),
            });
        }
        Stretch { first, samples }
    }
}
