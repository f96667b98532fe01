//! Names of features: known sets, read from `schemas/features/*.toml`, and what follows from a name.
//!
//! A store has names only if its source or its user gave them. A modality without names whose number
//! of features is that of a known set is likely that set, and no more than likely: nothing is checked
//! then.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dataset, Modality};
use crate::name::{UnknownName, named};

/// How the values of named features relate to those that their extractor writes for a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FeatureValues {
    /// Those of frames.
    #[default]
    Frames,
    /// Means over several frames, such as those of a word.
    Averaged,
    /// Standardised or otherwise rescaled: nothing follows from a name.
    Scaled,
}

impl FeatureValues {
    /// All of them.
    pub const ALL: [FeatureValues; 3] =
        [FeatureValues::Frames, FeatureValues::Averaged, FeatureValues::Scaled];

    /// The name on the command line and in manifests.
    pub fn name(self) -> &'static str {
        match self {
            FeatureValues::Frames => "frames",
            FeatureValues::Averaged => "averaged",
            FeatureValues::Scaled => "scaled",
        }
    }

    fn is_default(&self) -> bool {
        *self == FeatureValues::default()
    }
}

named!(FeatureValues);

/// Names of the features of one modality.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureNames {
    /// The known set that they are, such as `openface2-709`; absent of names from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// How the values relate to those of the extractor.
    #[serde(default, skip_serializing_if = "FeatureValues::is_default")]
    pub values: FeatureValues,
    /// The names in the order of the features, `[feat_dim]`.
    pub names: Vec<String>,
}

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

/// The values that a name allows, besides those that are not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Shares, means of flags and other values in [0, 1].
    Unit,
    /// 0 or 1.
    Flag,
}

impl Allowed {
    /// What follows from the name of a feature; `None` if nothing does.
    pub fn of(name: &str, values: FeatureValues) -> Option<Allowed> {
        let flag = match values {
            FeatureValues::Frames => Allowed::Flag,
            FeatureValues::Averaged => Allowed::Unit,
            FeatureValues::Scaled => return None,
        };
        // Some versions of OpenFace write a blank before each name.
        match name.trim() {
            "zero_crossing_rate" | "confidence" => Some(Allowed::Unit),
            "VUV" => Some(flag),
            name if is_action_unit_class(name) => Some(flag),
            _ => None,
        }
    }

    /// Whether a value is possible.
    pub fn contains(self, value: f32) -> bool {
        match self {
            _ if !value.is_finite() => true,
            Allowed::Unit => (0.0..=1.0).contains(&value),
            Allowed::Flag => value == 0.0 || value == 1.0,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Allowed::Unit => "[0, 1]",
            Allowed::Flag => "{0, 1}",
        })
    }
}

/// Whether a name is that of the class of an action unit, such as `AU12_c`.
fn is_action_unit_class(name: &str) -> bool {
    let number = name.strip_prefix("AU").and_then(|rest| rest.strip_suffix("_c"));
    number.is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
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
    fn names_allow_flags_of_frames_and_shares_of_means() {
        use FeatureValues::{Averaged, Frames, Scaled};
        let allowed = |name| FeatureValues::ALL.map(|values| Allowed::of(name, values));
        let flag = [Some(Allowed::Flag), Some(Allowed::Unit), None];
        assert_eq!((allowed("VUV"), allowed(" AU12_c")), (flag, flag));
        let unit = [Some(Allowed::Unit), Some(Allowed::Unit), None];
        assert_eq!((allowed("zero_crossing_rate"), allowed("confidence")), (unit, unit));
        assert_eq!([allowed("AU12_r"), allowed("AU_c"), allowed("Rd_conf")], [[None; 3]; 3]);
        assert_eq!(FeatureValues::ALL, [Frames, Averaged, Scaled]);
        assert!(Allowed::Flag.contains(1.0) && !Allowed::Flag.contains(0.5));
        assert!(Allowed::Unit.contains(0.5) && !Allowed::Unit.contains(-0.1));
        // What is not finite has a rule of its own.
        assert!(Allowed::Flag.contains(f32::NAN));
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
