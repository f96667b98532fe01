//! Low-pass filters: a sinc under a Kaiser window.

use std::f64::consts::PI;

/// A linear-phase low-pass filter as a function of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowPass {
    /// Where the response falls to a half, relative to the Nyquist frequency.
    pub cutoff: f64,
    /// Shape of the Kaiser window; larger values attenuate more.
    pub beta: f64,
    /// Half of the window's length in samples.
    pub half_len: f64,
}

impl LowPass {
    /// The impulse response `time` samples from its centre.
    pub fn at(&self, time: f64) -> f64 {
        let place = time / self.half_len;
        if place.abs() >= 1.0 {
            return 0.0;
        }
        let window = bessel(self.beta * (1.0 - place * place).sqrt()) / bessel(self.beta);
        self.cutoff * sinc(self.cutoff * time) * window
    }

    /// Taps on each side of the one in the centre.
    pub fn n_side(&self) -> usize {
        // Half-lengths are positive and at most thousands.
        self.half_len.ceil() as usize
    }
}

fn sinc(x: f64) -> f64 {
    let angle = PI * x;
    if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle }
}

/// The modified Bessel function of the first kind and order zero, by its power series.
fn bessel(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bessel_function_has_its_tabulated_values() {
        assert_eq!(bessel(0.0), 1.0);
        assert!((bessel(1.0) - 1.266_065_877_752_008_4).abs() < 1e-15);
        assert!((bessel(13.0) / 49_444.489_582_217_56 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_low_pass_passes_a_constant_and_is_even() {
        let filter = LowPass { cutoff: 0.4784, beta: 13.04, half_len: 194.5 };
        let n_side = filter.n_side() as i32;
        let sum: f64 = (-n_side..=n_side).map(|k| filter.at(f64::from(k))).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        assert_eq!(filter.at(-3.5), filter.at(3.5));
        assert_eq!((filter.at(0.0), filter.at(194.5)), (0.4784, 0.0));
    }
}
