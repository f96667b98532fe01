//! Known sets of features, read from `schemas/features/*.toml`.
//!
//! A store has names only if its source or its user gave them. A modality without names whose number
//! of features is that of a known set is likely that set, and no more than likely: nothing is checked
//! then.

use std::str::FromStr;
use std::sync::LazyLock;

use serde::Deserialize;

use super::names::{FeatureNames, FeatureValues};
use super::{Dataset, Modality};
use crate::name::UnknownName;

/// A known set of features of one extractor.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSet {
    /// Its name on the command line and in manifests: the extractor's, and the number of features.
    #[serde(skip)]
    pub name: &'static str,
    /// The extractor, as papers call it.
    pub title: String,
    /// The modality that it belongs to.
    pub modality: Modality,
    /// Datasets whose files have it; empty if any may.
    #[serde(default)]
    pub datasets: Vec<Dataset>,
    /// Where names and order are from.
    pub origin: String,
    /// What else to know about it.
    pub note: String,
    /// Number of features.
    pub width: usize,
    /// Names of the features in order, `[width]`; empty if they are not known. In the file,
    /// `mfcc_{0..19}` stands for 20 names.
    #[serde(rename = "columns", deserialize_with = "spelled_out")]
    pub names: Vec<String>,
}

impl FeatureSet {
    /// The set of this name.
    ///
    /// # Errors
    /// No set has this name.
    pub fn find(name: &str) -> Result<&'static FeatureSet, UnknownName> {
        let found = all().iter().find(|set| set.name == name);
        found.ok_or_else(|| UnknownName {
            found: name.into(),
            expected: all().iter().map(|set| set.name).collect(),
        })
    }

    /// The description of features with these names, which may be those of a set.
    pub fn named(modality: Modality, names: Vec<String>, values: FeatureValues) -> FeatureNames {
        let mut sets = FeatureSet::likely(modality, names.len(), None);
        let set = sets.find(|set| set.names == names).map(|set| set.name.to_owned());
        FeatureNames { set, values, names }
    }

    /// The sets of a modality with this number of features that files of `dataset` may have; any
    /// dataset, if it is not known.
    pub fn likely(
        modality: Modality,
        width: usize,
        dataset: Option<Dataset>,
    ) -> impl Iterator<Item = &'static FeatureSet> {
        all().iter().filter(move |set| {
            let is_of =
                |dataset: Dataset| set.datasets.is_empty() || set.datasets.contains(&dataset);
            set.modality == modality && set.width == width && dataset.is_none_or(is_of)
        })
    }
}

/// The known sets.
fn all() -> &'static [FeatureSet] {
    macro_rules! files {
        ($($name:literal),*) => {
            [$(($name, include_str!(concat!("../../schemas/features/", $name, ".toml")))),*]
        };
    }
    static SETS: LazyLock<Vec<FeatureSet>> = LazyLock::new(|| {
        let files = files!(
            "covarep-74",
            "librosa-33",
            "mosi-covarep-5",
            "mosi-facet-20",
            "openface2-709",
            "pom-covarep-43"
        );
        let read = |(name, text)| FeatureSet {
            name,
            ..toml::from_str(text).expect("the embedded feature sets are tested")
        };
        files.map(read).into()
    });
    &SETS
}

/// Reads names, of which `mfcc_{0..19}` stands for 20.
fn spelled_out<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Vec<String>, D::Error> {
    let short = Vec::<String>::deserialize(reader)?;
    Ok(short.iter().flat_map(|name| expanded(name)).collect())
}

fn expanded(name: &str) -> Vec<String> {
    let range = || {
        let (stem, rest) = name.split_once('{')?;
        let (first, last) = rest.strip_suffix('}')?.split_once("..")?;
        let numbers = first.parse::<usize>().ok()?..=last.parse().ok()?;
        Some(numbers.map(|number| format!("{stem}{number}")).collect())
    };
    range().unwrap_or_else(|| vec![name.to_owned()])
}

/// A known set that someone gave to a modality, and how its values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedSet {
    /// The set.
    pub set: &'static FeatureSet,
    /// How the values relate to those of the extractor.
    pub values: FeatureValues,
}

impl NamedSet {
    /// The names for a manifest.
    pub fn names(&self) -> FeatureNames {
        let set = Some(self.set.name.to_owned());
        FeatureNames { set, values: self.values, names: self.set.names.clone() }
    }
}

/// Reads `SET` or `SET:VALUES`, such as `openface2-709:averaged`.
impl FromStr for NamedSet {
    type Err = String;

    fn from_str(text: &str) -> Result<NamedSet, String> {
        let (name, values) = match text.split_once(':') {
            Some((name, values)) => {
                (name, values.parse::<FeatureValues>().map_err(|error| error.to_string())?)
            }
            None => (text, FeatureValues::default()),
        };
        let set = FeatureSet::find(name).map_err(|error| error.to_string())?;
        match set.names.is_empty() {
            true => Err(format!("the names of `{name}` are not known")),
            false => Ok(NamedSet { set, values }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_set_has_as_many_different_names_as_features_or_none() {
        for set in all() {
            let different: BTreeSet<&String> = set.names.iter().collect();
            let expected = if set.names.is_empty() { 0 } else { set.width };
            assert_eq!((set.names.len(), different.len()), (expected, expected), "{}", set.name);
            assert!(set.name.ends_with(&format!("-{}", set.width)), "{}", set.name);
        }
        let named = |name| &FeatureSet::find(name).unwrap().names;
        assert_eq!(named("openface2-709")[682], "AU12_r");
        assert_eq!(
            (&*named("covarep-74")[36], &*named("librosa-33")[21]),
            ("HMPDM_0", "chroma_cqt_0")
        );
    }

    #[test]
    fn a_set_is_read_with_its_values() {
        let read = |text: &str| text.parse::<NamedSet>();
        let averaged = read("openface2-709:averaged").unwrap();
        assert_eq!((averaged.set.width, averaged.values), (709, FeatureValues::Averaged));
        assert_eq!(read("covarep-74").unwrap().values, FeatureValues::Frames);
        assert!(read("covarep").unwrap_err().contains("covarep-74, librosa-33"));
        assert!(read("covarep-74:raw").unwrap_err().contains("frames, averaged, scaled"));
        assert_eq!(
            read("pom-covarep-43").unwrap_err(),
            "the names of `pom-covarep-43` are not known"
        );
    }

    #[test]
    fn a_number_of_features_makes_a_set_likely_where_files_have_it() {
        let likely = |modality, width, dataset| -> Vec<&str> {
            FeatureSet::likely(modality, width, dataset).map(|set| set.name).collect()
        };
        assert_eq!(likely(Modality::Audio, 5, Some(Dataset::Mosi)), ["mosi-covarep-5"]);
        assert!(likely(Modality::Audio, 5, Some(Dataset::Sims)).is_empty());
        assert_eq!(likely(Modality::Vision, 709, None), ["openface2-709"]);
        assert!(likely(Modality::Audio, 709, None).is_empty());
    }
}
