//! The columns of one signal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::Array2;

use super::chroma::Chroma;
use super::crossing::zero_crossing_rate;
use super::mfcc::Mfcc;
use super::resample::Resampler;
use super::sizes::{HOP, N_COLUMNS, N_FFT};
use super::spectrum::{Spectra, magnitudes};
use super::tuning::Peaks;

/// Computes features of signals; what is planned for one is used for the next, in any thread.
pub struct Extractor {
    /// In double precision, as librosa computes them.
    spectra: Spectra<f64>,
    mfcc: Mfcc,
    chroma: Chroma,
    resamplers: Mutex<BTreeMap<u32, Arc<Resampler>>>,
}

impl Extractor {
    /// Plans the transforms.
    pub fn new() -> Extractor {
        let resamplers = Mutex::new(BTreeMap::new());
        Extractor {
            spectra: Spectra::hann(N_FFT),
            mfcc: Mfcc::new(),
            chroma: Chroma::new(),
            resamplers,
        }
    }

    /// The features `[frame, column]` of a signal at any rate above 0 Hz; a frame per [`HOP`] samples at
    /// [`RATE`](super::RATE). A signal without samples has none.
    pub fn features(&self, signal: &[f32], rate: u32) -> Array2<f32> {
        if signal.is_empty() || rate == 0 {
            return Array2::zeros((0, N_COLUMNS));
        }
        let signal = self.resampler(rate).run(signal);
        let crossings = zero_crossing_rate(&signal);
        let (levels, peaks) = self.levels(&signal);
        let chroma = self.chroma.compute(&signal, peaks.tuning());
        let mut features = Array2::zeros((crossings.len(), N_COLUMNS));
        let rows = crossings.iter().zip(self.mfcc.coefficients(&levels)).zip(&chroma);
        for (mut row, ((crossing, mfcc), chroma)) in features.rows_mut().into_iter().zip(rows) {
            let values = std::iter::once(crossing).chain(&mfcc).chain(chroma);
            row.iter_mut().zip(values).for_each(|(place, value)| *place = *value);
        }
        features
    }

    /// Mel levels `[frame, band]` and the peaks of all frames.
    fn levels(&self, signal: &[f32]) -> (Vec<f32>, Peaks) {
        let (mut levels, mut peaks) = (Vec::new(), Peaks::default());
        let (mut frame, mut found) = (self.spectra.frame(), vec![0.0; N_FFT / 2 + 1]);
        let mut powers = Vec::new();
        for idx in 0..=signal.len() / HOP {
            self.spectra.compute(signal, idx * HOP, &mut frame);
            magnitudes(&frame.spectrum, &mut found);
            self.mfcc.push_levels(&found, &mut powers, &mut levels);
            peaks.add(&found);
        }
        (levels, peaks)
    }

    fn resampler(&self, rate: u32) -> Arc<Resampler> {
        // A thread that panicked cannot have left half an entry.
        let mut known = self.resamplers.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(rate).or_insert_with(|| Arc::new(Resampler::new(rate))).clone()
    }
}

impl Default for Extractor {
    fn default() -> Self {
        Extractor::new()
    }
}
