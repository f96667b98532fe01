//! Names of a modality's features, and what follows from a name.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::named;

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
    use super::*;

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
}
