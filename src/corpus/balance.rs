//! Number of segments per split and label class.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::SplitName;
use super::label::{Bins, EXCLUDED, LabelScale};

/// What `labels --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Balance {
    /// The store.
    pub path: PathBuf,
    /// Name of the dataset.
    pub dataset: String,
    /// Digest of the store's content.
    pub digest: String,
    /// One entry per split, division and class: splits in order, divisions from coarse to fine,
    /// classes from negative to positive, the excluded last.
    pub classes: Vec<ClassCount>,
}

impl Balance {
    /// The JSON Schema of a balance.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Balance)
    }
}

/// The segments of one class.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ClassCount {
    /// Which split.
    pub split: SplitName,
    /// The division of the label range, such as `acc_7`; `classes` of classes without values.
    pub bins: String,
    /// The class as the store has it: from 0 at the negative end, or -1, excluded.
    pub class: i8,
    /// The labels of the class: its name, an interval, the value that they round to, or `excluded`.
    pub labels: String,
    /// Number of segments.
    pub count: u64,
    /// Share of the split's segments, in [0, 1]; 0 of an empty split.
    pub share: f64,
}

/// Counts one binning scheme in one split, whose classes are `classes`, `[n_samples]`. Every class has
/// an entry, and so has the excluded one if the binning scheme excludes a label or such a segment
/// exists.
pub fn count(
    split: SplitName,
    scale: LabelScale<'_>,
    bins: Bins,
    classes: &[i8],
) -> Vec<ClassCount> {
    let may_exclude = bins == Bins::Acc2Non0;
    counted(split, bins.name(), &scale.class_names(bins), classes.iter().copied(), may_exclude)
}

/// Counts classes without values in one split; see [`count`]. `classes` are indices of `names`, and -1
/// without a class.
pub fn count_named(split: SplitName, names: &[String], classes: &[i32]) -> Vec<ClassCount> {
    let names: Vec<Cow<'_, str>> = names.iter().map(|name| name.as_str().into()).collect();
    let classes = classes.iter().map(|class| i8::try_from(*class).unwrap_or(i8::MAX));
    counted(split, NAMED, &names, classes, false)
}

/// The division of labels that are classes without values.
const NAMED: &str = "classes";

fn counted(
    split: SplitName,
    bins: &str,
    names: &[Cow<'_, str>],
    classes: impl ExactSizeIterator<Item = i8>,
    may_exclude: bool,
) -> Vec<ClassCount> {
    let mut counts: BTreeMap<i8, u64> = (0..).take(names.len()).map(|class| (class, 0)).collect();
    if may_exclude {
        counts.insert(EXCLUDED, 0);
    }
    let n_segments = classes.len();
    for class in classes {
        *counts.entry(class).or_default() += 1;
    }
    // The excluded class comes last.
    let excluded = counts.remove_entry(&EXCLUDED);
    let entry = |(class, count): (i8, u64)| {
        let name = usize::try_from(class).ok().and_then(|class| names.get(class));
        let labels = match (class, name) {
            (EXCLUDED, _) => "excluded",
            (_, Some(name)) => name,
            // Stores of other programs may hold unknown classes; `validate` has a rule for them.
            (_, None) => "unknown",
        };
        let share = count as f64 / (n_segments as f64).max(1.0);
        ClassCount { split, bins: bins.into(), class, labels: labels.into(), count, share }
    };
    counts.into_iter().chain(excluded).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(bins: Bins, classes: &[i8]) -> Vec<(i8, String, u64)> {
        let counts = count(SplitName::Test, LabelScale::Cmu, bins, classes);
        let sum: f64 = counts.iter().map(|class| class.share).sum();
        assert!((sum - f64::from(u8::from(!classes.is_empty()))).abs() < 1e-9);
        counts.iter().map(|class| (class.class, class.labels.clone(), class.count)).collect()
    }

    #[test]
    fn every_class_is_there_once_and_the_excluded_come_last() {
        let of = |counts: &[(i8, &str, u64)]| -> Vec<(i8, String, u64)> {
            counts.iter().map(|(class, labels, n)| (*class, (*labels).to_owned(), *n)).collect()
        };
        assert_eq!(
            counted(Bins::Acc2Non0, &[1, -1, 1, 0]),
            of(&[(0, "below 0", 1), (1, "above 0", 2), (-1, "excluded", 1)])
        );
        let has0 = of(&[(0, "below 0", 0), (1, "0 and above", 1)]);
        assert_eq!(counted(Bins::Acc2Has0, &[1]), has0);
        assert_eq!(counted(Bins::Acc3, &[]).len(), 3);
        let foreign = counted(Bins::Acc3, &[9, -1]);
        assert_eq!(foreign[3..], of(&[(9, "unknown", 1), (-1, "excluded", 1)]));
        let names = ["joy".to_owned(), "anger".to_owned()];
        let named = count_named(SplitName::Test, &names, &[1, 1, -1, 7]);
        let named = named.iter().map(|class| (class.class, &*class.labels, class.count));
        assert!(named.eq([(0, "joy", 0), (1, "anger", 2), (7, "unknown", 1), (-1, "excluded", 1)]));
    }
}
