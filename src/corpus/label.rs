//! Label bins: the classes that accuracies and F1 scores are computed over.
//!
//! The arithmetic is that of the published metric code (Haoyu-ha/ALMT `core/metric.py`, which is
//! MMSA's `utils/metricsTop.py`), in float32: a bin limit is the float32 nearest to its decimal.

use std::borrow::Cow;

use super::Dataset;
pub use super::bins::{Bins, EXCLUDED};
use super::scale::{OwnScale, undescribed};
use super::spec::DatasetSpec;

/// What the labels of a dataset mean: their range, their neutral value, and the classes that they are
/// divided into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LabelScale<'a> {
    /// CMU-MOSI and CMU-MOSEI, labels in [-3, 3]: clip, then round half to even.
    Cmu,
    /// CH-SIMS, labels in [-1, 1]: left-open, right-closed intervals.
    Sims,
    /// A dataset of one's own, as its manifest describes it.
    Own(&'a OwnScale),
}

impl LabelScale<'static> {
    /// The scale of a published dataset; `None` for [`Dataset::Own`], whose stores have it.
    pub fn published(dataset: Dataset) -> Option<LabelScale<'static>> {
        match dataset {
            Dataset::Mosi | Dataset::Mosei => Some(LabelScale::Cmu),
            Dataset::Sims | Dataset::Simsv2 => Some(LabelScale::Sims),
            Dataset::Own => None,
        }
    }
}

impl<'a> LabelScale<'a> {
    /// The scale of a dataset, which has a description of its own if it is not published.
    pub fn of(dataset: Dataset, own: Option<&'a OwnScale>) -> LabelScale<'a> {
        let described = || LabelScale::Own(own.unwrap_or_else(|| undescribed()));
        LabelScale::published(dataset).unwrap_or_else(described)
    }

    /// Smallest and largest label; `None` for classes without values.
    pub fn range(self) -> Option<[f32; 2]> {
        let of = |dataset| DatasetSpec::of(dataset).map(|spec| spec.label_range);
        match self {
            LabelScale::Cmu => of(Dataset::Mosi),
            LabelScale::Sims => of(Dataset::Sims),
            LabelScale::Own(own) => own.range(),
        }
    }

    /// The label between negative and positive; `None` if none is defined.
    pub fn neutral(self) -> Option<f32> {
        match self {
            LabelScale::Cmu | LabelScale::Sims => Some(0.0),
            LabelScale::Own(own) => own.neutral(),
        }
    }

    /// The value that labels are measured from: the neutral one, or the middle of the range.
    pub fn centre(self) -> f32 {
        let middle = || self.range().map_or(0.0, |[low, high]| low + (high - low) / 2.0);
        self.neutral().unwrap_or_else(middle)
    }

    /// The largest distance of a label from the centre.
    pub fn reach(self) -> f32 {
        let [low, high] = self.range().unwrap_or_default();
        (high - self.centre()).max(self.centre() - low)
    }

    /// The binning schemes defined for these labels, from coarse to fine.
    pub fn bins(self) -> Cow<'a, [Bins]> {
        match self {
            LabelScale::Cmu => {
                Cow::Borrowed(&[Bins::Acc2Has0, Bins::Acc2Non0, Bins::Acc3, Bins::Acc5, Bins::Acc7])
            }
            LabelScale::Sims => Cow::Borrowed(&[Bins::Acc2, Bins::Acc3, Bins::Acc5]),
            LabelScale::Own(own) => own.bins().into(),
        }
    }

    /// The binning scheme with the most classes; `None` if there is none.
    pub fn finest(self) -> Option<Bins> {
        self.bins().last().copied()
    }

