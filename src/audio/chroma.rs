//! The energy of the twelve pitch classes, as `librosa.feature.chroma_cqt`: a constant-Q transform of seven
//! octaves from C1, 36 bins each, tuned to the signal.

use std::f64::consts::TAU;
use std::sync::OnceLock;

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use super::resample::Resampler;
use super::sizes::{HOP, N_CHROMA, RATE};
use super::spectrum::{Frame, Spectra, dot, hann, transform};

/// Bins of the transform per octave.
pub const BINS_PER_OCTAVE: usize = 36;

const N_OCTAVES: usize = 7;

/// C1 in hertz.
const LOWEST: f64 = 32.703_195_662_574_83;

/// Samples of the highest octave's longest filter, rounded up to a power of two: with filters of 547
/// samples at most, whatever the tuning.
const N_FFT: usize = 1024;

/// This share of a filter's magnitudes, the smallest ones, counts as 0.
const SPARSITY: f64 = 0.01;

/// Number of tunings, in hundredths of a bin from -50.
const N_TUNINGS: usize = 100;

/// Computes chroma of signals at [`RATE`].
pub struct Chroma {
    halving: Resampler,
    /// In single precision: enough here, and twice as fast.
    spectra: Spectra<f32>,
    filters: Vec<OnceLock<Vec<Filter>>>,
}

/// One filter of an octave, by its spectrum between the first and the last frequency at which it is not 0.
struct Filter {
    /// Square root of the length in samples of the highest octave.
    root_len: f32,
    /// Index of the first frequency.
    first: usize,
    /// Real and imaginary parts `[frequency]`, apart, so that the processor multiplies several at once.
    real: Vec<f32>,
    imaginary: Vec<f32>,
}

impl Chroma {
    /// Plans the transforms.
    pub fn new() -> Chroma {
        let filters = (0..N_TUNINGS).map(|_| OnceLock::new()).collect();
        Chroma { halving: Resampler::halving(), spectra: Spectra::plain(N_FFT), filters }
    }

    /// The chroma `[frame, pitch class]` of a signal with a tuning in hundredths of a bin, in rows; the
    /// largest of a frame is 1, and all are 0 where there is silence.
    pub fn compute(&self, signal: &[f32], tuning: i32) -> Vec<[f32; N_CHROMA]> {
        let mut rows = vec![[0.0; N_CHROMA]; signal.len() / HOP + 1];
        // From -50 to 49 by the histogram.
        let idx = (tuning + N_TUNINGS as i32 / 2).clamp(0, N_TUNINGS as i32 - 1) as usize;
        let Some(filters) = self.filters.get(idx) else { return rows };
        let filters = filters.get_or_init(|| filters_of(tuning));
        let (mut frame, mut parts) = (self.spectra.frame(), Parts::default());
        let (mut octave, mut halved) = (0, None);
        loop {
            let signal = halved.as_deref().unwrap_or(signal);
            for (idx, row) in rows.iter_mut().enumerate() {
                self.spectra.compute(signal, idx * (HOP >> octave), &mut frame);
                parts.take(&frame);
                parts.add(filters, row);
            }
            octave += 1;
            if octave == N_OCTAVES {
                break;
            }
            let mut next = self.halving.run(signal);
            for sample in &mut next {
                *sample = (f64::from(*sample) / 0.5_f64.sqrt()) as f32;
            }
            halved = Some(next);
        }
        rows.iter_mut().for_each(normalize);
        rows
    }
}

/// Real and imaginary parts of the spectrum of a frame, `[frequency]`.
#[derive(Default)]
struct Parts {
    real: Vec<f32>,
    imaginary: Vec<f32>,
}

impl Parts {
    fn take(&mut self, frame: &Frame<f32>) {
        self.real.clear();
        self.imaginary.clear();
        self.real.extend(frame.spectrum.iter().map(|value| value.re));
        self.imaginary.extend(frame.spectrum.iter().map(|value| value.im));
    }

    /// Adds the magnitudes of an octave's bins to the pitch classes of a frame.
    fn add(&self, filters: &[Filter], row: &mut [f32; N_CHROMA]) {
        for (bin, filter) in filters.iter().enumerate() {
            let here = filter.first..filter.first + filter.real.len();
            let real = self.real.get(here.clone()).unwrap_or_default();
            let imaginary = self.imaginary.get(here).unwrap_or_default();
            let product = |one: &[f32], other: &[f32]| dot::<f32, 8>(one, other);
            let sum = Complex::new(
                product(real, &filter.real) - product(imaginary, &filter.imaginary),
                product(real, &filter.imaginary) + product(imaginary, &filter.real),
            );
            // Filters of a lower octave are longer by as much as a halved rate takes away.
            let magnitude = sum.norm_sqr().sqrt() / filter.root_len;
            // Three bins around each semitone.
            let place = (bin + 1) / (BINS_PER_OCTAVE / N_CHROMA) % N_CHROMA;
            if let Some(value) = row.get_mut(place) {
                *value += magnitude;
            }
        }
    }
}

