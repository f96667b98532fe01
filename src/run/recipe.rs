//! A model's training: the tables `[training]` and `[[phase]]` of a preset.
//!
//! In every epoch the phases run in order, each with a pass over the training split and its own
//! optimizer. A phase has groups of parameters; a parameter belongs to the first group with a matching
//! name prefix. Each group has its own rate and decay.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schedule::Schedule;

/// A rule by which parameters move.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum UpdateRule {
    /// Adam, with weight decay added to the gradient (L2).
    Adam(Moments),
    /// Adam, with weight decay apart from the gradient.
    AdamW(Moments),
    /// RMSprop, with weight decay added to the gradient.
    RmsProp {
        /// How slowly the mean of squares forgets.
        #[serde(default = "slow")]
        alpha: f64,
        /// Added to the root of the mean of squares.
        #[serde(default = "epsilon")]
        eps: f64,
    },
    /// Steepest descent, with weight decay added to the gradient.
    Sgd {
        /// Share of the last step that is taken again.
        #[serde(default)]
        momentum: f64,
    },
}

/// What Adam remembers of gradients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Moments {
    /// How slowly the means of gradients and of their squares forget.
    #[serde(default = "betas")]
    pub betas: [f64; 2],
    /// Added to the root of the mean of squares.
    #[serde(default = "epsilon")]
    pub eps: f64,
    /// Whether the largest mean of squares so far counts.
    #[serde(default)]
    pub amsgrad: bool,
}

impl Default for Moments {
    fn default() -> Moments {
        Moments { betas: betas(), eps: epsilon(), amsgrad: false }
    }
}

// PyTorch's defaults.
fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn epsilon() -> f64 {
    1e-8
}

fn slow() -> f64 {
    0.99
}

/// Parameters of one rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// How the group is called in `--set`.
    pub name: String,
    /// What the names of its parameters begin with, whole levels of them; without any, the group takes
    /// what none before it took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<String>,
    /// What they also have to end with, whole levels of them, such as `bias` or `LayerNorm.weight`;
    /// without any, every end fits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suffixes: Vec<String>,
    /// What their names do not begin with: parameters that another phase moves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Whether the group may be without parameters, as that of a modality that a model can do without.
    #[serde(default, skip_serializing_if = "is_no")]
    pub optional: bool,
    /// Base learning rate.
    pub lr: f64,
    /// Weight decay.
    #[serde(default)]
    pub weight_decay: f64,
}

fn is_no(it: &bool) -> bool {
    !*it
}

impl Group {
    /// Whether a parameter belongs to the group, unless an earlier group has it.
    pub fn takes(&self, parameter: &str) -> bool {
        let begins = |prefix: &String| is_below(parameter, prefix);
        let ends = |suffix: &String| is_end(parameter, suffix);
        (self.prefixes.is_empty() || self.prefixes.iter().any(begins))
            && (self.suffixes.is_empty() || self.suffixes.iter().any(ends))
            && !self.except.iter().any(begins)
    }

    /// Whether it takes all parameters that earlier groups left.
    pub fn takes_rest(&self) -> bool {
        self.prefixes.is_empty() && self.suffixes.is_empty()
    }
}

