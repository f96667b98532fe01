//! Feasibility, size and initial values of a model.

use tch::Device;
use tch::nn::VarStore;
use toml::{Table, Value};

use super::configuration::{DEEPEST, LARGEST, Size};
use super::contract::{Model, Need};
use super::form::Form;
use super::inputs::Inputs;
use super::layers::Init;
use super::registry::ModelSpec;
use crate::corpus::Modality;

impl ModelSpec {
    /// Why the model is impossible for some inputs, in a sentence.
    pub fn problem(&self, inputs: &Inputs) -> Option<String> {
        if let Some(rate) = self.rates().into_iter().find(|rate| !(0.0..1.0).contains(rate)) {
            let is_it =
                |value: &Value| value.as_float().is_some_and(|it| it.to_bits() == rate.to_bits());
            let name = self.name_of(is_it, Value::Float(0.5), "dropout");
            return Some(format!("{name}: expected a share from 0 to below 1, found {rate}"));
        }
        let (sizes, depths) = self.sizes_and_depths();
        let extents = inputs.0.values().flat_map(|sequence| [sequence.seq_len, sequence.feat_dim]);
        if let Some(size) = sizes.into_iter().chain(extents).find(|n| !(1..=LARGEST).contains(n)) {
            let is_it = |value: &Value| value.as_integer() == Some(size);
            let name = self.name_of(is_it, Value::Integer(1), "size of the input");
            return Some(format!("{name}: expected 1 to {LARGEST}, found {size}"));
        }
        if let Some(depth) = depths.into_iter().find(|n| !(1..=DEEPEST).contains(n)) {
            let is_it = |value: &Value| value.as_integer() == Some(depth);
            let name = self.name_of(is_it, Value::Integer(1), "layers");
            return Some(format!("{name}: expected 1 to {DEEPEST} layers, found {depth}"));
        }
        let needs = self.needs();
        let absent = |modality: &Modality| {
            needs.of(*modality) == Need::Required && inputs.sequence(*modality).is_none()
        };
        if let Some(modality) = Modality::ALL.into_iter().find(absent) {
            return Some(format!("{} needs {modality}, which is absent", self.name()));
        }
        self.own_problem(inputs)
    }

    /// The first of the model's rates, sizes and depths whose value satisfies `is_such`, else
    /// `otherwise`. Other fields with such a value are told apart by a `valid` value in their place, which
    /// changes none of these.
    fn name_of(&self, is_such: impl Fn(&Value) -> bool, valid: Value, otherwise: &str) -> String {
        let fields = Table::try_from(self).unwrap_or_default();
        let counts = |name: &String| {
            let mut fields = fields.clone();
            fields.insert(name.clone(), valid.clone());
            fields.try_into().is_ok_and(|other: ModelSpec| {
                other.rates() != self.rates() || other.sizes_and_depths() != self.sizes_and_depths()
            })
        };
        let found = fields.iter().find(|(name, value)| is_such(value) && counts(name));
        found.map_or(otherwise, |(name, _)| name).to_owned()
    }

    /// Counts the parameters by running the constructors without allocating any; `None` if the model is
    /// impossible.
    pub fn size(&self, inputs: &Inputs) -> Option<Size> {
        if self.problem(inputs).is_some() {
            return None;
        }
        Size::of(|init| {
            let _model = self.build(init, inputs, Form::Reference);
        })
    }

    /// A model in one of its forms, initialised from `seed`, with its parameters and buffers.
    pub fn begin(
        &self,
        inputs: &Inputs,
        form: Form,
        device: Device,
        seed: u64,
    ) -> (VarStore, Box<dyn Model>) {
        let vars = VarStore::new(device);
        let model = self.build(&Init::new(vars.root(), seed), inputs, form);
        (vars, model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Dataset;
    use crate::model::Sequence;
    use crate::run::preset::Preset;

    /// `largest_label` of Self-MM is 3 for CMU-MOSI, too.
    #[test]
    fn the_impossible_value_is_named_and_no_equal_one() {
        let spec = Preset::published("self_mm", Dataset::Mosi).unwrap().model;
        let mut fields = Table::try_from(spec).unwrap();
        fields.insert("post_text_dropout".into(), Value::Float(3.0));
        let spec: ModelSpec = fields.try_into().unwrap();
        let problem = spec.problem(&Inputs::default()).unwrap();
        assert_eq!(problem, "post_text_dropout: expected a share from 0 to below 1, found 3");
    }

    #[test]
    fn a_width_of_which_too_little_is_left_is_named() {
        for (model, field, least) in [("mmim", "audio_out", 4), ("lmf", "text_hidden", 2)] {
            let spec = Preset::published(model, Dataset::Mosi).unwrap().model;
            let problem_of = |value: i64| {
                let mut fields = Table::try_from(&spec).unwrap();
                fields.insert(field.into(), Value::Integer(value));
                let spec: ModelSpec = fields.try_into().unwrap();
                let sequence = Sequence { seq_len: 5, feat_dim: 3 };
                spec.problem(&Inputs(Modality::ALL.map(|modality| (modality, sequence)).into()))
            };
            assert_eq!(problem_of(least), None, "{model}");
            let found = problem_of(least - 1).unwrap();
            let expected = format!("{field}: expected {least} or more, found {}", least - 1);
            assert_eq!(found, expected);
        }
    }
}