    /// The class of `value` in `bins`, counted from 0 at the negative end; [`EXCLUDED`] for a neutral
    /// label in [`Bins::Acc2Non0`], for NaN, and for binning schemes not defined here.
    pub fn class(self, bins: Bins, value: f32) -> i8 {
        if value.is_nan() {
            return EXCLUDED;
        }
        match (self, bins) {
            (LabelScale::Own(own), Bins::Acc2Has0 | Bins::Acc2Non0) => {
                own.neutral().map_or(EXCLUDED, |neutral| side(bins, value, neutral))
            }
            (LabelScale::Own(own), bins) => own.class(bins, value),
            (LabelScale::Cmu, Bins::Acc2Has0 | Bins::Acc2Non0) => side(bins, value, 0.0),
            (LabelScale::Cmu, Bins::Acc3) => rounded(value, 1),
            (LabelScale::Cmu, Bins::Acc5) => rounded(value, 2),
            (LabelScale::Cmu, Bins::Acc7) => rounded(value, 3),
            (LabelScale::Sims, Bins::Acc2) => interval(value, &[0.0]),
            (LabelScale::Sims, Bins::Acc3) => interval(value, &[-0.1, 0.1]),
            (LabelScale::Sims, Bins::Acc5) => interval(value, &[-0.7, -0.1, 0.1, 0.7]),
            _ => EXCLUDED,
        }
    }

    /// The class of a prediction beside labels that are not excluded: a neutral prediction counts as
    /// negative in [`Bins::Acc2Non0`].
    pub fn class_of_prediction(self, bins: Bins, value: f32) -> i8 {
        match self.class(bins, value) {
            EXCLUDED if self.neutral() == Some(value) => 0,
            class => class,
        }
    }

    /// The labels of each class in `bins`, in words or as an interval, from class 0 on; empty for
    /// binning schemes not defined here.
    pub fn class_names(self, bins: Bins) -> Vec<Cow<'a, str>> {
        let known: &[&str] = match (self, bins) {
            (LabelScale::Own(own), _) => return own.class_names(bins),
            (LabelScale::Cmu, Bins::Acc2Has0) => &["below 0", "0 and above"],
            (LabelScale::Cmu, Bins::Acc2Non0) => &["below 0", "above 0"],
            (LabelScale::Cmu, Bins::Acc3) => &["-1 and below", "0", "+1 and above"],
            (LabelScale::Cmu, Bins::Acc5) => &["-2 and below", "-1", "0", "+1", "+2 and above"],
            (LabelScale::Cmu, Bins::Acc7) => &["-3", "-2", "-1", "0", "+1", "+2", "+3"],
            (LabelScale::Sims, Bins::Acc2) => &["[-1, 0]", "(0, 1]"],
            (LabelScale::Sims, Bins::Acc3) => &["[-1, -0.1]", "(-0.1, 0.1]", "(0.1, 1]"],
            (LabelScale::Sims, Bins::Acc5) => {
                &["[-1, -0.7]", "(-0.7, -0.1]", "(-0.1, 0.1]", "(0.1, 0.7]", "(0.7, 1]"]
            }
            _ => &[],
        };
        known.iter().map(|name| Cow::Borrowed(*name)).collect()
    }
}

/// The side of the neutral value that a value is on.
fn side(bins: Bins, value: f32, neutral: f32) -> i8 {
    match bins {
        Bins::Acc2Non0 if value == neutral => EXCLUDED,
        Bins::Acc2Non0 => (value > neutral).into(),
        _ => (value >= neutral).into(),
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
        let class = |bins, value| LabelScale::Cmu.class(bins, value);
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
        for (scale, limit) in [(LabelScale::Cmu, 300), (LabelScale::Sims, 100)] {
            for bins in scale.bins().iter() {
                let class = |step: i32| scale.class(*bins, step as f32 / 100.0);
                let highest = (-limit..=limit).map(class).max();
                let n_classes = scale.class_names(*bins).len();
                assert_eq!(highest, i8::try_from(n_classes).ok().map(|n| n - 1), "{bins:?}");
            }
        }
        assert!(LabelScale::Sims.class_names(Bins::Acc7).is_empty());
    }

    #[test]
    fn sims_limits_are_float32_and_closed_on_the_right() {
        let class = |bins, value| LabelScale::Sims.class(bins, value);
        assert_eq!(class(Bins::Acc2, 0.0), 0);
        assert_eq!(class(Bins::Acc3, 0.1), 1);
        assert_eq!(class(Bins::Acc5, -0.7), 0);
        assert_eq!(class(Bins::Acc5, 0.7), 3);
        assert_eq!(class(Bins::Acc7, 0.7), EXCLUDED);
    }
}
