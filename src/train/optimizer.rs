//! Optimizers, as defined in PyTorch's `torch.optim`.

use std::collections::BTreeMap;

use tch::{Device, Kind, TchError, Tensor};

use super::weights::Tensors;
use crate::native::{self, AdamConstants, AdamState};
use crate::run::recipe::{ClipOver, Group as GroupOfRecipe, Moments, Phase, UpdateRule};

/// Parameters with a common learning rate.
#[derive(Debug)]
struct Group {
    weight_decay: f64,
    slots: Vec<Slot>,
    /// A scalar on the device, so that a recorded step reads each epoch's value.
    lr: Tensor,
    lr_value: f64,
}

/// A parameter and its optimizer state.
#[derive(Debug)]
struct Slot {
    name: String,
    parameter: Tensor,
    /// With the parameter's shape, in the order of [`UpdateRule`]'s [`names`].
    memory: Vec<Tensor>,
    /// Number of steps taken, a scalar.
    steps: Tensor,
}

/// Names of a rule's state per parameter.
fn names(rule: &UpdateRule) -> &'static [&'static str] {
    match rule {
        UpdateRule::Adam(Moments { amsgrad: false, .. })
        | UpdateRule::AdamW(Moments { amsgrad: false, .. }) => &["exp_avg", "exp_avg_sq"],
        UpdateRule::Adam(_) | UpdateRule::AdamW(_) => &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
        UpdateRule::RmsProp { .. } => &["square_avg"],
        UpdateRule::Sgd { momentum: 0.0 } => &[],
        UpdateRule::Sgd { .. } => &["momentum_buffer"],
    }
}

/// The optimizer of one phase. A parameter without a gradient does not change, not even by weight
/// decay.
#[derive(Debug)]
pub struct Optimizer {
    rule: UpdateRule,
    clip_norm: Option<f64>,
    /// Parameters whose gradient norm is clipped, if not just the groups'.
    clipped: Option<Vec<Tensor>>,
    clip_value: Option<f64>,
    groups: Vec<Group>,
}

impl Optimizer {
    /// The optimizer of a phase, whose groups have the parameters named in `dealt`. Learning rates are
    /// zero until [`set_lrs`](Optimizer::set_lrs).
    pub fn new(phase: &Phase, dealt: &[Vec<String>], parameters: &Tensors) -> Optimizer {
        let group = |(group, own): (&GroupOfRecipe, &Vec<String>)| {
            let slot = |name: &String| {
                let parameter = parameters.get(name)?.shallow_clone();
                let zeros = |_: &&str| parameter.detach().zeros_like();
                Some(Slot {
                    memory: names(&phase.optimizer).iter().map(zeros).collect(),
                    steps: Tensor::zeros([], (Kind::Float, parameter.device())),
                    name: name.clone(),
                    parameter,
                })
            };
            let slots: Vec<Slot> =
                own.iter().filter_map(slot).filter(|slot| slot.parameter.requires_grad()).collect();
            let device = slots.first().map_or(Device::Cpu, |slot| slot.parameter.device());
            Group {
                weight_decay: group.weight_decay,
                // In the precision that each device's kernel expects.
                lr: match device {
                    Device::Cpu => Tensor::zeros([], (Kind::Double, device)),
                    _ => Tensor::zeros([], (Kind::Float, device)),
                },
                lr_value: 0.0,
                slots,
            }
        };
        let clipped = (phase.clip_over == ClipOver::Model).then(|| {
            let all = parameters.values().filter(|parameter| parameter.requires_grad());
            all.map(Tensor::shallow_clone).collect()
        });
        Optimizer {
            rule: phase.optimizer,
            clip_norm: phase.clip_norm,
            clipped,
            clip_value: phase.clip_value,
            groups: phase.groups.iter().zip(dealt).map(group).collect(),
        }
    }

    /// Sets the learning rates of the groups in order.
    pub fn set_lrs(&mut self, lrs: &[f64]) {
        for (group, lr) in self.groups.iter_mut().zip(lrs) {
            group.lr_value = *lr;
            let _ = group.lr.fill_(*lr);
        }
    }

    /// Whether every step runs the same operations, so that it can be recorded.
    pub fn can_be_recorded(&self) -> bool {
        // Other rules pass learning rates as numbers, which a recording would freeze.
        matches!(self.rule, UpdateRule::Adam(_) | UpdateRule::AdamW(_))
    }

    /// Clips the gradients' entries; recipes that accumulate several batches do so after each.
    pub fn clip_values(&self) {
        let Some(most) = self.clip_value else { return };
        for mut gradient in self.gradients() {
            let _ = gradient.clamp_(-most, most);
        }
    }

