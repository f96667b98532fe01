//! What is known of a store's features: the names that it has, or the sets that their number makes likely.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::features::FeatureSet;
use super::manifest::Manifest;
use super::names::{FeatureNames, FeatureValues};
use super::{Dataset, Modality};
use crate::words::plural;

/// What is known of the features of one modality of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KnownFeatures {
    /// The modality.
    pub modality: Modality,
    /// Number of features.
    pub n_features: usize,
    /// The known set; absent of names from elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<&'static str>,
    /// The set's extractor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'static str>,
    /// Whether the store has no names, and only the number of features is that of the set.
    pub is_likely_only: bool,
    /// How the values relate to those of the extractor; absent if the set is only likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<FeatureValues>,
    /// Where the set's names and order are from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<&'static str>,
    /// What else to know about the set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
    /// The store's names in order, `[n_features]`; empty if it has none.
    pub names: Vec<String>,
}

impl KnownFeatures {
    /// What is known of each modality of a store; one entry per likely set of a modality without names.
    pub fn of(manifest: &Manifest) -> Vec<KnownFeatures> {
        let of_modality = |modality: Modality| {
            let mut columns = manifest.columns.iter();
            let column = columns.find(|column| column.modality() == Some(modality))?;
            let n_features = column.shape.get(2).copied()?;
            Some(match manifest.features.get(&modality) {
                Some(named) => vec![KnownFeatures::named(modality, named)],
                None => KnownFeatures::likely(modality, n_features, Some(manifest.dataset)),
            })
        };
        Modality::ALL.into_iter().filter_map(of_modality).flatten().collect()
    }

    /// What the names of a modality tell.
    pub fn named(modality: Modality, named: &FeatureNames) -> KnownFeatures {
        let set = named.set.as_deref().and_then(|name| FeatureSet::find(name).ok());
        KnownFeatures {
            modality,
            n_features: named.names.len(),
            set: set.map(|set| set.name),
            title: set.map(|set| &*set.title),
            is_likely_only: false,
            values: Some(named.values),
            origin: set.map(|set| &*set.origin),
            note: set.map(|set| &*set.note),
            names: named.names.clone(),
        }
    }

    /// The sets that features of a modality are likely, by their number alone.
    pub fn likely(
        modality: Modality,
        n_features: usize,
        dataset: Option<Dataset>,
    ) -> Vec<KnownFeatures> {
        let sets = FeatureSet::likely(modality, n_features, dataset);
        let entry = |set: &'static FeatureSet| KnownFeatures {
            modality,
            n_features,
            set: Some(set.name),
            title: Some(&set.title),
            is_likely_only: true,
            values: None,
            origin: Some(&set.origin),
            note: Some(&set.note),
            names: Vec::new(),
        };
        sets.map(entry).collect()
    }
}

/// Number of names at either end that stand for all of a long list.
const N_ENDS: usize = 3;

/// Names in one line: all of a short list, else the first and the last of them.
fn listed(names: &[String]) -> String {
    match names {
        _ if names.len() <= 2 * N_ENDS + 1 => names.join(", "),
        _ => {
            let (first, last) = (&names[..N_ENDS], &names[names.len() - N_ENDS..]);
            format!("{}, …, {}", first.join(", "), last.join(", "))
        }
    }
}

/// One line, without the modality.
impl fmt::Display for KnownFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KnownFeatures { n_features, set, title, values, names, .. } = self;
        if self.is_likely_only {
            let (set, title) = (set.unwrap_or_default(), title.unwrap_or_default());
            return write!(f, "likely {title} (`{set}`), by their number alone: {n_features}");
        }
        match (set, title) {
            (Some(set), Some(title)) => write!(f, "{title} (`{set}`)")?,
            _ => f.write_str(&plural(*n_features, "named feature"))?,
        }
        match values {
            Some(FeatureValues::Averaged) => f.write_str(", means over frames")?,
            Some(FeatureValues::Scaled) => f.write_str(", rescaled")?,
            Some(FeatureValues::Frames) | None => {}
        }
        write!(f, ": {}", listed(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_names_are_shown_by_their_ends() {
        let values = FeatureValues::Frames;
        let shown = |n: usize| {
            let names = (0..n).map(|idx| format!("f{idx}")).collect();
            KnownFeatures::named(Modality::Audio, &FeatureNames { set: None, values, names })
                .to_string()
        };
        assert_eq!(shown(2), "2 named features: f0, f1");
        assert_eq!(shown(9), "9 named features: f0, f1, f2, …, f6, f7, f8");
    }

    #[test]
    fn features_without_names_are_likely_a_set_and_no_more() {
        let likely = KnownFeatures::likely(Modality::Audio, 74, None);
        let shown: Vec<String> = likely.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["likely COVAREP (`covarep-74`), by their number alone: 74"]);
        assert!(likely[0].names.is_empty() && likely[0].is_likely_only);
    }
}
