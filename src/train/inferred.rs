//! The inputs of a model, as told by the shapes of its weights, for files that describe no model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::config::ModelConfig;
use super::released::ReleasedNames;
use super::weights::{TensorFile, WeightsError};
use crate::corpus::Modality;
use crate::model::Sequence;
use crate::model::registry::Inputs;

/// Shapes of tensors by name.
type Shapes = BTreeMap<String, Vec<i64>>;

/// Extents to begin with where the store has no features of a modality.
const BEGIN: Sequence = Sequence { seq_len: 8, feat_dim: 8 };

/// One of the two extents of a modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Length,
    Width,
}

impl Extent {
    fn of(self, sequence: &mut Sequence) -> &mut i64 {
        match self {
            Extent::Length => &mut sequence.seq_len,
            Extent::Width => &mut sequence.feat_dim,
        }
    }
}

/// A model's configuration with the inputs that the weights of a file were made for: its modalities by
/// their names, lengths and widths by the shapes that depend on them. `config` has the inputs of the data;
/// what no shape depends on stays as it is there, and weights of another model are left for loading to
/// refuse.
///
/// # Errors
/// The file cannot be read or is not a safetensors file.
pub fn fitted(path: &Path, config: &ModelConfig) -> Result<ModelConfig, WeightsError> {
    let file = TensorFile::open(path)?;
    let names = ReleasedNames::of(&config.spec);
    for candidate in candidates(config) {
        let Some(own) = candidate.shapes() else { continue };
        let found = names.shapes_in(&file, own.keys())?;
        if own.keys().eq(found.keys()) {
            return Ok(with_extents(&candidate, &own, &found));
        }
    }
    Ok(config.clone())
}

/// The configuration with every choice of modalities, its own first.
fn candidates(config: &ModelConfig) -> Vec<ModelConfig> {
    let n_choices = 1_u32 << Modality::ALL.len();
    let choices = (1..n_choices).map(|choice| {
        let chosen = Modality::ALL.into_iter().enumerate();
        let chosen = chosen.filter(|(idx, _)| choice & (1 << idx) != 0).map(|(_, it)| it);
        let inputs = chosen.map(|it| (it, config.inputs.sequence(it).unwrap_or(BEGIN)));
        ModelConfig { inputs: Inputs(inputs.collect()), ..config.clone() }
    });
    std::iter::once(config.clone()).chain(choices).collect()
}

/// Replaces the extents that shapes depend on. A dimension tells an extent if it depends on that one alone;
/// it grows by the same number for each step or feature.
fn with_extents(config: &ModelConfig, own: &Shapes, found: &Shapes) -> ModelConfig {
    let extents = config.inputs.0.keys().flat_map(|modality| {
        // The width of encoded text is the encoder's own.
        let is_encoded = *modality == Modality::Text && config.bert.is_some();
        let width = (!is_encoded).then_some((*modality, Extent::Width));
        [Some((*modality, Extent::Length)), width].into_iter().flatten()
    });
    let extents: Vec<(Modality, Extent)> = extents.collect();
    let growth: Vec<BTreeMap<(&str, usize), i64>> =
        extents.iter().map(|extent| growth(config, own, *extent)).collect();
    let mut fitted = config.clone();
    for (idx, (modality, extent)) in extents.iter().enumerate() {
        let others = growth.iter().enumerate().filter(|(other, _)| *other != idx);
        let taken: BTreeSet<_> = others.flat_map(|(_, places)| places.keys()).collect();
        let told = growth[idx].iter().filter(|(place, _)| !taken.contains(place));
        let mut told = told.filter_map(|((name, axis), by)| {
            let (own, found) = (own.get(*name)?.get(*axis)?, found.get(*name)?.get(*axis)?);
            let more = found.checked_sub(*own)?;
            (more % by == 0).then_some(more / by)
        });
        if let (Some(more), Some(sequence)) = (told.next(), fitted.inputs.0.get_mut(modality)) {
            *extent.of(sequence) += more;
        }
    }
    fitted
}

/// The dimensions of shapes that depend on an extent, and by how much each grows with it.
fn growth<'a>(
    config: &ModelConfig,
    own: &'a Shapes,
    (modality, extent): (Modality, Extent),
) -> BTreeMap<(&'a str, usize), i64> {
    let mut larger = config.clone();
    if let Some(sequence) = larger.inputs.0.get_mut(&modality) {
        *extent.of(sequence) += 1;
    }
    let Some(larger) = larger.shapes() else { return BTreeMap::new() };
    let of_tensor = |(name, shape): (&'a String, &'a Vec<i64>)| {
        let larger = larger.get(name).cloned().unwrap_or_default();
        let both = shape.iter().zip(larger).enumerate();
        let grown = both.filter_map(|(axis, (own, larger))| {
            (larger != *own).then_some(((name.as_str(), axis), larger - own))
        });
        grown.collect::<Vec<_>>()
    };
    own.iter().flat_map(of_tensor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Dataset;
    use crate::model::Form;
    use crate::model::registry::ModelSpec;
    use crate::run::preset::Preset;
    use crate::train::checkpoint::{self, parameters};
    use crate::train::network::Network;
    use crate::train::weights;
    use tch::{Device, nn};

    fn config(model: &str, inputs: &[(Modality, i64, i64)]) -> ModelConfig {
        let spec = Preset::published(model, Dataset::Mosi).unwrap().model;
        let inputs = inputs.iter();
        let inputs = inputs.map(|(it, seq_len, feat_dim)| {
            (*it, Sequence { seq_len: *seq_len, feat_dim: *feat_dim })
        });
        ModelConfig { spec, inputs: Inputs(inputs.collect()), bert: None }
    }

    #[test]
    fn weights_tell_the_inputs_of_their_model() {
        use Modality::{Audio, Text, Vision};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        let own = [(Text, 9, 6), (Audio, 12, 5), (Vision, 7, 4)];
        let other = [(Text, 10, 6), (Audio, 12, 8), (Vision, 5, 4)];
        for model in ModelSpec::NAMES {
            let needs = config(model, &own).spec.needs();
            if needs.pooler {
                continue;
            }
            // Some models need inputs of one length.
            let of_model = |inputs: [(Modality, i64, i64); 3]| match needs.aligned {
                true => inputs.map(|(modality, _, feat_dim)| (modality, 9, feat_dim)),
                false => inputs,
            };
            let spec = config(model, &of_model(own));
            let vars = nn::VarStore::new(Device::Cpu);
            let _network = Network::new(&vars, &spec, Form::Reference, 1);
            let names = ReleasedNames::of(&spec.spec);
            weights::write(&path, &names.rename(&parameters(&vars)), None).unwrap();
            let met = config(model, &of_model(other));
            let found = fitted(&path, &met).unwrap();
            // What no shape depends on is as in the data.
            assert_eq!(found.shapes(), spec.shapes(), "{model}");
            for modality in Modality::ALL {
                let width =
                    |config: &ModelConfig| config.inputs.sequence(modality).unwrap().feat_dim;
                assert_eq!(width(&found), width(&spec), "{model}, {modality}");
            }
            assert_eq!(fitted(&path, &spec).unwrap(), spec, "{model}");
        }
        // A model without a modality that the data have.
        let without = config("almt", &own[..2]);
        let vars = nn::VarStore::new(Device::Cpu);
        let _network = Network::new(&vars, &without, Form::Reference, 1);
        weights::write(&path, &parameters(&vars), None).unwrap();
        assert_eq!(fitted(&path, &config("almt", &other)).unwrap(), without);
        let info = checkpoint::info(&path).unwrap();
        assert_eq!(info, None);
    }
}
