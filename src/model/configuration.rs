//! What every model says of itself.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::contract::{Model, Needs, Task};
use super::form::Form;
use super::inputs::Inputs;
use super::layers::Init;

/// What a model is besides its inputs: the table `[model]` of a preset.
pub trait Configuration: Debug + Clone + PartialEq + Serialize + DeserializeOwned {
    /// Who published it, and whose code it follows.
    const SOURCE: &str;
    /// What it needs of the data.
    const NEEDS: Needs;
    /// What the task itself minimises, which is the first term of the last phase's loss.
    const TASK: Task;
    /// What published checkpoints put before the names of all parameters.
    const PREFIX: &str = "Model.";
    /// What they call the text encoder after that, where the model was published with one.
    const ENCODER_NAME: Option<&str> = None;
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
