//! Forms of a model: ways to compute the same function, which differ in cost and in rounding.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::named;

/// How a model is computed. A model has one form from when it is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// As the paper and the released code spell it. Every model has this form.
    Reference,
    /// Attention of a few tokens to many frames without the frames' keys and values, in libtorch's
    /// operations.
    Absorbed,
    /// The absorbed form with as much as possible in each operation: for a GPU, and for several models
    /// that differ in their seed.
    Batched,
    /// The absorbed form with attention by this program's own functions for float32 on a CPU.
    Native,
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 4] = [Form::Reference, Form::Absorbed, Form::Batched, Form::Native];

    /// All forms, fastest first.
    const FASTEST_FIRST: [Form; 4] = [Form::Native, Form::Batched, Form::Absorbed, Form::Reference];

    /// The name on the command line and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Form::Reference => "reference",
            Form::Absorbed => "absorbed",
            Form::Batched => "batched",
            Form::Native => "native",
        }
    }

    /// Whether it can be computed at a placement.
    fn suits(self, place: Placement) -> bool {
        match self {
            Form::Batched => true,
            Form::Reference | Form::Absorbed => place.n_models == 1,
            Form::Native => place.n_models == 1 && place.is_cpu && place.is_float32,
        }
    }

    /// The fastest of some forms at a placement; `None` if none can be computed there.
    pub fn fastest(of: &[Form], place: Placement) -> Option<Form> {
        Form::FASTEST_FIRST.into_iter().find(|form| of.contains(form) && form.suits(place))
    }

    /// The form, if it is among `of` and can be computed at a placement.
    pub fn checked(self, of: &[Form], place: Placement) -> Option<Form> {
        (of.contains(&self) && self.suits(place)).then_some(self)
    }

    /// The closest form that records intermediate values: the batched form lacks some of them.
    #[must_use]
    pub fn traced(self) -> Form {
        match self {
            Form::Batched => Form::Absorbed,
            Form::Reference | Form::Absorbed | Form::Native => self,
        }
    }
}

named!(Form);

/// Properties of the model's device that its form depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Whether tensors are on the CPU.
    pub is_cpu: bool,
    /// Whether all products of a training step are float32.
    pub is_float32: bool,
    /// Number of models computed at a time.
    pub n_models: usize,
}

impl Placement {
    /// One float32 model.
    pub fn of_one(is_cpu: bool) -> Placement {
        Placement { is_cpu, is_float32: true, n_models: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_form_is_that_of_the_place() {
        let cpu = Placement::of_one(true);
        let fastest = |place| Form::fastest(&Form::ALL, place);
        assert_eq!(fastest(cpu), Some(Form::Native));
        assert_eq!(fastest(Placement { is_float32: false, ..cpu }), Some(Form::Batched));
        assert_eq!(fastest(Placement::of_one(false)), Some(Form::Batched));
        assert_eq!(fastest(Placement { n_models: 2, ..cpu }), Some(Form::Batched));
        let variant = [Form::Reference, Form::Absorbed];
        assert_eq!(Form::fastest(&variant, cpu), Some(Form::Absorbed));
        assert_eq!(Form::fastest(&variant, Placement { n_models: 2, ..cpu }), None);
        assert_eq!(Form::Native.checked(&Form::ALL, Placement::of_one(false)), None);
        assert_eq!(Form::Reference.checked(&Form::ALL, cpu), Some(Form::Reference));
        assert_eq!(Form::Batched.checked(&variant, cpu), None);
    }
}
