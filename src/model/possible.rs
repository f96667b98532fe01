//! Whether a model can be, how large it is, and how it begins.

use tch::Device;
use tch::nn::VarStore;

use super::configuration::{DEEPEST, LARGEST, Size};
use super::contract::{Model, Need};
use super::form::Form;
use super::inputs::Inputs;
use super::layers::Init;
use super::registry::ModelSpec;
use crate::corpus::Modality;

impl ModelSpec {
    /// Why no such model can be for some inputs, in a sentence.
    pub fn problem(&self, inputs: &Inputs) -> Option<String> {
        if let Some(rate) = self.rates().into_iter().find(|rate| !(0.0..1.0).contains(rate)) {
            return Some(format!("a dropout of {rate} is not a share from 0 to below 1"));
        }
        let (sizes, depths) = self.sizes_and_depths();
        let extents = inputs.0.values().flat_map(|sequence| [sequence.seq_len, sequence.feat_dim]);
        if let Some(size) = sizes.into_iter().chain(extents).find(|n| !(1..=LARGEST).contains(n)) {
            return Some(format!("a size of {size} is not within 1 and {LARGEST}"));
        }
        if let Some(depth) = depths.into_iter().find(|n| !(1..=DEEPEST).contains(n)) {
            return Some(format!("{depth} layers are not within 1 and {DEEPEST}"));
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

    /// Counts the parameters by going through the constructors without allocating any; `None` where
    /// no such model can be.
    pub fn size(&self, inputs: &Inputs) -> Option<Size> {
        if self.problem(inputs).is_some() {
            return None;
        }
        Size::of(|init| {
            let _model = self.build(init, inputs, Form::Reference);
        })
    }

    /// A model in one of its forms with the initial values of `seed`, and its parameters and buffers.
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
