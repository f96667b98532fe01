//! The labels that a model sees where those of its dataset are not in the range that its hyper-parameters
//! are for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::corpus::Dataset;
use crate::corpus::label::LabelScale;

/// An affine map from labels to what a model is trained on: 0 is the neutral value, or the middle of the
/// range, and the farthest label from it is as large as those that the preset is for. Models whose output
/// has a fixed range, and those that tell positive from negative labels, need this.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelMap {
    /// The label that is 0 for the model.
    pub centre: f32,
    /// What the distance of a label from the centre is multiplied by.
    pub factor: f32,
}

impl LabelMap {
    /// The map for labels of a dataset of one's own and the preset of a published dataset; `None` if the
    /// labels need none.
    pub fn of(scale: LabelScale<'_>, preset: Dataset) -> Option<LabelMap> {
        let LabelScale::Own(_) = scale else { return None };
        let (centre, reach) = (scale.centre(), scale.reach());
        let factor = LabelScale::published(preset)?.reach() / reach;
        let is_needed = centre != 0.0 || factor != 1.0;
        (is_needed && factor.is_normal()).then_some(LabelMap { centre, factor })
    }

    /// What the model is trained on for a label.
    pub fn to_model(self, label: f32) -> f32 {
        (label - self.centre) * self.factor
    }

    /// The label that a model's output stands for.
    pub fn from_model(self, output: f32) -> f32 {
        output / self.factor + self.centre
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::scale::OwnScale;

    #[test]
    fn labels_fill_the_range_of_the_preset_and_come_back() {
        let map = |text: &str, preset| {
            let own = OwnScale::of_toml(text).unwrap();
            LabelMap::of(LabelScale::Own(&own), preset)
        };
        let stars = map("range = [1, 5]\n", Dataset::Mosi).unwrap();
        assert_eq!([1.0, 3.0, 5.0].map(|label| stars.to_model(label)), [-3.0, 0.0, 3.0]);
        for label in [1.0, 1.3, 4.9] {
            assert!((stars.from_model(stars.to_model(label)) - label).abs() < 1e-6);
        }
        // A neutral value is the centre, wherever it is.
        let share = map("range = [0, 1]\nneutral = 0.25\n", Dataset::Sims).unwrap();
        assert_eq!([0.25, 1.0].map(|label| share.to_model(label)), [0.0, 1.0]);
        // Labels like those of the preset stay as they are.
        assert_eq!(map("range = [-3, 3]\n", Dataset::Mosei), None);
        assert_eq!(map("range = [-1, 1]\nneutral = 0\n", Dataset::Sims), None);
        assert_eq!(LabelMap::of(LabelScale::Sims, Dataset::Mosi), None);
    }
}
