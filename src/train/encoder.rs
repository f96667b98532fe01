//! A text encoder in front of the model: its parameter groups in a recipe, and freezing it.

use tch::nn::VarStore;

use crate::model::ENCODER;
use crate::run::preset::Preset;
use crate::run::recipe::{Group, is_below};
use crate::run::settings::{EncoderChoice, TrainSettings};

/// Name of the encoder's group in a recipe that does not define one.
pub const GROUP: &str = "encoder";

fn is_of_encoder(group: &Group) -> bool {
    !group.prefixes.is_empty() && group.prefixes.iter().all(|prefix| is_below(prefix, ENCODER))
}

/// Gives each phase a group for an encoder that is trained. A phase that has one keeps it; otherwise,
/// if it trains all remaining parameters, it gets one with their rate and decay.
pub fn add_groups(recipe: &mut Preset) {
    for phase in &mut recipe.phases {
        if phase.groups.iter().any(is_of_encoder) {
            continue;
        }
        if let Some(rest) = phase.groups.iter().find(|group| group.takes_rest()) {
            let prefixes = vec![ENCODER.into()];
            let own = Group { name: GROUP.into(), prefixes, except: vec![], ..rest.clone() };
            phase.groups.insert(0, own);
        }
    }
}

/// Adds or removes a recipe's encoder groups as needed. Runs of older versions store the encoder's rate
/// outside the recipe.
pub fn fit(recipe: &mut Preset, choice: Option<&EncoderChoice>) {
    match choice.filter(|choice| choice.lr > 0.0) {
        None => remove_groups(recipe),
        Some(_) if !lrs(recipe).is_empty() => {}
        Some(choice) => {
            add_groups(recipe);
            set_lr(recipe, choice.lr);
        }
    }
}

/// Removes the encoder's groups: there is no encoder, or it is frozen.
pub fn remove_groups(recipe: &mut Preset) {
    recipe.phases.iter_mut().for_each(|phase| phase.groups.retain(|group| !is_of_encoder(group)));
}

/// Base rates of the encoder's groups.
pub fn lrs(recipe: &Preset) -> Vec<f64> {
    let groups = recipe.phases.iter().flat_map(|phase| &phase.groups);
    groups.filter(|group| is_of_encoder(group)).map(|group| group.lr).collect()
}

/// Sets these rates.
pub fn set_lr(recipe: &mut Preset, lr: f64) {
    let groups = recipe.phases.iter_mut().flat_map(|phase| &mut phase.groups);
    groups.filter(|group| is_of_encoder(group)).for_each(|group| group.lr = lr);
}

/// Freezes a text encoder that the run does not train: its parameters get no gradient, and so no step.
pub fn freeze(settings: &TrainSettings, vars: &VarStore) {
    if settings.text_encoder.as_ref().is_some_and(|encoder| encoder.lr != 0.0) {
        return;
    }
    for (name, parameter) in vars.variables() {
        if is_below(&name, ENCODER) {
            let _ = parameter.set_requires_grad(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Dataset;

    #[test]
    fn an_encoder_gets_a_group_of_its_own_once() {
        let published = Preset::of(Dataset::Mosi);
        let mut recipe = published.clone();
        assert!(lrs(&recipe).is_empty());
        add_groups(&mut recipe);
        let rest = &published.phases[0].groups[0];
        let own = &recipe.phases[0].groups[0];
        assert_eq!((&*own.name, own.lr, own.weight_decay), (GROUP, rest.lr, rest.weight_decay));
        assert!(own.takes("bertmodel.model.pooler.bias") && !own.takes("fusion.bias"));
        set_lr(&mut recipe, 1e-6);
        add_groups(&mut recipe);
        assert_eq!((lrs(&recipe), recipe.lr()), (vec![1e-6], rest.lr));
        remove_groups(&mut recipe);
        assert_eq!(recipe, published);
    }
}
