//! How far the pitches of a signal lie off the tempered scale, as `librosa.estimate_tuning`.

use super::chroma::BINS_PER_OCTAVE;
use super::sizes::{N_FFT, RATE};

/// Pitches are searched in this range, in hertz.
const LOWEST: f64 = 150.0;
const HIGHEST: f64 = 4000.0;

/// A peak of a spectrum counts above this share of the frame's largest magnitude.
const SHARE_OF_LARGEST: f32 = 0.1;

/// Steps per bin of the scale.
const N_STEPS: usize = 100;

/// The peaks of a signal's spectra.
#[derive(Debug, Default)]
pub struct Peaks(Vec<Peak>);

#[derive(Debug)]
struct Peak {
    hertz: f32,
    magnitude: f32,
}

impl Peaks {
    /// Adds those of one frame, by its magnitudes `[frequency]`.
    pub fn add(&mut self, magnitudes: &[f32]) {
        let least = SHARE_OF_LARGEST * magnitudes.iter().copied().fold(0.0, f32::max);
        let above = |value: f32| if value > least { value } else { 0.0 };
        let hertz_per_bin = f64::from(RATE) / N_FFT as f64;
        let (first, end) =
            ((LOWEST / hertz_per_bin).ceil() as usize, (HIGHEST / hertz_per_bin).ceil() as usize);
        for (around, idx) in magnitudes.windows(3).zip(1_usize..end).skip(first.saturating_sub(1)) {
            let [before, here, after] = *around else { continue };
            if here > least && here > above(before) && here >= above(after) {
                let shift = shift(before, here, after);
                let hertz = ((idx as f64 + f64::from(shift)) * hertz_per_bin) as f32;
                let magnitude = here + 0.5 * ((after - before) / 2.0) * shift;
                self.0.push(Peak { hertz, magnitude });
            }
        }
    }

    /// The most frequent deviation among the larger half of the peaks, in whole steps of a hundredth of a
    /// bin: from -50 to 49; 0 for a signal without peaks.
    pub fn tuning(&self) -> i32 {
        let Some(median) = median(self.0.iter().map(|peak| peak.magnitude).collect()) else {
            return 0;
        };
        let mut counts = [0_usize; N_STEPS];
        for peak in self.0.iter().filter(|peak| peak.magnitude >= median) {
            if let Some(count) = counts.get_mut(step(peak.hertz)) {
                *count += 1;
            }
        }
        // The first of equal ones.
        let mut best = 0;
        for (step, count) in counts.iter().enumerate() {
            if *count > counts[best] {
                best = step;
            }
        }
        best as i32 - N_STEPS as i32 / 2
    }
}

/// Where a parabola through three neighbours has its peak, relative to the middle one; 0 where that is
/// not between the outer ones.
fn shift(before: f32, here: f32, after: f32) -> f32 {
    let curve = f64::from(after + before) - 2.0 * f64::from(here);
    let slope = f64::from(after - before) / 2.0;
    if slope.abs() >= curve.abs() { 0.0 } else { (-slope / curve) as f32 }
}

/// The step of a frequency, from 0 for half a bin below the scale to the last one for half a bin above.
fn step(hertz: f32) -> usize {
    let bins = BINS_PER_OCTAVE as f32 * (hertz / 27.5).log2();
    let mut rest = bins - bins.floor();
    if rest >= 0.5 {
        rest -= 1.0;
    }
    let rest = f64::from(rest);
    let edge = |step: usize| step as f64 / N_STEPS as f64 - 0.5;
    // Rounding may miss by one step.
    let near = ((rest + 0.5) * N_STEPS as f64).floor().max(0.0) as usize;
    let near = near.min(N_STEPS - 1);
    if rest < edge(near) {
        near.saturating_sub(1)
    } else if near + 1 < N_STEPS && rest >= edge(near + 1) {
        near + 1
    } else {
        near
    }
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    values.sort_by(f32::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    match values.len() % 2 {
        0 => values.get(values.len() / 2 - 1).map(|lower| (lower + upper) / 2.0),
        _ => Some(upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parabola_has_its_peak_where_its_formula_says() {
        let parabola = |x: f32| 5.0 - (x - 0.25).powi(2);
        let found = shift(parabola(-1.0), parabola(0.0), parabola(1.0));
        assert!((found - 0.25).abs() < 1e-6, "{found}");
        assert_eq!(shift(0.0, 1.0, 3.0), 0.0);
    }

    #[test]
    fn a_frequency_beside_the_scale_is_counted_in_its_step() {
        let beside = |bins: f32| 440.0 * 2.0_f32.powf(bins / 36.0);
        assert_eq!(step(beside(0.105)), 60);
        assert_eq!(step(beside(-0.105)), 39);
        assert_eq!(step(beside(12.0 + 0.495)), 99);
        assert_eq!(step(beside(0.505)), 0);
    }

    #[test]
    fn a_signal_without_peaks_is_in_tune() {
        let mut peaks = Peaks::default();
        peaks.add(&[0.0; N_FFT / 2 + 1]);
        assert_eq!(peaks.tuning(), 0);
        let mut magnitudes = [0.0; N_FFT / 2 + 1];
        (magnitudes[99], magnitudes[100], magnitudes[101]) = (0.5, 1.0, 0.5);
        peaks.add(&magnitudes);
        // 1,076.66 Hz lies 0.24 of a bin above the 190th of the scale.
        let bins = 36.0 * (100.0 * 22_050.0_f64 / 2048.0 / 27.5).log2();
        assert_eq!(peaks.tuning(), ((bins - bins.round()) * 100.0).floor() as i32);
    }
}
