//! Resampling as `librosa.load` does it, that is like `soxr` at its quality HQ: the passband up to 0.9137 of
//! the lower Nyquist frequency, 20 bits, linear phase.
//!
//! MFCC see the band between 0.91 and 1 of the Nyquist frequency, which every resampler cuts off in its own way.
//! The filters here are fitted to impulse responses measured of soxr 0.1.3 (python-soxr 1.1.0), with which
//! they agree to the rounding of single precision. Rates in a ratio of small integers, such as 33,075 Hz with 3/2, have
//! other filters there, which are not reproduced.

use super::kaiser::LowPass;
use super::sizes::RATE;
use super::stage::{FilterStage, LongFilter, Range, ShortFilter, Stretch};

/// Half-amplitude point of the sharp filter, relative to the lower of the two Nyquist frequencies.
const CUTOFF: f64 = 0.956_871_8;

/// From the passband's end to the half-amplitude point, on the same scale.
const TRANSITION: f64 = (1.0 - CUTOFF) / 2.0;

/// Shape of the sharp filter's window where it is the only stage.
const BETA: f64 = 13.040_05;

/// Increase of the shape per decibel that more stages must attenuate more.
const BETA_PER_DB: f64 = 0.1115;

/// Shape of the short filter's window.
const SHORT_BETA: f64 = 14.0571;

/// The filter that halves a rate far above the final one; only frequencies below a quarter of the
/// rate count.
const HALVING: LowPass = LowPass { cutoff: 0.5, beta: 14.0, half_len: 24.5 };

/// Changes a sampling rate, in stages.
pub struct Resampler {
    from: u32,
    to: u32,
    stages: Vec<Box<dyn FilterStage>>,
}

impl Resampler {
    /// From a rate in Hz, above 0, to that of the features.
    pub fn new(from: u32) -> Resampler {
        Resampler { from, to: RATE, stages: stages(i64::from(from), i64::from(RATE)) }
    }

    /// To half of the rate; one filter, and no rate of its own.
    pub fn halving() -> Resampler {
        Resampler { from: 2, to: 1, stages: stages(2, 1) }
    }

    /// The signal at the other rate. Its length is rounded up, as `librosa.resample` does: where `soxr` gives
    /// one sample less, the last is 0.
    pub fn run(&self, samples: &[f32]) -> Vec<f32> {
        if self.from == self.to || samples.is_empty() {
            return samples.to_vec();
        }
        let ratio = f64::from(self.to) / f64::from(self.from);
        let n_samples = samples.len() as f64;
        let n_wanted = (n_samples * ratio).ceil() as usize;
        let (to, from) = (f64::from(self.to), f64::from(self.from));
        let n_filtered = n_wanted.min((n_samples / (from / to) + 0.5).floor() as usize);
        let mut ranges: Vec<Range> = vec![(0, n_filtered)];
        for stage in self.stages.iter().skip(1).rev() {
            let needed = stage.needs(ranges.last().copied().unwrap_or_default());
            ranges.push(from_zero(needed));
        }
        let mut part =
            Stretch { first: 0, samples: samples.iter().map(|v| f64::from(*v)).collect() };
        for (stage, range) in self.stages.iter().zip(ranges.into_iter().rev()) {
            part = stage.run(&part, range);
        }
        let mut found: Vec<f32> = part.samples.iter().map(|value| *value as f32).collect();
        found.resize(n_wanted, 0.0);
        found
    }
}

/// What a stage rings before the first sample is lost between two stages of soxr.
fn from_zero((first, n): Range) -> Range {
    let n_before = usize::try_from(-first).unwrap_or_default();
    (first.max(0), n.saturating_sub(n_before))
}

/// Which stages soxr builds for a ratio of two rates.
fn stages(mut from: i64, to: i64) -> Vec<Box<dyn FilterStage>> {
    let mut stages: Vec<Box<dyn FilterStage>> = Vec::new();
    while from >= 4 * to && from % 2 == 0 {
        stages.push(Box::new(LongFilter::new(HALVING, 1, 2)));
        from /= 2;
    }
    let n_halvings = stages.len();
    if from == to {
        return stages;
    }
    if from == 2 * to || to == 2 * from {
        let (up, down) = if to > from { (2, 1) } else { (1, 2) };
        stages.push(Box::new(LongFilter::new(sharp(1.0, n_halvings + 1), up, down)));
        return stages;
    }
    let n_stages = 2 * (n_halvings + 1);
    if 2 * from > 3 * to && from < 2 * to {
        stages.push(Box::new(short(short_after(from, to), from, 2 * to)));
        stages.push(Box::new(LongFilter::new(sharp(1.0, n_stages), 1, 2)));
        return stages;
    }
    let up = if 2 * from > 3 * to { 1 } else { 2 };
    let between = up * from;
    let lower = from.min(to) as f64;
    let relative = 2.0 * lower / between as f64;
    stages.push(Box::new(LongFilter::new(sharp(relative, n_stages), up, 1)));
    stages.push(Box::new(short(short_before(between, to), between, to)));
    stages
}