/// Whether a parameter has this name or is below it.
pub fn is_below(parameter: &str, prefix: &str) -> bool {
    parameter.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn is_end(parameter: &str, suffix: &str) -> bool {
    parameter.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whose gradients a norm is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClipOver {
    /// Those of the parameters that the phase moves.
    #[default]
    Phase,
    /// Those of all parameters that have one, as trainers do that clip the whole model in each phase.
    Model,
}

impl ClipOver {
    fn is_default(&self) -> bool {
        *self == ClipOver::default()
    }
}

/// One pass over the training split per epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// How the model and `--set` know it.
    pub name: String,
    /// How parameters move.
    pub optimizer: UpdateRule,
    /// Largest norm of all gradients together; longer ones are scaled down to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Whose gradients that norm is of.
    #[serde(default, skip_serializing_if = "ClipOver::is_default")]
    pub clip_over: ClipOver,
    /// Largest size of each entry of a gradient, after the pass of each batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_value: Option<f64>,
    /// Share of the batches of an epoch that the phase passes over, the first ones of its order.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    pub share: f64,
    /// How the rates of all groups move.
    #[serde(default)]
    pub schedule: Schedule,
    /// Groups of parameters.
    pub groups: Vec<Group>,
}

fn all() -> f64 {
    1.0
}

fn is_all(share: &f64) -> bool {
    *share == 1.0
}

impl Phase {
    /// Number of samples per epoch that it passes over, out of `n_samples` in batches of the given
    /// size.
    pub fn n_samples(&self, n_samples: usize, batch_size: usize) -> usize {
        let n_batches = n_samples.div_ceil(batch_size.max(1));
        let n_own = (n_batches as f64 * self.share).ceil() as usize;
        n_samples.min(n_own.saturating_mul(batch_size.max(1)))
    }

    /// The group with the base rate: the one that takes all remaining parameters, or the last.
    pub fn base(&self) -> usize {
        let rest = self.groups.iter().position(Group::takes_rest);
        rest.unwrap_or(self.groups.len().saturating_sub(1))
    }
}

/// The first duplicate name.
fn twice<'a>(names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

/// Why phases cannot be trained, in a sentence; `None` if they can.
pub fn problem(phases: &[Phase]) -> Option<String> {
    let not = |is_right: bool, place: String, expected: &str, found: f64| {
        (!is_right).then(|| format!("{place}: expected {expected}, found {found}"))
    };
    let is_share = |share: f64| (0.0..1.0).contains(&share);
    let of_phase = |phase: &Phase| {
        let place = |what: &str| format!("{}.{what}", phase.name);
        let positive = |what: &str, value: Option<f64>| {
            let value = value?;
            not(value > 0.0 && value.is_finite(), place(what), "a number above 0", value)
        };
        let rule = match phase.optimizer {
            UpdateRule::Adam(Moments { betas, eps, .. })
            | UpdateRule::AdamW(Moments { betas, eps, .. }) => {
                let beta = betas.into_iter().find(|beta| !is_share(*beta));
                beta.and_then(|beta| not(false, place("optimizer.betas"), "shares below 1", beta))
                    .or_else(|| positive("optimizer.eps", Some(eps)))
            }
            UpdateRule::RmsProp { alpha, eps } => {
                not(is_share(alpha), place("optimizer.alpha"), "a share below 1", alpha)
                    .or_else(|| positive("optimizer.eps", Some(eps)))
            }
            UpdateRule::Sgd { momentum } => {
                not(is_share(momentum), place("optimizer.momentum"), "a share below 1", momentum)
            }
        };
        let schedule = match phase.schedule {
            Schedule::LinearWarmup { share } => {
                not(is_share(share), place("schedule.share"), "a share below 1", share)
            }
            Schedule::Plateau { factor, .. } => {
                not(is_share(factor), place("schedule.factor"), "a share below 1", factor)
            }
            Schedule::Constant {} | Schedule::WarmupCosine {} => None,
        };
        let of_group = |group: &Group| {
            [("lr", group.lr), ("weight_decay", group.weight_decay)].into_iter().find_map(
                |(what, value)| {
                    let place = place(&format!("{}.{what}", group.name));
                    not(value >= 0.0 && value.is_finite(), place, "a number of 0 or more", value)
                },
            )
        };
        let share = || {
            let is_right = phase.share > 0.0 && phase.share <= 1.0;
            not(is_right, place("share"), "a share above 0, up to 1", phase.share)
        };
        rule.or(schedule)
            .or_else(share)
            .or_else(|| positive("clip_norm", phase.clip_norm))
            .or_else(|| positive("clip_value", phase.clip_value))
            .or_else(|| phase.groups.iter().find_map(of_group))
            .or_else(|| phase.groups.is_empty().then(|| format!("{}: no groups", phase.name)))
            .or_else(|| {
                let name = twice(phase.groups.iter().map(|group| &group.name))?;
                Some(format!("{}: two groups are called `{name}`", phase.name))
            })
    };
    let nothing = || phases.is_empty().then(|| "no phases".to_owned());
    let same_name = || {
        let name = twice(phases.iter().map(|phase| &phase.name))?;
        Some(format!("two phases are called `{name}`"))
    };
    phases.iter().find_map(of_phase).or_else(nothing).or_else(same_name)
}

/// Why a recipe does not fit a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// A trainable parameter has no rate.
    #[error("no phase has a group for parameter `{parameter}`, and `untrained` does not name it")]
    NoGroup {
        /// The parameter.
        parameter: String,
    },
    /// A prefix matches no parameter.
    #[error("{place}: no parameter begins with `{prefix}`")]
    NoParameter {
        /// The group.
        place: String,
        /// The prefix.
        prefix: String,
    },
    /// A group has no parameter.
    #[error("{place}: no parameter is left for this group")]
    Empty {
        /// The group.
        place: String,
    },
    /// A suffix matches no parameter.
    #[error("{place}: no parameter ends with `{suffix}`")]
    NoEnd {
        /// The group.
        place: String,
        /// The suffix.
        suffix: String,
    },
}

