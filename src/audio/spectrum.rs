//! Short-time spectra of frames that are centred on multiples of the hop, with zeros around the signal, as
//! librosa computes them: in double precision, then rounded to single.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Computes spectra of frames of one length.
pub struct Spectra {
    n_fft: usize,
    window: Option<Vec<f64>>,
    fft: Arc<dyn RealToComplex<f64>>,
}

/// Memory for one frame.
pub struct Frame {
    samples: Vec<f64>,
    scratch: Vec<Complex<f64>>,
    /// The spectrum `[frequency]`, from 0 to the Nyquist frequency.
    pub spectrum: Vec<Complex<f64>>,
}

impl Spectra {
    /// Frames of `n_fft` samples, an even number, under a Hann window.
    pub fn hann(n_fft: usize) -> Spectra {
        Spectra { window: Some(hann(n_fft)), ..Spectra::plain(n_fft) }
    }

    /// Frames without a window.
    pub fn plain(n_fft: usize) -> Spectra {
        let fft = RealFftPlanner::<f64>::new().plan_fft_forward(n_fft);
        Spectra { n_fft, window: None, fft }
    }

    /// Memory for frames of this length.
    pub fn frame(&self) -> Frame {
        Frame {
            samples: self.fft.make_input_vec(),
            scratch: self.fft.make_scratch_vec(),
            spectrum: self.fft.make_output_vec(),
        }
    }

    /// Computes the spectrum of the frame centred on the sample `centre`.
    pub fn compute(&self, signal: &[f32], centre: usize, frame: &mut Frame) {
        let half = self.n_fft / 2;
        let n_zeros = half.saturating_sub(centre);
        let end = (centre + half).min(signal.len());
        let inside = signal.get(centre.saturating_sub(half)..end).unwrap_or_default();
        frame.samples.fill(0.0);
        let places = frame.samples.iter_mut().skip(n_zeros);
        for (place, sample) in places.zip(inside) {
            *place = f64::from(*sample);
        }
        if let Some(window) = &self.window {
            for (value, weight) in frame.samples.iter_mut().zip(window) {
                *value *= weight;
            }
        }
        let Frame { samples, scratch, spectrum } = frame;
        // Fails only for slices of other lengths than the plan's.
        let done = self.fft.process_with_scratch(samples, spectrum, scratch);
        debug_assert!(done.is_ok(), "{done:?}");
    }
}

/// The spectrum of a block of the plan's length, which is used up.
pub fn transform(fft: &dyn RealToComplex<f64>, block: &mut [f64]) -> Vec<Complex<f64>> {
    let mut spectrum = fft.make_output_vec();
    // Fails only for slices of other lengths than the plan's.
    let done = fft.process(block, &mut spectrum);
    debug_assert!(done.is_ok(), "{done:?}");
    spectrum
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