fn normalize(row: &mut [f32; N_CHROMA]) {
    let largest = row.iter().copied().fold(0.0, f32::max);
    if largest >= f32::MIN_POSITIVE {
        for value in row {
            *value /= largest;
        }
    }
}

/// The filters of the highest octave, from the lowest bin. Those of the others are the same at their lower rate.
fn filters_of(tuning: i32) -> Vec<Filter> {
    let steps = f64::from(BINS_PER_OCTAVE as u32);
    let lowest = LOWEST * 2.0_f64.powf(f64::from(tuning) / 100.0 / steps);
    let octave = lowest * f64::from(1_u32 << (N_OCTAVES - 1));
    let ratio = 2.0_f64.powf(2.0 / steps);
    // Quality: how many periods a filter has.
    let quality = (ratio + 1.0) / (ratio - 1.0);
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(N_FFT);
    let filter = |bin: usize| {
        let hertz = octave * 2.0_f64.powf(bin as f64 / steps);
        let len = quality * f64::from(RATE) / hertz;
        let [mut real, mut imaginary] = wavelet(len, hertz);
        let (real, imaginary) = (transform(&*fft, &mut real), transform(&*fft, &mut imaginary));
        let spectrum = real.iter().zip(imaginary).map(|(a, b)| a + b * Complex::I);
        let spectrum = sparse(&spectrum.collect::<Vec<_>>(), len / N_FFT as f64);
        let is_large = |value: &Complex<f32>| *value != Complex::default();
        let first = spectrum.iter().position(is_large).unwrap_or_default();
        let end = spectrum.iter().rposition(is_large).map_or(first, |last| last + 1);
        let within = spectrum.get(first..end).unwrap_or_default();
        Filter {
            root_len: len.sqrt() as f32,
            first,
            real: within.iter().map(|value| value.re).collect(),
            imaginary: within.iter().map(|value| value.im).collect(),
        }
    };
    (0..BINS_PER_OCTAVE).map(filter).collect()
}

/// The real and imaginary part of an oscillation under a Hann window, in the middle of [`N_FFT`] samples.
fn wavelet(len: f64, hertz: f64) -> [Vec<f64>; 2] {
    let (first, end) = ((-len / 2.0).floor() as i64, (len / 2.0).floor() as i64);
    let n_samples = (end - first).max(0) as usize;
    let window = hann(n_samples);
    let sum: f64 = window.iter().sum();
    let mut parts = [vec![0.0; N_FFT], vec![0.0; N_FFT]];
    let [real, imaginary] = &mut parts;
    let places = real.iter_mut().zip(imaginary).skip(N_FFT.saturating_sub(n_samples) / 2);
    for (((real, imaginary), weight), time) in places.zip(window).zip(first..) {
        let angle = TAU * hertz * time as f64 / f64::from(RATE);
        (*real, *imaginary) = (weight / sum * angle.cos(), weight / sum * angle.sin());
    }
    parts
}

/// A spectrum whose small values are 0.
fn sparse(spectrum: &[Complex<f64>], scale: f64) -> Vec<Complex<f32>> {
    let values = spectrum.iter().map(|value| value * scale);
    let values: Vec<Complex<f32>> =
        values.map(|value| Complex::new(value.re as f32, value.im as f32)).collect();
    let mut sorted: Vec<f32> = values.iter().copied().map(magnitude).collect();
    sorted.sort_by(f32::total_cmp);
    let total: f64 = sorted.iter().map(|value| f64::from(*value)).sum();
    let mut sum = 0.0;
    let least = sorted.iter().find(|value| {
        sum += f64::from(**value) / total;
        sum >= SPARSITY
    });
    let least = least.copied().unwrap_or_default();
    let large =
        |value: Complex<f32>| if magnitude(value) >= least { value } else { Complex::default() };
    values.into_iter().map(large).collect()
}

/// The absolute value, as the C library's `hypotf` has it; a call of that would need glibc 2.35.
fn magnitude(value: Complex<f32>) -> f32 {
    let (real, imaginary) = (f64::from(value.re), f64::from(value.im));
    (real * real + imaginary * imaginary).sqrt() as f32
}
