//! The models that there are, a line for each.

use serde::{Deserialize, Serialize};

#[cfg(feature = "train")]
use super::configuration::Configuration;
#[cfg(feature = "train")]
use super::contract::{Model, Needs, Task};
#[cfg(feature = "train")]
use super::form::Form;
pub use super::inputs::Inputs;
#[cfg(feature = "train")]
use super::layers::Init;
use crate::corpus::Dataset;

/// What is known of every model, from a line for each: those that are listed, then those that are there
/// for tests alone.
macro_rules! models {
    (
        $($name:literal => $Kind:ident($module:ident::$Spec:ident), $held:ident);* $(;)?
        for tests:
        $($own:literal => $OwnKind:ident($own_module:ident::$OwnSpec:ident), $own_held:ident);* $(;)?
    ) => {
        specs! {
            $([] $name => $Kind($module::$Spec), $held;)*
            $([#[cfg(test)]] $own => $OwnKind($own_module::$OwnSpec), $own_held;)*
        }

        impl ModelSpec {
            /// Names of all models, the default first.
            pub const NAMES: &[&str] = &[$($name),*];

            /// The name of a model as a paper may write it: `Self-MM` is `self_mm`.
            pub fn known_as(text: &str) -> Option<&'static str> {
                let letters = |name: &str| -> String {
                    name.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase).collect()
                };
                Self::NAMES.iter().copied().find(|name| letters(name) == letters(text))
            }

            /// The preset of a model for a dataset, as TOML; CH-SIMS v2 takes that of CH-SIMS. `None` of
            /// an unknown model, and for a dataset of one's own.
            pub fn preset(name: &str, dataset: Dataset) -> Option<&'static str> {
                match name {
                    $($name => Some(match dataset {
                        Dataset::Own => return None,
                        Dataset::Mosi => {
                            include_str!(concat!("../../schemas/presets/", $name, "/mosi.toml"))
                        }
                        Dataset::Mosei => {
                            include_str!(concat!("../../schemas/presets/", $name, "/mosei.toml"))
                        }
                        Dataset::Sims | Dataset::Simsv2 => {
                            include_str!(concat!("../../schemas/presets/", $name, "/sims.toml"))
                        }
                    }),)*
                    _ => None,
                }
            }
        }
    };
}

macro_rules! specs {
    ($([$(#[$only:meta])*] $name:literal => $Kind:ident($module:ident::$Spec:ident), $held:ident;)*) => {
        // Without libtorch there are no models, and what a run says of one is read as it is.
        $(
            $(#[$only])*
            #[cfg(not(feature = "train"))]
            mod $module {
                pub type $Spec = toml::Table;
            }
        )*
        $(
            $(#[$only])*
            #[cfg(feature = "train")]
            use super::$module;
        )*

        /// A model of one kind: the table `[model]` of a preset.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum ModelSpec {
            $(
                $(#[$only])*
                // Each configuration has its own documentation.
                #[allow(missing_docs)]
                #[serde(rename = $name)]
                $Kind($module::$Spec),
            )*
        }

        impl ModelSpec {
            /// Its name.
            pub fn name(&self) -> &'static str {
                match self { $($(#[$only])* ModelSpec::$Kind(_) => $name),* }
            }

            /// Whether its values are held to ones that were recorded from the published code.
            pub fn is_verified(&self) -> bool {
                match self {
                    $($(#[$only])* ModelSpec::$Kind(_) => stringify!($held) == "verified"),*
                }
            }
        }

        #[cfg(feature = "train")]
        impl ModelSpec {
            /// Who published it, and whose code it follows.
            pub fn source(&self) -> &'static str {
                fn of<C: Configuration>(_: &C) -> &'static str { C::SOURCE }
                match self { $($(#[$only])* ModelSpec::$Kind(config) => of(config)),* }
            }

            /// What it needs of the data.
            pub fn needs(&self) -> Needs {
                fn of<C: Configuration>(config: &C) -> Needs { config.needs() }
                match self { $($(#[$only])* ModelSpec::$Kind(config) => of(config)),* }
            }

            /// What its task itself minimises.
            pub fn task(&self) -> Task {
                fn of<C: Configuration>(_: &C) -> Task { C::TASK }
                match self { $($(#[$only])* ModelSpec::$Kind(config) => of(config)),* }
            }

            /// How published checkpoints name what this program has: what is before all names, and the text
            /// encoder after it.
            pub fn published_names(&self) -> (&'static str, Option<&'static str>) {
                fn of<C: Configuration>(_: &C) -> (&'static str, Option<&'static str>) {
                    (C::PREFIX, C::ENCODER_NAME)
                }
                match self { $($(#[$only])* ModelSpec::$Kind(config) => of(config)),* }
            }

            /// Buffers `[1]` of published checkpoints that nothing reads, with their value.
            pub fn idle_buffers(&self) -> &'static [(&'static str, f64)] {
                fn of<C: Configuration>(_: &C) -> &'static [(&'static str, f64)] { C::IDLE_BUFFERS }
                match self { $($(#[$only])* ModelSpec::$Kind(config) => of(config)),* }
            }

            /// Short names of what lies deeper in the table.
            pub fn nested(&self) -> &'static [(&'static str, &'static str)] {
                fn of<C: Configuration>(_: &C) -> &'static [(&'static str, &'static str)] {
                    C::NESTED
                }
                match self { $($(#[$only])* ModelSpec::$Kind(config) => of(config)),* }
            }

            pub(super) fn sizes_and_depths(&self) -> (Vec<i64>, Vec<i64>) {
                match self { $($(#[$only])* ModelSpec::$Kind(config) => (config.sizes(), config.depths())),* }
            }

            pub(super) fn rates(&self) -> Vec<f64> {
                match self { $($(#[$only])* ModelSpec::$Kind(config) => config.rates()),* }
            }

            pub(super) fn own_problem(&self, inputs: &Inputs) -> Option<String> {
                match self { $($(#[$only])* ModelSpec::$Kind(config) => config.problem(inputs)),* }
            }

            /// The forms that it has for some inputs.
            pub fn forms(&self, inputs: &Inputs) -> &'static [Form] {
                match self { $($(#[$only])* ModelSpec::$Kind(config) => config.forms(inputs)),* }
            }

            /// Adds the parameters below `init`, and puts the model together in one of its forms.
            /// [`problem`](ModelSpec::problem) has to be `None`.
            pub fn build(&self, init: &Init<'_>, inputs: &Inputs, form: Form) -> Box<dyn Model> {
                match self { $($(#[$only])* ModelSpec::$Kind(config) => config.build(init, inputs, form)),* }
            }
        }
    };
}

models! {
    "almt" => Almt(almt::AlmtSpec), verified;
    "tfn" => Tfn(tfn::TfnSpec), verified;
    "lmf" => Lmf(lmf::LmfSpec), verified;
    "mfm" => Mfm(mfm::MfmSpec), verified;
    "mult" => Mult(mult::MultSpec), verified;
    "misa" => Misa(misa::MisaSpec), verified;
    "mag_bert" => MagBert(mag_bert::MagBertSpec), verified;
    "self_mm" => SelfMm(self_mm::SelfMmSpec), verified;
    "mmim" => Mmim(mmim::MmimSpec), verified;
    for tests:
    "probe" => Probe(probe::ProbeSpec), unverified;
}
