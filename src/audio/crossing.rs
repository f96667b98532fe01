//! The rate of zero crossings, as `librosa.feature.zero_crossing_rate`.

use super::sizes::{HOP, N_FFT};

/// What is closer to 0 counts as 0, which is positive.
const NOTHING: f32 = 1e-10;

/// The share of changes of sign per frame, in `[0, 1]`. A frame has [`N_FFT`] samples around a multiple of
/// [`HOP`]; the first and last sample of the signal continue beyond its ends.
pub fn zero_crossing_rate(signal: &[f32]) -> Vec<f32> {
    let is_negative = |sample: &f32| *sample < -NOTHING;
    // Crossings before each sample. Beyond the ends there is none.
    let mut n_before = Vec::with_capacity(signal.len() + 1);
    let (mut n_crossings, mut previous) = (0_u32, signal.first().is_some_and(is_negative));
    for negative in signal.iter().map(is_negative) {
        n_crossings += u32::from(negative != previous);
        previous = negative;
        n_before.push(n_crossings);
    }
    let last = signal.len().saturating_sub(1);
    let until = |idx: usize| n_before.get(idx.min(last)).copied().unwrap_or_default();
    let frames = 0..=signal.len() / HOP;
    let rates = frames.map(|frame| {
        let centre = frame * HOP;
        // The frame's first sample has none before it.
        let start = until(centre.saturating_sub(N_FFT / 2));
        (until(centre + N_FFT / 2 - 1) - start) as f32 / N_FFT as f32
    });
    rates.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_wave_crosses_twice_in_each_period() {
        let signal: Vec<f32> = (0..8192).map(|k| if k % 64 < 32 { 0.5 } else { -0.5 }).collect();
        let rates = zero_crossing_rate(&signal);
        assert_eq!(rates.len(), 17);
        // In the middle a frame of 2,048 samples has 64 half periods, less one at its start.
        assert_eq!(rates[8], 63.0 / 2048.0);
        // The first frame has only 1,024 samples of the signal.
        assert_eq!(rates[0], 31.0 / 2048.0);
    }

    #[test]
    fn what_is_nearly_zero_is_no_crossing() {
        let rates = zero_crossing_rate(&[1e-11, -1e-11, 0.0, -0.0, 1e-11]);
        assert_eq!(rates, [0.0]);
        assert_eq!(zero_crossing_rate(&[1e-9, -1e-9]), [1.0 / 2048.0]);
    }
}