/// The filter with the narrow transition. `relative` is twice the lower of the two rates, as a multiple of the
/// rate at which the filter runs.
fn sharp(relative: f64, n_stages: usize) -> LowPass {
    let more_db = 20.0 * (n_stages as f64).log10();
    let beta = BETA + BETA_PER_DB * more_db;
    // The estimate of the number of taps at high attenuation in libsoxr, src/filter.c.
    let transition =
        ((7.528_358e-4 - 1.577_737e-5 * beta) * beta + 0.624_802_2) * beta + 0.061_869_02;
    let n_taps = transition / (TRANSITION * relative);
    let n_side = 2.0 * (n_taps / 4.0).ceil();
    LowPass { cutoff: CUTOFF * relative / 2.0, beta, half_len: n_side + 0.5 }
}

fn short(response: LowPass, from: i64, to: i64) -> ShortFilter {
    let divisor = greatest_divisor(from, to);
    ShortFilter::new(response, to / divisor, from / divisor)
}

/// The short filter behind a sharp one that runs at the rate `between`: it stops what mirrors the passband at
/// that rate.
fn short_before(between: i64, to: i64) -> LowPass {
    let pass = if between < 2 * to { 0.5 } else { to as f64 / between as f64 };
    let stop = 1.712_228 - 0.788_74 * pass;
    let n_taps = match between < 2 * to {
        true => 15.0,
        false => 2.0 * (6.13 / (stop - pass)).ceil(),
    };
    short_low_pass((pass + stop) / 2.0, n_taps)
}

/// The short filter that raises the rate to twice the final one.
fn short_after(from: i64, to: i64) -> LowPass {
    let ratio = from as f64 / (2 * to) as f64;
    short_low_pass(0.903_39 / ratio, (15.0 * ratio).ceil())
}

fn short_low_pass(cutoff: f64, n_taps: f64) -> LowPass {
    LowPass { cutoff, beta: SHORT_BETA, half_len: n_taps / 2.0 - 0.001 }
}

fn greatest_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(rate: u32, hertz: f64, n: usize) -> Vec<f32> {
        (0..n).map(|k| (TAU * hertz * k as f64 / f64::from(rate)).sin() as f32).collect()
    }

    #[test]
    fn a_tone_keeps_its_frequency_phase_and_level() {
        for rate in [8_000, 11_025, 16_000, 24_000, 32_000, 37_800, 44_100, 48_000, 96_000, 192_000]
        {
            let found = Resampler::new(rate).run(&tone(rate, 1000.0, rate as usize));
            assert_eq!(found.len(), 22_050, "{rate}");
            // Away from the ends, where the signal begins and stops.
            let expected = tone(RATE, 1000.0, 22_050);
            let pairs = found.iter().zip(&expected).take(20_000).skip(2_000);
            let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 1e-5, "{rate}: {off}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_vanishes() {
        for rate in [32_000, 37_800, 44_100, 48_000, 88_200, 96_000] {
            let found = Resampler::new(rate).run(&tone(rate, 12_000.0, rate as usize));
            let middle = found.iter().take(20_000).skip(2_000);
            let loudest = middle.map(|value| value.abs()).fold(0.0, f32::max);
            assert!(loudest < 1e-6, "{rate}: {loudest}");
        }
    }

    #[test]
    fn lengths_are_rounded_up_and_the_same_rate_changes_nothing() {
        assert_eq!(Resampler::halving().run(&[1.0; 7]).len(), 4);
        assert_eq!(Resampler::new(48_000).run(&[0.5; 1]).len(), 1);
        // 1,837.2: soxr gives 1,837 samples, librosa adds a 0.
        let found = Resampler::new(12_001).run(&[0.5; 1000]);
        assert_eq!((found.len(), found.last()), (1838, Some(&0.0)));
        assert_eq!(Resampler::new(RATE).run(&[0.5, -0.5]), [0.5, -0.5]);
        assert!(Resampler::new(8_000).run(&[]).is_empty());
    }
}