/// For each phase, the names of the parameters of each group.
pub type NamesByGroup = Vec<Vec<Vec<String>>>;

/// Assigns a model's trainable parameters to the groups of each phase, except for those in `untrained`.
///
/// # Errors
/// A parameter is in no group of any phase, a group has none, or a prefix matches nothing.
pub fn assign(
    phases: &[Phase],
    untrained: &[String],
    parameters: &[String],
) -> Result<NamesByGroup, RecipeError> {
    let no_parameter = |place: &str, prefix: &String| RecipeError::NoParameter {
        place: place.into(),
        prefix: prefix.clone(),
    };
    let is_known = |prefix: &String| parameters.iter().any(|name| is_below(name, prefix));
    if let Some(prefix) = untrained.iter().find(|prefix| !is_known(prefix)) {
        return Err(no_parameter("untrained", prefix));
    }
    let is_trained = |name: &&String| !untrained.iter().any(|prefix| is_below(name, prefix));
    let mut n_phases: BTreeMap<&String, usize> =
        parameters.iter().filter(is_trained).map(|name| (name, 0)).collect();
    let mut all = Vec::new();
    for phase in phases {
        for group in phase.groups.iter().filter(|group| !group.optional) {
            let place = format!("{}.{}", phase.name, group.name);
            let mut prefixes = group.prefixes.iter().chain(&group.except);
            if let Some(prefix) = prefixes.find(|prefix| !is_known(prefix)) {
                return Err(no_parameter(&place, prefix));
            }
            let is_no_end = |suffix: &&String| !parameters.iter().any(|name| is_end(name, suffix));
            if let Some(suffix) = group.suffixes.iter().find(is_no_end) {
                return Err(RecipeError::NoEnd { place, suffix: suffix.clone() });
            }
        }
        let mut groups = vec![Vec::new(); phase.groups.len()];
        for (name, n_phases) in &mut n_phases {
            if let Some(idx) = phase.groups.iter().position(|group| group.takes(name)) {
                groups[idx].push((*name).clone());
                *n_phases += 1;
            }
        }
        let mut named = phase.groups.iter().zip(&groups);
        if let Some((group, _)) = named.find(|(group, own)| own.is_empty() && !group.optional) {
            return Err(RecipeError::Empty { place: format!("{}.{}", phase.name, group.name) });
        }
        all.push(groups);
    }
    match n_phases.into_iter().find(|(_, n_phases)| *n_phases == 0) {
        Some((name, _)) => Err(RecipeError::NoGroup { parameter: name.clone() }),
        None => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, prefixes: &[&str]) -> Group {
        let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        let (suffixes, except) = (vec![], vec![]);
        let (name, optional) = (name.into(), false);
        Group { name, prefixes, suffixes, except, optional, lr: 1e-3, weight_decay: 0.0 }
    }

    fn phase(name: &str, groups: Vec<Group>) -> Phase {
        let optimizer = UpdateRule::Adam(Moments::default());
        Phase {
            name: name.into(),
            optimizer,
            clip_norm: None,
            clip_over: ClipOver::Phase,
            clip_value: None,
            share: 1.0,
            schedule: Schedule::Constant {},
            groups,
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_parameter_has_the_first_group_that_fits() {
        let parameters = names(&["audio.weight", "audio_factor", "fusion_bias"]);
        let phases = [phase("main", vec![group("factors", &["audio_factor"]), group("rest", &[])])];
        let dealt = assign(&phases, &names(&["fusion_bias"]), &parameters).unwrap();
        assert_eq!(dealt, [[names(&["audio_factor"]), names(&["audio.weight"])]]);
    }

    #[test]
    fn groups_without_parameters_and_names_that_stand_twice_are_refused() {
        let parameters = names(&["audio.weight"]);
        let idle = [phase("main", vec![group("rest", &[]), group("late", &["audio"])])];
        let place = "main.late".to_owned();
        assert_eq!(assign(&idle, &[], &parameters), Err(RecipeError::Empty { place }));
        let twins = [phase("main", vec![group("rest", &["audio"]), group("rest", &[])])];
        assert_eq!(problem(&twins).unwrap(), "main: two groups are called `rest`");
        let phases = ["main", "main"].map(|name| phase(name, vec![group("rest", &[])]));
        assert_eq!(problem(&phases).unwrap(), "two phases are called `main`");
        assert_eq!(problem(&phases[..1]), None);
    }

    #[test]
    fn an_optional_group_may_be_without_parameters() {
        let parameters = names(&["text.weight"]);
        let optional = Group { optional: true, ..group("audio", &["audio"]) };
        let phases = [phase("main", vec![optional, group("rest", &[])])];
        let dealt = assign(&phases, &[], &parameters).unwrap();
        assert_eq!(dealt, [[names(&[]), parameters]]);
    }

    #[test]
    fn what_has_no_group_and_what_matches_nothing_is_named() {
        let parameters = names(&["a.weight", "b.weight"]);
        let only_a = [phase("main", vec![group("a", &["a"])])];
        let error = assign(&only_a, &[], &parameters).unwrap_err();
        assert_eq!(error, RecipeError::NoGroup { parameter: "b.weight".into() });
        let both = [only_a[0].clone(), phase("second", vec![group("b", &["b"])])];
        assert!(assign(&both, &[], &parameters).is_ok());
        let slip = [phase("main", vec![group("a", &["a.weigh"]), group("rest", &[])])];
        let error = assign(&slip, &[], &parameters).unwrap_err();
        assert_eq!(error.to_string(), "main.a: no parameter begins with `a.weigh`");
        assert!(assign(&both, &names(&["c"]), &parameters).is_err());
    }

    #[test]
    fn groups_tell_parameters_by_their_ends_and_leave_some_to_another_phase() {
        let parameters =
            names(&["bert.layer.bias", "bert.layer.weight", "mi.bias", "out.unbias", "out.bias"]);
        let no_decay = Group { suffixes: names(&["bias"]), ..group("no_decay", &["bert"]) };
        let rest = Group { except: names(&["mi"]), ..group("rest", &[]) };
        let main = phase("main", vec![no_decay.clone(), group("bert", &["bert"]), rest.clone()]);
        let first = phase("first", vec![group("mi", &["mi"])]);
        let dealt = assign(&[first, main.clone()], &[], &parameters).unwrap();
        let expected = [
            vec![names(&["mi.bias"])],
            vec![
                names(&["bert.layer.bias"]),
                names(&["bert.layer.weight"]),
                names(&["out.bias", "out.unbias"]),
            ],
        ];
        assert_eq!(dealt, expected);
        // Parameters that a phase excludes have to be in another one.
        let error = assign(&[main], &[], &parameters).unwrap_err();
        assert_eq!(error, RecipeError::NoGroup { parameter: "mi.bias".into() });
        let slips = [
            (Group { suffixes: names(&["ias"]), ..no_decay }, "main.no_decay: no parameter ends"),
            (Group { except: names(&["m"]), ..rest }, "main.rest: no parameter begins with `m`"),
        ];
        for (slip, expected) in slips {
            let phases = [phase("main", vec![slip, group("all", &[])])];
            let error = assign(&phases, &[], &parameters).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn rules_are_read_from_a_preset() {
        let rule: UpdateRule = toml::from_str("kind = \"adam\"\namsgrad = true").unwrap();
        assert_eq!(rule, UpdateRule::Adam(Moments { amsgrad: true, ..Moments::default() }));
        assert!(toml::from_str::<UpdateRule>("kind = \"adam\"\nmomentum = 0.9").is_err());
        let rule: UpdateRule = toml::from_str("kind = \"rmsprop\"").unwrap();
        assert_eq!(rule, UpdateRule::RmsProp { alpha: 0.99, eps: 1e-8 });
    }
}
