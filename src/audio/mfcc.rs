//! Mel-frequency cepstral coefficients, as `librosa.feature.mfcc(htk=True)`.

use std::f64::consts::PI;

use super::sizes::{N_FFT, N_MFCC, RATE};
use super::spectrum::dot;

/// Number of mel bands.
const N_MELS: usize = 128;

/// Smallest power that counts.
const LEAST_POWER: f32 = 1e-10;

/// Decibels below the loudest band of the whole signal where the rest is cut off.
const RANGE_DB: f32 = 80.0;

/// One mel band: a triangle over neighbouring frequencies of the spectrum.
struct Band {
    first: usize,
    weights: Vec<f64>,
}

/// The mel bands and the cosines of the transform.
pub struct Mfcc {
    bands: Vec<Band>,
    /// `[coefficient, band]`.
    cosines: Vec<f64>,
}

impl Mfcc {
    /// For spectra of [`N_FFT`] samples at [`RATE`].
    pub fn new() -> Mfcc {
        Mfcc { bands: bands(), cosines: cosines() }
    }

    /// Appends the bands' levels in decibels, for magnitudes `[frequency]` of one frame. `powers` is memory.
    pub fn push_levels(&self, magnitudes: &[f32], powers: &mut Vec<f64>, levels: &mut Vec<f32>) {
        powers.clear();
        powers.extend(magnitudes.iter().map(|value| f64::from(value * value)));
        levels.extend(self.bands.iter().map(|band| {
            let powers = powers.get(band.first..band.first + band.weights.len());
            level(dot::<f64, 4>(powers.unwrap_or_default(), &band.weights) as f32)
        }));
    }

    /// The coefficients `[frame, coefficient]` of levels `[frame, band]` of a whole signal, in rows.
    pub fn coefficients<'a>(
        &'a self,
        levels: &'a [f32],
    ) -> impl Iterator<Item = [f32; N_MFCC]> + 'a {
        let least = levels.iter().copied().fold(f32::NEG_INFINITY, f32::max) - RANGE_DB;
        let mut cut = [0.0; N_MELS];
        levels.chunks_exact(N_MELS).map(move |levels| {
            for (value, level) in cut.iter_mut().zip(levels) {
                *value = f64::from(level.max(least));
            }
            let mut found = [0.0; N_MFCC];
            for (value, cosines) in found.iter_mut().zip(self.cosines.chunks_exact(N_MELS)) {
                *value = dot::<f64, 8>(&cut, cosines) as f32;
            }
            found
        })
    }
}

fn level(power: f32) -> f32 {
    10.0 * power.max(LEAST_POWER).log10()
}

/// The mel scale of HTK.
fn mel(hertz: f64) -> f64 {
    2595.0 * (1.0 + hertz / 700.0).log10()
}

fn hertz(mel: f64) -> f64 {
    700.0 * (10.0_f64.powf(mel / 2595.0) - 1.0)
}

/// Triangles of equal width in mel from 0 to the Nyquist frequency, each with an area of 1 Hz.
fn bands() -> Vec<Band> {
    let highest = mel(f64::from(RATE) / 2.0);
    let corner = |k: usize| hertz(highest * k as f64 / (N_MELS + 1) as f64);
    let frequency = |k: usize| f64::from(RATE) * k as f64 / N_FFT as f64;
    let band = |k: usize| {
        let (low, middle, high) = (corner(k), corner(k + 1), corner(k + 2));
        let weight = |idx: usize| {
            let rise = (frequency(idx) - low) / (middle - low);
            let fall = (high - frequency(idx)) / (high - middle);
            // Rounded twice, as the array that librosa scales is in single precision.
            let height = rise.min(fall).max(0.0) as f32;
            f64::from((f64::from(height) * 2.0 / (high - low)) as f32)
        };
        let inside = |idx: &usize| weight(*idx) > 0.0;
        let first = (0..=N_FFT / 2).find(inside).unwrap_or_default();
        let weights = (first..=N_FFT / 2).take_while(inside).map(weight).collect();
        Band { first, weights }
    };
    (0..N_MELS).map(band).collect()
}

/// The orthonormal cosine transform of type II.
fn cosines() -> Vec<f64> {
    let n = N_MELS as f64;
    let cosine = |coefficient: usize, band: usize| {
        let scale = if coefficient == 0 { (1.0 / n).sqrt() } else { (2.0 / n).sqrt() };
        scale * (PI * coefficient as f64 * (2 * band + 1) as f64 / (2.0 * n)).cos()
    };
    let row = |coefficient| (0..N_MELS).map(move |band| cosine(coefficient, band));
    (0..N_MFCC).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mel_band_has_an_area_of_one_hertz() {
        let width = f64::from(RATE) / N_FFT as f64;
        let bands = bands();
        assert_eq!(bands.len(), N_MELS);
        // The lowest bands are narrower than the distance of two frequencies.
        for band in bands.iter().skip(60) {
            let area: f64 = band.weights.iter().map(|weight| weight * width).sum();
            assert!((area - 1.0).abs() < 0.02, "{area}");
        }
        // HTK's scale puts 1,000 Hz at 1,000 mel.
        assert!((mel(1000.0) - 1000.0).abs() < 0.02);
        assert!((hertz(mel(4321.0)) - 4321.0).abs() < 1e-8);
    }

    #[test]
    fn the_cosine_transform_is_orthonormal() {
        let rows: Vec<Vec<f64>> = cosines().chunks(N_MELS).map(<[f64]>::to_vec).collect();
        for (i, one) in rows.iter().enumerate() {
            for (j, other) in rows.iter().enumerate() {
                let product: f64 = one.iter().zip(other).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn silence_and_levels_below_the_range_are_cut_off() {
        let mfcc = Mfcc::new();
        let mut levels = Vec::new();
        mfcc.push_levels(&[0.0; N_FFT / 2 + 1], &mut Vec::new(), &mut levels);
        // A band at -100 dB in each place: only the constant coefficient is not 0.
        let silent = mfcc.coefficients(&levels).next().unwrap();
        assert!((silent[0] + 100.0 * 128.0_f32.sqrt()).abs() < 1e-3, "{}", silent[0]);
        assert!(silent[1..].iter().all(|value| value.abs() < 1e-4));
        // One band 100 dB above the others counts as 80 dB above them.
        levels[0] = 0.0;
        let loud = mfcc.coefficients(&levels).next().unwrap();
        assert!((loud[0] + 80.0 * 127.0 / 128.0_f32.sqrt()).abs() < 1e-3, "{}", loud[0]);
    }
}