    /// Takes one step along the gradients and clears them.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn step(&self) -> Result<(), TchError> {
        if let Some(most) = self.clip_norm {
            self.clip_norms(most);
        }
        for group in self.groups.iter().filter(|group| !group.slots.is_empty()) {
            match self.rule {
                UpdateRule::Adam(moments) => adam_step(group, moments, false)?,
                UpdateRule::AdamW(moments) => adam_step(group, moments, true)?,
                rule => {
                    tch::no_grad(|| group.slots.iter().for_each(|slot| step(rule, group, slot)));
                    native::drop_gradients(&group.parameters());
                }
            }
        }
        Ok(())
    }

    /// Scales all gradients down to a norm of at most `most` (PyTorch's `clip_grad_norm_`).
    fn clip_norms(&self, most: f64) {
        let gradients = match &self.clipped {
            Some(all) => all.iter().map(Tensor::grad).filter(Tensor::defined).collect(),
            None => self.gradients(),
        };
        let norms: Vec<Tensor> = gradients.iter().map(Tensor::norm).collect();
        if norms.is_empty() {
            return;
        }
        let norm = Tensor::stack(&norms, 0).norm();
        let factor = (&norm + 1e-6).reciprocal() * most;
        let factor = factor.clamp_max(1.0);
        for mut gradient in gradients {
            let _ = gradient.g_mul_(&factor);
        }
    }

    fn gradients(&self) -> Vec<Tensor> {
        let slots = self.groups.iter().flat_map(|group| &group.slots);
        slots.map(|slot| slot.parameter.grad()).filter(Tensor::defined).collect()
    }

    /// The optimizer's whole state, by name: `exp_avg/NAME` etc. with the shape of parameter `NAME`,
    /// and `step/NAME`, a scalar. Writing to these tensors changes the optimizer.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = BTreeMap::new();
        for slot in self.groups.iter().flat_map(|group| &group.slots) {
            for (kind, tensor) in names(&self.rule).iter().zip(&slot.memory) {
                state.insert(format!("{kind}/{}", slot.name), tensor.shallow_clone());
            }
            state.insert(format!("step/{}", slot.name), slot.steps.shallow_clone());
        }
        state
    }
}

impl Group {
    fn parameters(&self) -> Vec<Tensor> {
        self.slots.iter().map(|slot| slot.parameter.shallow_clone()).collect()
    }
}

/// libtorch's fused step, one kernel on a GPU.
fn adam_step(group: &Group, moments: Moments, is_decoupled: bool) -> Result<(), TchError> {
    let memory = |idx: usize| -> Vec<Tensor> {
        group.slots.iter().map(|slot| slot.memory[idx].shallow_clone()).collect()
    };
    let (averages, squares) = (memory(0), memory(1));
    let largest = moments.amsgrad.then(|| memory(2));
    let steps: Vec<Tensor> = group.slots.iter().map(|slot| slot.steps.shallow_clone()).collect();
    let state = AdamState {
        parameters: &group.parameters(),
        averages: &averages,
        squares: &squares,
        largest: largest.as_deref(),
        steps: &steps,
    };
    let Moments { betas, eps, .. } = moments;
    let constants = AdamConstants { betas, weight_decay: group.weight_decay, is_decoupled, eps };
    native::adam_step(&state, &group.lr, constants)
}

