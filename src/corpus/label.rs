//! Label bins: the classes that accuracies and F1 scores are computed over.
//!
//! The arithmetic is that of the published metric code (Haoyu-ha/ALMT `core/metric.py`, which is
//! MMSA's `utils/metricsTop.py`), in float32: a bin limit is the float32 nearest to its decimal.

use serde::{Deserialize, Serialize};

/// Division of a dataset's label range into classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BinScheme {
    /// CMU-MOSI and CMU-MOSEI, labels in [-3, 3]: clip, then round half to even.
    Cmu,
    /// CH-SIMS, labels in [-1, 1]: left-open, right-closed intervals.
    Sims,
}

/// One binning scheme of the label range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bins {
    /// CMU: negative (0) or non-negative (1), over all samples.
    Acc2Has0,
    /// CMU: negative (0) or positive (1); zero labels are excluded.
    Acc2Non0,
    /// CH-SIMS: `[-1, 0]`, `(0, 1]`. Zero counts as negative, unlike for CMU.
    Acc2,
    /// CMU: rounded value in -1..=1; CH-SIMS: limits -0.1, 0.1.
    Acc3,
    /// CMU: rounded value in -2..=2; CH-SIMS: limits -0.7, -0.1, 0.1, 0.7.
    Acc5,
    /// CMU: rounded value in -3..=3.
    Acc7,
}

/// The class of a label that a binning scheme excludes.
pub const EXCLUDED: i8 = -1;

impl BinScheme {
    /// The binning schemes defined for these labels.
    pub fn bins(self) -> &'static [Bins] {
        match self {
            BinScheme::Cmu => &[Bins::Acc2Has0, Bins::Acc2Non0, Bins::Acc3, Bins::Acc5, Bins::Acc7],
            BinScheme::Sims => &[Bins::Acc2, Bins::Acc3, Bins::Acc5],
        }
    }

    /// The class of `value` in `bins`, counted from 0 at the negative end; [`EXCLUDED`] for a zero
    /// label in [`Bins::Acc2Non0`], for NaN, and for binning schemes not defined here.
    pub fn class(self, bins: Bins, value: f32) -> i8 {
        if value.is_nan() {
            return EXCLUDED;
        }
        match (self, bins) {
            (BinScheme::Cmu, Bins::Acc2Has0) => (value >= 0.0).into(),
            (BinScheme::Cmu, Bins::Acc2Non0) if value == 0.0 => EXCLUDED,
            (BinScheme::Cmu, Bins::Acc2Non0) => (value > 0.0).into(),
            (BinScheme::Cmu, Bins::Acc3) => rounded(value, 1),
            (BinScheme::Cmu, Bins::Acc5) => rounded(value, 2),
            (BinScheme::Cmu, Bins::Acc7) => rounded(value, 3),
            (BinScheme::Sims, Bins::Acc2) => interval(value, &[0.0]),
            (BinScheme::Sims, Bins::Acc3) => interval(value, &[-0.1, 0.1]),
            (BinScheme::Sims, Bins::Acc5) => interval(value, &[-0.7, -0.1, 0.1, 0.7]),
            _ => EXCLUDED,
        }
    }

    /// The labels of each class in `bins`, in words or as an interval, from class 0 on; empty for
    /// binning schemes not defined here.
    pub fn class_names(self, bins: Bins) -> &'static [&'static str] {
        match (self, bins) {
            (BinScheme::Cmu, Bins::Acc2Has0) => &["below 0", "0 and above"],
            (BinScheme::Cmu, Bins::Acc2Non0) => &["below 0", "above 0"],
            (BinScheme::Cmu, Bins::Acc3) => &["-1 and below", "0", "+1 and above"],
            (BinScheme::Cmu, Bins::Acc5) => &["-2 and below", "-1", "0", "+1", "+2 and above"],
            (BinScheme::Cmu, Bins::Acc7) => &["-3", "-2", "-1", "0", "+1", "+2", "+3"],
            (BinScheme::Sims, Bins::Acc2) => &["[-1, 0]", "(0, 1]"],
            (BinScheme::Sims, Bins::Acc3) => &["[-1, -0.1]", "(-0.1, 0.1]", "(0.1, 1]"],
            (BinScheme::Sims, Bins::Acc5) => {
                &["[-1, -0.7]", "(-0.7, -0.1]", "(-0.1, 0.1]", "(0.1, 0.7]", "(0.7, 1]"]
            }
            _ => &[],
        }
    }
}

impl Bins {
    /// All binning schemes.
    pub const ALL: [Bins; 6] =
        [Bins::Acc2Has0, Bins::Acc2Non0, Bins::Acc2, Bins::Acc3, Bins::Acc5, Bins::Acc7];

    /// The name of the column in the store.
    pub fn name(self) -> &'static str {
        match self {
            Bins::Acc2Has0 => "acc_2_has0",
            Bins::Acc2Non0 => "acc_2_non0",
            Bins::Acc2 => "acc_2",
            Bins::Acc3 => "acc_3",
            Bins::Acc5 => "acc_5",
            Bins::Acc7 => "acc_7",
        }
    }
}

fn rounded(value: f32, limit: i8) -> i8 {
    let limit_f32 = f32::from(limit);
    value.clamp(-limit_f32, limit_f32).round_ties_even() as i8 + limit
}

/// Number of limits below `value`: the index of its left-open, right-closed interval.
fn interval(value: f32, limits: &[f32]) -> i8 {
    limits.iter().filter(|limit| value > **limit).count() as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmu_rounds_half_to_even_after_clipping() {
        let class = |bins, value| BinScheme::Cmu.class(bins, value);
        assert_eq!(class(Bins::Acc7, 2.5), 5);
        assert_eq!(class(Bins::Acc7, 1.5), 5);
        assert_eq!(class(Bins::Acc7, -0.5), 3);
        assert_eq!(class(Bins::Acc7, 7.0), 6);
        assert_eq!(class(Bins::Acc5, -2.6), 0);
        assert_eq!(class(Bins::Acc2Has0, 0.0), 1);
        assert_eq!(class(Bins::Acc2Has0, -0.0), 1);
        assert_eq!(class(Bins::Acc2Non0, 0.0), EXCLUDED);
        assert_eq!(class(Bins::Acc2Non0, -0.2), 0);
    }

    #[test]
    fn every_class_has_a_name() {
        for (scheme, limit) in [(BinScheme::Cmu, 300), (BinScheme::Sims, 100)] {
            for bins in scheme.bins() {
                let class = |step: i32| scheme.class(*bins, step as f32 / 100.0);
                let highest = (-limit..=limit).map(class).max();
                let n_classes = scheme.class_names(*bins).len();
                assert_eq!(highest, i8::try_from(n_classes).ok().map(|n| n - 1), "{bins:?}");
            }
        }
        assert!(BinScheme::Sims.class_names(Bins::Acc7).is_empty());
    }

    #[test]
    fn sims_limits_are_float32_and_closed_on_the_right() {
        let class = |bins, value| BinScheme::Sims.class(bins, value);
        assert_eq!(class(Bins::Acc2, 0.0), 0);
        assert_eq!(class(Bins::Acc3, 0.1), 1);
        assert_eq!(class(Bins::Acc5, -0.7), 0);
        assert_eq!(class(Bins::Acc5, 0.7), 3);
        assert_eq!(class(Bins::Acc7, 0.7), EXCLUDED);
    }
}
