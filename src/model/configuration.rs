//! What every model says of itself, and what follows from that: whether it can be, and how large it is.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::Device;
use tch::nn::VarStore;

use super::contract::{Model, Need, Needs};
use super::form::Form;
use super::layers::Init;
use super::registry::{Inputs, ModelSpec};
use crate::corpus::Modality;

/// What a model is besides its inputs: the table `[model]` of a preset.
pub trait Configuration: Debug + Clone + PartialEq + Serialize + DeserializeOwned {
    /// Who published it, and whose code it follows.
    const SOURCE: &str;
    /// What it needs of the data.
    const NEEDS: Needs;
    /// Short names of what lies deeper in the table, with their dotted paths.
    const NESTED: &[(&str, &str)] = &[];

    /// All widths and counts, each of which has to be at least 1 and at most [`LARGEST`].
    fn sizes(&self) -> Vec<i64>;

    /// Shares that dropout drops, each of which has to be at least 0 and below 1.
    fn rates(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Numbers of layers, each of which has to be at least 1 and at most [`DEEPEST`].
    fn depths(&self) -> Vec<i64> {
        Vec::new()
    }

    /// Why no such model can be for some inputs, in a sentence.
    fn problem(&self, _inputs: &Inputs) -> Option<String> {
        None
    }

    /// The forms that the model has.
    fn forms(&self, _inputs: &Inputs) -> &'static [Form] {
        &[Form::Reference]
    }

    /// Adds the parameters below `init`, and puts the model together in one of its forms. Sizes were
    /// checked.
    fn build(&self, init: &Init<'_>, inputs: &Inputs, form: Form) -> Box<dyn Model>;
}

/// No size of a real model comes near this; below it, no product of three sizes leaves 128 bits.
pub const LARGEST: i64 = 1 << 24;

/// No real model has as many layers.
pub const DEEPEST: i64 = 1 << 10;

/// Numbers that a model consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Trainable parameters.
    pub trainable: i64,
    /// Parameters and buffers.
    pub all: i64,
}

impl Size {
    /// Counts what a constructor asks for, without allocating any of it; `None` of a number beyond 64
    /// bits.
    pub fn of(build: impl FnOnce(&Init<'_>)) -> Option<Size> {
        let tally = Default::default();
        build(&Init::counted(&tally));
        let tally = tally.into_inner();
        Some(Size {
            trainable: i64::try_from(tally.trainable).ok()?,
            all: i64::try_from(tally.trainable.checked_add(tally.buffers)?).ok()?,
        })
    }
}

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
