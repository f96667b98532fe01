//! Short-time spectra of frames that are centred on multiples of the hop, with zeros around the signal.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{FftNum, RealFftPlanner, RealToComplex};

/// Computes spectra of frames of one length, in single or double precision.
pub struct Spectra<T> {
    n_fft: usize,
    window: Option<Vec<T>>,
    fft: Arc<dyn RealToComplex<T>>,
}

/// Memory for one frame.
pub struct Frame<T> {
    samples: Vec<T>,
    scratch: Vec<Complex<T>>,
    /// The spectrum `[frequency]`, from 0 to the Nyquist frequency.
    pub spectrum: Vec<Complex<T>>,
}

impl<T: FftNum> Spectra<T> {
    /// Frames of `n_fft` samples, an even number, under a Hann window.
    pub fn hann(n_fft: usize) -> Spectra<T> {
        let window = hann(n_fft).into_iter().map(number).collect();
        Spectra { window: Some(window), ..Spectra::plain(n_fft) }
    }

    /// Frames without a window.
    pub fn plain(n_fft: usize) -> Spectra<T> {
        let fft = RealFftPlanner::<T>::new().plan_fft_forward(n_fft);
        Spectra { n_fft, window: None, fft }
    }

    /// Memory for frames of this length.
    pub fn frame(&self) -> Frame<T> {
        Frame {
            samples: self.fft.make_input_vec(),
            scratch: self.fft.make_scratch_vec(),
            spectrum: self.fft.make_output_vec(),
        }
    }

    /// Computes the spectrum of the frame centred on the sample `centre`.
    pub fn compute(&self, signal: &[f32], centre: usize, frame: &mut Frame<T>) {
        let half = self.n_fft / 2;
        let n_zeros = half.saturating_sub(centre);
        let end = (centre + half).min(signal.len());
        let inside = signal.get(centre.saturating_sub(half)..end).unwrap_or_default();
        let (before, rest) = frame.samples.split_at_mut(n_zeros);
        let (places, after) = rest.split_at_mut(inside.len());
        before.fill(T::zero());
        after.fill(T::zero());
        for (place, sample) in places.iter_mut().zip(inside) {
            *place = number(f64::from(*sample));
        }
        if let Some(window) = &self.window {
            for (value, weight) in frame.samples.iter_mut().zip(window) {
                *value = *value * *weight;
            }
        }
        let Frame { samples, scratch, spectrum } = frame;
        transform_into(&*self.fft, samples, spectrum, scratch);
    }
}

fn number<T: FftNum>(value: f64) -> T {
    // Every value of a float is one of the other.
    T::from_f64(value).unwrap_or_else(T::zero)
}

/// The spectrum of a block of the plan's length, which is used up.
pub fn transform(fft: &dyn RealToComplex<f64>, block: &mut [f64]) -> Vec<Complex<f64>> {
    let (mut spectrum, mut scratch) = (fft.make_output_vec(), fft.make_scratch_vec());
    transform_into(fft, block, &mut spectrum, &mut scratch);
    spectrum
}

/// Like [`transform`], without allocating.
pub fn transform_into<T: FftNum>(
    fft: &dyn RealToComplex<T>,
    block: &mut [T],
    spectrum: &mut [Complex<T>],
    scratch: &mut [Complex<T>],
) {
    // Fails only for slices of other lengths than the plan's.
    let done = fft.process_with_scratch(block, spectrum, scratch);
    debug_assert!(done.is_ok(), "{done:?}");
}

/// The periodic Hann window.
pub fn hann(n: usize) -> Vec<f64> {
    (0..n).map(|k| 0.5 - 0.5 * (TAU * k as f64 / n as f64).cos()).collect()
}

/// Magnitudes of a spectrum in single precision.
pub fn magnitudes(spectrum: &[Complex<f64>], magnitudes: &mut [f32]) {
    for (magnitude, value) in magnitudes.iter_mut().zip(spectrum) {
        *magnitude = (value.re * value.re + value.im * value.im).sqrt() as f32;
    }
}

/// The sum of products, in several sums that the processor adds at once.
pub fn dot<T: FftNum, const N: usize>(one: &[T], other: &[T]) -> T {
    let mut sums = [T::zero(); N];
    let (ones, others) = (one.as_chunks::<N>(), other.as_chunks::<N>());
    for (one, other) in ones.0.iter().zip(others.0) {
        for ((sum, a), b) in sums.iter_mut().zip(one).zip(other) {
            *sum = *sum + *a * *b;
        }
    }
    let products = ones.1.iter().zip(others.1).map(|(a, b)| *a * *b);
    sums.into_iter().chain(products).fold(T::zero(), |sum, value| sum + value)
}
