//! Confusion matrices of predictions.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::corpus::label::{Bins, LabelScale};

/// How many segments of each class were predicted as which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Confusion {
    /// The binning scheme, such as `acc_7`.
    pub bins: String,
    /// Names of its classes, from the negative end.
    pub classes: Vec<String>,
    /// Counts, `[n_classes, n_classes]`: rows are labels, columns predictions.
    pub counts: Vec<Vec<u64>>,
}

/// One matrix per binning scheme of a dataset, from pairs of label and prediction.
pub fn all(scale: LabelScale<'_>, pairs: &[(f32, f32)]) -> Vec<Confusion> {
    let of = |bins: &Bins| Confusion {
        bins: bins.name().into(),
        classes: scale.class_names(*bins).into_iter().map(Cow::into_owned).collect(),
        counts: counts(scale, *bins, pairs.iter().copied()),
    };
    scale.bins().iter().map(of).collect()
}

/// The counts of one matrix, `[n_classes, n_classes]`. Only the label decides which segments are
/// excluded; a neutral prediction is not positive, as in the metric.
pub fn counts(
    scale: LabelScale<'_>,
    bins: Bins,
    pairs: impl Iterator<Item = (f32, f32)>,
) -> Vec<Vec<u64>> {
    let n_classes = scale.class_names(bins).len();
    let mut counts = vec![vec![0; n_classes]; n_classes];
    for (label, prediction) in pairs {
        let label = scale.class(bins, label);
        let prediction = scale.class_of_prediction(bins, prediction);
        let (Ok(label), Ok(prediction)) = (usize::try_from(label), usize::try_from(prediction))
        else {
            continue;
        };
        counts[label][prediction] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_alone_excludes_and_a_prediction_of_zero_is_not_positive() {
        let pairs = [(0.0, 1.0), (1.0, 0.0), (1.0, 2.0), (-1.0, f32::NAN)];
        let of = |bins| counts(LabelScale::Cmu, bins, pairs.into_iter());
        assert_eq!(of(Bins::Acc2Non0), [[0, 0], [1, 1]]);
        assert_eq!(of(Bins::Acc2Has0), [[0, 0], [0, 3]]);
        let all = all(LabelScale::Cmu, &pairs);
        assert_eq!(all.len(), LabelScale::Cmu.bins().len());
        assert_eq!((&*all[0].bins, &all[0].counts), ("acc_2_has0", &vec![vec![0, 0], vec![0, 3]]));
    }
}