/// Updates one parameter by a rule other than Adam's.
fn step(rule: UpdateRule, group: &Group, slot: &Slot) {
    let gradient = slot.parameter.grad();
    if !gradient.defined() {
        return;
    }
    let mut parameter = slot.parameter.detach();
    let mut steps = slot.steps.shallow_clone();
    let _ = steps.g_add_scalar_(1.0);
    let gradient = match group.weight_decay {
        0.0 => gradient,
        decay => gradient + &parameter * decay,
    };
    let change = match (rule, &*slot.memory) {
        (UpdateRule::RmsProp { alpha, eps }, [square]) => {
            let mut square = square.shallow_clone();
            let _ = square.g_mul_scalar_(alpha);
            let _ = square.g_add_(&(&gradient * &gradient * (1.0 - alpha)));
            gradient / (square.sqrt() + eps)
        }
        (UpdateRule::Sgd { momentum }, [buffer]) => {
            let mut buffer = buffer.shallow_clone();
            // The first step stores the gradient unscaled.
            let _ = buffer.g_mul_scalar_(momentum);
            let _ = buffer.g_add_(&gradient);
            buffer.shallow_clone()
        }
        _ => gradient,
    };
    let _ = parameter.g_sub_(&(change * group.lr_value));
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRADIENTS: [[f32; 4]; 3] =
        [[0.3, -0.1, 2.0, 0.0], [-0.2, 0.4, 1.0, 0.01], [0.05, -3.0, -0.5, 0.0]];

    /// The effect of `clip_grad_norm_` on one parameter if the norm covers all.
    #[test]
    fn a_norm_is_of_the_phase_or_of_the_whole_model() {
        let moved = |clip_over: &str| {
            let phase = format!(
                "name = 'main'\noptimizer = {{ kind = 'sgd' }}\nclip_norm = 1.0\n{clip_over}\n\
                 groups = [{{ name = 'own', prefixes = ['own'], lr = 1.0 }}]"
            );
            let phase: Phase = toml::from_str(&phase).unwrap();
            let zero = || Tensor::zeros([1], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let (own, other) = (zero(), zero());
            let named = |(name, tensor): (&str, &Tensor)| (name.to_owned(), tensor.shallow_clone());
            let parameters: Tensors = [("own", &own), ("other", &other)].map(named).into();
            let mut optimizer = Optimizer::new(&phase, &[vec!["own".into()]], &parameters);
            optimizer.set_lrs(&[1.0]);
            (&own * 3.0 + &other * 4.0).sum(Kind::Float).backward();
            optimizer.step().unwrap();
            assert_eq!(other.double_value(&[0]), 0.0);
            own.double_value(&[0])
        };
        assert!((moved("") + 1.0).abs() < 1e-6);
        assert!((moved("clip_over = 'model'") + 0.6).abs() < 1e-6);
    }

    /// A parameter after three steps along [`GRADIENTS`] at a rate of 0.1.
    fn stepped(phase: &str) -> Vec<f64> {
        let phase: Phase = toml::from_str(phase).unwrap();
        let parameter = Tensor::from_slice(&[1.0_f32, -2.0, 0.5, 3.0]).set_requires_grad(true);
        let parameters = Tensors::from([("p".to_owned(), parameter.shallow_clone())]);
        let mut optimizer = Optimizer::new(&phase, &[vec!["p".into()]], &parameters);
        optimizer.set_lrs(&[0.1]);
        for gradient in GRADIENTS {
            (&parameter * Tensor::from_slice(&gradient)).sum(Kind::Float).backward();
            optimizer.clip_values();
            optimizer.step().unwrap();
        }
        Vec::try_from(parameter.detach().to_kind(Kind::Double)).unwrap()
    }

    /// Parameters of `torch.optim` and `torch.nn.utils.clip_grad_*` of PyTorch 2.11.
    #[test]
    fn steps_are_those_of_pytorch() {
        let second = "betas = [0.8, 0.9], eps = 1e-6";
        for (optimizer, clip, decay, expected) in [
            ("kind = 'adam'", "", 0.05, [0.83035403, -1.86436892, 0.24949443, 2.70025873]),
            (
                &format!("kind = 'adam', {second}"),
                "",
                0.05,
                [0.83758146, -1.86636257, 0.25525466, 2.70030332],
            ),
            (
                &format!("kind = 'adam', amsgrad = true, {second}"),
                "",
                0.05,
                [0.83821529, -1.86636257, 0.25657558, 2.70030332],
            ),
            ("kind = 'adamw'", "", 0.05, [0.85184520, -1.86941636, 0.24441694, 2.82366157]),
            (
                &format!("kind = 'adamw', amsgrad = true, {second}"),
                "",
                0.05,
                [0.86140662, -1.86926365, 0.25146511, 2.82507515],
            ),
            ("kind = 'rmsprop'", "", 0.05, [0.31377840, -0.87759471, -0.69715989, 1.05044961]),
            ("kind = 'sgd'", "", 0.05, [0.97027409, -1.70004964, 0.24503241, 2.95422959]),
            (
                "kind = 'sgd', momentum = 0.9",
                "",
                0.05,
                [0.92423910, -1.69302952, -0.19167009, 2.91431451],
            ),
            (
                "kind = 'sgd'",
                "clip_norm = 0.8",
                0.0,
                [1.00143754, -1.94635892, 0.36110523, 2.99926972],
            ),
            (
                "kind = 'sgd'",
                "clip_value = 0.25",
                0.0,
                [0.99000001, -1.99000013, 0.47499999, 2.99900007],
            ),
        ] {
            let phase = format!(
                "name = 'main'\noptimizer = {{ {optimizer} }}\n{clip}\n\
                 groups = [{{ name = 'rest', lr = 0.1, weight_decay = {decay} }}]"
            );
            for (found, expected) in stepped(&phase).into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{phase}: {found} for {expected}");
            }
        }
    }
}
