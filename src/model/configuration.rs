//! Static description of every model.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::contract::{Model, Needs, Task};
use super::form::Form;
use super::inputs::Inputs;
use super::layers::Init;

/// Configuration of a model besides its inputs: the table `[model]` of a preset.
pub trait Configuration: Debug + Clone + PartialEq + Serialize + DeserializeOwned {
    /// Publication and reference code.
    const SOURCE: &str;
    /// Its needs of the data, of which a configuration may [have others](Configuration::needs).
    const NEEDS: Needs;
    /// The task loss, which is the first term of the last phase's loss.
    const TASK: Task;
    /// Prefix of all parameter names in published checkpoints.
    const PREFIX: &str = "Model.";
    /// Name of the text encoder after that prefix, if the model was published with one.
    const ENCODER_NAME: Option<&str> = None;
    /// Buffers `[1]` of published checkpoints that nothing reads, with their value.
    const IDLE_BUFFERS: &[(&str, f64)] = &[];
    /// Short names of nested settings, with their dotted paths.
    const NESTED: &[(&str, &str)] = &[];

    /// All widths and counts, each between 1 and [`LARGEST`].
    fn sizes(&self) -> Vec<i64>;

    /// Its needs of the data with these values.
    fn needs(&self) -> Needs {
        Self::NEEDS
    }

    /// Dropout rates, each at least 0 and below 1.
    fn rates(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Numbers of layers, each between 1 and [`DEEPEST`].
    fn depths(&self) -> Vec<i64> {
        Vec::new()
    }

    /// Why the model is impossible for some inputs, in a sentence.
    fn problem(&self, _inputs: &Inputs) -> Option<String> {
        None
    }

    /// The forms that the model has.
    fn forms(&self, _inputs: &Inputs) -> &'static [Form] {
        &[Form::Reference]
    }

    /// Adds the parameters below `init`, and builds the model in one of its forms. Sizes have been
    /// checked.
    fn build(&self, init: &Init<'_>, inputs: &Inputs, form: Form) -> Box<dyn Model>;
}

/// Real models are far below this; within it, no product of three sizes overflows 128 bits.
pub const LARGEST: i64 = 1 << 24;

/// More layers than any real model.
pub const DEEPEST: i64 = 1 << 10;

/// Number of values in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Trainable parameters.
    pub trainable: i64,
    /// Parameters and buffers.
    pub all: i64,
}

impl Size {
    /// Counts the values that a constructor requests, without allocating them; `None` beyond 64 bits.
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

/// The shapes of the parameters and buffers that a constructor requests, by name, without allocating
/// them.
pub fn shapes_of(build: impl FnOnce(&Init<'_>)) -> BTreeMap<String, Vec<i64>> {
    let tally = Default::default();
    build(&Init::counted(&tally));
    tally.into_inner().shapes
}
