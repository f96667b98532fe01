//! Names and directions of the metrics of each scale of labels.

use std::borrow::Cow;

use crate::corpus::label::{Bins, LabelScale};

/// Whether larger values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Accuracies, F1 and correlation.
    Higher,
    /// Errors.
    Lower,
}

/// One metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// The name in files and on the command line, which is MMSA's, or that of a binning scheme of one's
    /// own.
    pub id: Cow<'static, str>,
    /// The name in papers.
    pub title: &'static str,
    /// Distinguishes metrics with the same title; empty if the title is unique.
    pub variant: Cow<'static, str>,
    /// Its unit, if any.
    pub unit: Option<&'static str>,
    /// Its better direction.
    pub better: Better,
}

impl Metric {
    const fn higher(id: &'static str, title: &'static str, variant: &'static str) -> Metric {
        let (id, variant) = (Cow::Borrowed(id), Cow::Borrowed(variant));
        Metric { id, title, variant, unit: None, better: Better::Higher }
    }

    /// The accuracy over a binning scheme of a dataset of one's own.
    fn own(bins: &Bins) -> Metric {
        let name = bins.name().to_owned();
        let variant = name.strip_prefix("acc_").unwrap_or(&name).to_owned();
        let (id, variant) = (name.into(), variant.into());
        Metric { id, title: "Acc", variant, unit: None, better: Better::Higher }
    }

    /// Title and unit, for the axis of a chart.
    pub fn axis(&self) -> String {
        match self.unit {
            Some(unit) => format!("{}, in units of {unit}", self.title),
            None => self.title.into(),
        }
    }

    /// Whether one value is better than another; NaN never is.
    pub fn is_better(&self, value: f64, than: f64) -> bool {
        match self.better {
            Better::Higher => value > than,
            Better::Lower => value < than,
        }
    }
}

/// Mean absolute error: the default metric for selection.
pub const MAE: Metric = Metric {
    id: Cow::Borrowed("MAE"),
    title: "MAE",
    variant: Cow::Borrowed(""),
    unit: Some("the label"),
    better: Better::Lower,
};

/// Pearson's correlation.
pub const CORR: Metric = Metric::higher("Corr", "Corr", "");

const HAS0_ACC_2: Metric = Metric::higher("Has0_acc_2", "Acc-2", "has0");
const HAS0_F1: Metric = Metric::higher("Has0_F1_score", "F1", "has0");
const NON0_ACC_2: Metric = Metric::higher("Non0_acc_2", "Acc-2", "non0");
const NON0_F1: Metric = Metric::higher("Non0_F1_score", "F1", "non0");
const ACC_2: Metric = Metric::higher("Mult_acc_2", "Acc-2", "");
const ACC_3: Metric = Metric::higher("Mult_acc_3", "Acc-3", "");
const ACC_5: Metric = Metric::higher("Mult_acc_5", "Acc-5", "");
const ACC_7: Metric = Metric::higher("Mult_acc_7", "Acc-7", "");

/// For two sides of a neutral value.
const TWO_SIDES: [Metric; 4] = [HAS0_ACC_2, HAS0_F1, NON0_ACC_2, NON0_F1];

/// For CMU-MOSI and CMU-MOSEI, in the order in which papers list them.
const CMU: [Metric; 9] = [HAS0_ACC_2, HAS0_F1, NON0_ACC_2, NON0_F1, ACC_3, ACC_5, ACC_7, MAE, CORR];

/// For CH-SIMS.
const SIMS: [Metric; 7] = [
    ACC_2,
    ACC_3,
    ACC_5,
    Metric::higher("F1_score", "F1", ""),
    Metric::higher("F1_score_swapped", "F1", "swapped"),
    MAE,
    CORR,
];

/// The metrics of a scale of labels, in the order in which papers list them: accuracies from coarse to
/// fine, then MAE and correlation.
pub fn of(scale: LabelScale<'_>) -> Vec<Metric> {
    match scale {
        LabelScale::Cmu => CMU.into(),
        LabelScale::Sims => SIMS.into(),
        LabelScale::Own(own) => {
            let two_sides = own.neutral().map(|_| TWO_SIDES);
            let bins = scale.bins();
            let accuracies = bins.iter().filter(|bins| !is_of_neutral(**bins)).map(Metric::own);
            two_sides.into_iter().flatten().chain(accuracies).chain([MAE, CORR]).collect()
        }
    }
}

/// Whether a binning scheme has the two sides of a neutral value.
pub(super) fn is_of_neutral(bins: Bins) -> bool {
    matches!(bins, Bins::Acc2Has0 | Bins::Acc2Non0)
}

/// The metric with that name; `None` if no published dataset has it.
pub fn find(id: &str) -> Option<Metric> {
    CMU.into_iter().chain(SIMS).find(|metric| metric.id == id)
}

/// The accuracy over the most classes, which papers report first; `None` of labels that are not
/// divided.
pub fn finest_accuracy(scale: LabelScale<'_>) -> Option<Metric> {
    Some(match (scale, scale.finest()?) {
        (LabelScale::Cmu, _) => ACC_7,
        (LabelScale::Sims, _) => ACC_5,
        (LabelScale::Own(_), bins) if is_of_neutral(bins) => NON0_ACC_2,
        (LabelScale::Own(_), bins) => Metric::own(&bins),
    })
}

/// The accuracy over two classes; `None` of labels without a neutral value.
pub fn coarsest_accuracy(scale: LabelScale<'_>) -> Option<Metric> {
    match scale {
        LabelScale::Sims => Some(ACC_2),
        LabelScale::Cmu | LabelScale::Own(_) => scale.neutral().map(|_| NON0_ACC_2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::scale::OwnScale;

    #[test]
    fn a_metric_is_the_same_in_all_tables_and_told_apart_in_each() {
        let text = "range = [0, 1]\nneutral = 0.5\n[bins.7]\nedges = [0.2, 0.7]\n";
        let own = OwnScale::of_toml(text).unwrap();
        for scale in [LabelScale::Cmu, LabelScale::Sims, LabelScale::Own(&own)] {
            let all = of(scale);
            for metric in &all {
                assert!(find(&metric.id).is_none_or(|known| known == *metric));
                let alike = |other: &&Metric| {
                    (other.title, &other.variant) == (metric.title, &metric.variant)
                };
                assert_eq!(all.iter().filter(alike).count(), 1, "{}", metric.id);
            }
            assert!(all.contains(&finest_accuracy(scale).unwrap()));
            assert!(all.contains(&coarsest_accuracy(scale).unwrap()));
        }
        assert_eq!(finest_accuracy(LabelScale::Own(&own)).unwrap().id, "acc_7");
        let bare = OwnScale::of_toml("range = [0, 1]\n").unwrap();
        let names: Vec<_> = of(LabelScale::Own(&bare)).into_iter().map(|it| it.id).collect();
        assert_eq!(names, ["MAE", "Corr"]);
        assert_eq!(finest_accuracy(LabelScale::Own(&bare)), None);
    }

    #[test]
    fn no_value_is_better_than_another_without_being_a_number() {
        assert!(MAE.is_better(0.5, 0.6) && CORR.is_better(0.6, 0.5));
        assert!(!MAE.is_better(f64::NAN, 0.6) && !CORR.is_better(f64::NAN, 0.5));
    }
}
