//! Names and directions of each bin scheme's metrics.

use crate::corpus::label::BinScheme;

/// Whether larger values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Accuracies, F1 and correlation.
    Higher,
    /// Errors.
    Lower,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name in files and on the command line, which is MMSA's.
    pub id: &'static str,
    /// The name in papers.
    pub title: &'static str,
    /// Distinguishes metrics with the same title; empty if the title is unique.
    pub variant: &'static str,
    /// Its unit, if any.
    pub unit: Option<&'static str>,
    /// Its better direction.
    pub better: Better,
}

impl Metric {
    const fn higher(id: &'static str, title: &'static str, variant: &'static str) -> Metric {
        Metric { id, title, variant, unit: None, better: Better::Higher }
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
pub const MAE: Metric =
    Metric { id: "MAE", title: "MAE", variant: "", unit: Some("the label"), better: Better::Lower };

/// Pearson's correlation.
pub const CORR: Metric = Metric::higher("Corr", "Corr", "");

const NON0_ACC_2: Metric = Metric::higher("Non0_acc_2", "Acc-2", "non0");
const ACC_2: Metric = Metric::higher("Mult_acc_2", "Acc-2", "");
const ACC_3: Metric = Metric::higher("Mult_acc_3", "Acc-3", "");
const ACC_5: Metric = Metric::higher("Mult_acc_5", "Acc-5", "");
const ACC_7: Metric = Metric::higher("Mult_acc_7", "Acc-7", "");

/// For CMU-MOSI and CMU-MOSEI, in the order in which papers list them.
pub const CMU: [Metric; 9] = [
    Metric::higher("Has0_acc_2", "Acc-2", "has0"),
    Metric::higher("Has0_F1_score", "F1", "has0"),
    NON0_ACC_2,
    Metric::higher("Non0_F1_score", "F1", "non0"),
    ACC_3,
    ACC_5,
    ACC_7,
    MAE,
    CORR,
];

/// For CH-SIMS.
pub const SIMS: [Metric; 7] = [
    ACC_2,
    ACC_3,
    ACC_5,
    Metric::higher("F1_score", "F1", ""),
    Metric::higher("F1_score_swapped", "F1", "swapped"),
    MAE,
    CORR,
];

/// The metrics of a bin scheme.
pub fn of(scheme: BinScheme) -> &'static [Metric] {
    match scheme {
        BinScheme::Cmu => &CMU,
        BinScheme::Sims => &SIMS,
    }
}

/// The metric with that name; `None` if no dataset has it.
pub fn find(id: &str) -> Option<&'static Metric> {
    CMU.iter().chain(&SIMS).find(|metric| metric.id == id)
}

/// The accuracy over the most classes, which papers report first.
pub const fn finest_accuracy(scheme: BinScheme) -> &'static Metric {
    match scheme {
        BinScheme::Cmu => &ACC_7,
        BinScheme::Sims => &ACC_5,
    }
}

/// The accuracy over two classes.
pub const fn coarsest_accuracy(scheme: BinScheme) -> &'static Metric {
    match scheme {
        BinScheme::Cmu => &NON0_ACC_2,
        BinScheme::Sims => &ACC_2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_the_same_in_both_tables_and_told_apart_in_each() {
        for scheme in [BinScheme::Cmu, BinScheme::Sims] {
            for metric in of(scheme) {
                assert_eq!(find(metric.id), Some(metric));
                let alike = |other: &&Metric| {
                    (other.title, other.variant) == (metric.title, metric.variant)
                };
                assert_eq!(of(scheme).iter().filter(alike).count(), 1, "{}", metric.id);
            }
            assert!(of(scheme).contains(finest_accuracy(scheme)));
            assert!(of(scheme).contains(coarsest_accuracy(scheme)));
        }
    }

    #[test]
    fn no_value_is_better_than_another_without_being_a_number() {
        assert!(MAE.is_better(0.5, 0.6) && CORR.is_better(0.6, 0.5));
        assert!(!MAE.is_better(f64::NAN, 0.6) && !CORR.is_better(f64::NAN, 0.5));
    }
}
