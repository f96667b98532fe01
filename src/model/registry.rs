//! The models that there are, a line for each.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tch::Device;
use tch::nn::VarStore;

use super::contract::{Model, Need, Needs};
use super::layers::Init;
use super::{Sequence, lmf, tfn};
use crate::corpus::Modality;

/// Features that a model is built for, by modality; text as an encoder in front of it gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Inputs(pub BTreeMap<Modality, Sequence>);

impl Inputs {
    /// Extents of a modality.
    pub fn sequence(&self, modality: Modality) -> Option<Sequence> {
        self.0.get(&modality).copied()
    }

    /// Features per step; none of a modality that is absent.
    pub fn feat_dim(&self, modality: Modality) -> i64 {
        self.sequence(modality).map_or(0, |sequence| sequence.feat_dim)
    }
}

/// What a model is besides its inputs: the table `[model]` of a preset.
pub trait Configuration: Debug + Clone + PartialEq + Serialize + DeserializeOwned {
    /// Who published it, and whose code it follows.
    const SOURCE: &str;
    /// What it needs of the data.
    const NEEDS: Needs;

    /// All widths and counts, each of which has to be at least 1 and at most [`LARGEST`].
    fn sizes(&self) -> Vec<i64>;

    /// Numbers of layers, each of which has to be at least 1 and at most [`DEEPEST`].
    fn depths(&self) -> Vec<i64> {
        Vec::new()
    }

    /// Why no such model can be for some inputs, in a sentence.
    fn problem(&self, _inputs: &Inputs) -> Option<String> {
        None
    }

    /// Adds the parameters below `init`, and puts the model together. Sizes were checked.
    fn build(&self, init: &Init<'_>, inputs: &Inputs) -> Box<dyn Model>;
}

/// No size of a real model comes near this; below it, no product of three sizes leaves 128 bits.
pub const LARGEST: i64 = 1 << 24;

/// No real model has as many layers.
pub const DEEPEST: i64 = 1 << 10;

macro_rules! models {
    ($($name:literal => $Kind:ident($module:ident)),* $(,)?) => {
        /// A model of one kind and its sizes.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum ModelSpec {
            $(
                #[allow(missing_docs)]
                #[serde(rename = $name)]
                $Kind($module::Config),
            )*
        }

        impl ModelSpec {
            /// Names of all models, the default first.
            pub const NAMES: &[&str] = &[$($name),*];

            /// Its name.
            pub fn name(&self) -> &'static str {
                match self { $(ModelSpec::$Kind(_) => $name),* }
            }

            /// Who published it, and whose code it follows.
            pub fn source(&self) -> &'static str {
                fn of<C: Configuration>(_: &C) -> &'static str { C::SOURCE }
                match self { $(ModelSpec::$Kind(config) => of(config)),* }
            }

            /// What it needs of the data.
            pub fn needs(&self) -> Needs {
                fn of<C: Configuration>(_: &C) -> Needs { C::NEEDS }
                match self { $(ModelSpec::$Kind(config) => of(config)),* }
            }

            fn sizes_and_depths(&self) -> (Vec<i64>, Vec<i64>) {
                match self { $(ModelSpec::$Kind(config) => (config.sizes(), config.depths())),* }
            }

            fn own_problem(&self, inputs: &Inputs) -> Option<String> {
                match self { $(ModelSpec::$Kind(config) => config.problem(inputs)),* }
            }

            /// Adds the parameters below `init`, and puts the model together.
            /// [`problem`](ModelSpec::problem) has to be `None`.
            pub fn build(&self, init: &Init<'_>, inputs: &Inputs) -> Box<dyn Model> {
                match self { $(ModelSpec::$Kind(config) => config.build(init, inputs)),* }
            }
        }
    };
}

models! {
    "tfn" => Tfn(tfn),
    "lmf" => Lmf(lmf),
}

/// Numbers that a model consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Trainable parameters.
    pub trainable: i64,
    /// Parameters and buffers.
    pub all: i64,
}

impl ModelSpec {
    /// Why no such model can be for some inputs, in a sentence.
    pub fn problem(&self, inputs: &Inputs) -> Option<String> {
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
        let tally = Default::default();
        let _model = self.build(&Init::counted(&tally), inputs);
        let tally = tally.into_inner();
        Some(Size {
            trainable: i64::try_from(tally.trainable).ok()?,
            all: i64::try_from(tally.trainable.checked_add(tally.buffers)?).ok()?,
        })
    }

    /// A model with the initial values of `seed`, and its parameters and buffers.
    pub fn begin(&self, inputs: &Inputs, device: Device, seed: u64) -> (VarStore, Box<dyn Model>) {
        let vars = VarStore::new(device);
        let model = self.build(&Init::new(vars.root(), seed), inputs);
        (vars, model)
    }
}
