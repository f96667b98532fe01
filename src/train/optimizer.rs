//! Optimizers, to the definitions of PyTorch's `torch.optim`.

use std::collections::BTreeMap;

use tch::{Device, Kind, TchError, Tensor};

use super::weights::Tensors;
use crate::native::{self, AdamwConstants, AdamwState};
use crate::run::recipe::{Group as GroupOfRecipe, Moments, Phase, Rule};
use crate::run::schedule::Schedule;

/// Parameters of one learning rate.
#[derive(Debug)]
struct Group {
    weight_decay: f64,
    slots: Vec<Slot>,
    /// A scalar on the device, so that a recorded step reads what an epoch put there.
    lr: Tensor,
    lr_value: f64,
}

/// A parameter, and what the optimizer remembers of it.
#[derive(Debug)]
struct Slot {
    name: String,
    parameter: Tensor,
    /// Of the shape of the parameter, in the order of [`Rule`]'s [`names`].
    memory: Vec<Tensor>,
    /// Number of steps taken, a scalar.
    steps: Tensor,
}

/// What a rule remembers per parameter.
fn names(rule: &Rule) -> &'static [&'static str] {
    match rule {
        Rule::Adam(Moments { amsgrad: false, .. })
        | Rule::AdamW(Moments { amsgrad: false, .. }) => &["exp_avg", "exp_avg_sq"],
        Rule::Adam(_) | Rule::AdamW(_) => &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
        Rule::RmsProp { .. } => &["square_avg"],
        Rule::Sgd { momentum: 0.0 } => &[],
        Rule::Sgd { .. } => &["momentum_buffer"],
    }
}

/// The optimizer of one phase. A parameter without a gradient keeps its value, weight decay included.
#[derive(Debug)]
pub struct Optimizer {
    rule: Rule,
    clip_norm: Option<f64>,
    clip_value: Option<f64>,
    groups: Vec<Group>,
}

impl Optimizer {
    /// AdamW with the constants of the released code of ALMT: one decay for every trainable parameter,
    /// and a rate for each of `n_groups` groups, of which `group` gives the number.
    pub fn adamw(
        parameters: &Tensors,
        weight_decay: f64,
        n_groups: usize,
        group: impl Fn(&str) -> usize,
    ) -> Optimizer {
        let groups = (0..n_groups).map(|idx| GroupOfRecipe {
            name: idx.to_string(),
            prefixes: vec![],
            lr: 0.0,
            weight_decay,
        });
        let phase = Phase {
            name: String::new(),
            optimizer: Rule::AdamW(Moments::default()),
            clip_norm: None,
            clip_value: None,
            schedule: Schedule::Constant {},
            groups: groups.collect(),
        };
        let mut dealt = vec![Vec::new(); n_groups];
        for name in parameters.keys() {
            dealt[group(name)].push(name.clone());
        }
        Optimizer::new(&phase, &dealt, parameters)
    }

    /// The optimizer of a phase, whose groups have the parameters that `dealt` names. Learning rates are
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
                // As wide as each device's kernel takes it.
                lr: match device {
                    Device::Cpu => Tensor::zeros([], (Kind::Double, device)),
                    _ => Tensor::zeros([], (Kind::Float, device)),
                },
                lr_value: 0.0,
                slots,
            }
        };
        Optimizer {
            rule: phase.optimizer,
            clip_norm: phase.clip_norm,
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

    /// Whether a step does the same operations every time, so that it can be recorded.
    pub fn can_be_recorded(&self) -> bool {
        matches!(self.rule, Rule::AdamW(Moments { amsgrad: false, .. }))
            && self.clip_norm.is_none()
            && self.clip_value.is_none()
    }

    /// Bounds the entries of the gradients, as recipes that add up the gradients of several batches do
    /// after each.
    pub fn clip_values(&self) {
        let Some(most) = self.clip_value else { return };
        for mut gradient in self.gradients() {
            let _ = gradient.clamp_(-most, most);
        }
    }

    /// Takes one step along the gradients and drops them.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn step(&self) -> Result<(), TchError> {
        if let Some(most) = self.clip_norm {
            self.clip_norms(most);
        }
        for group in &self.groups {
            match self.rule {
                Rule::AdamW(Moments { betas, eps, amsgrad: false }) => {
                    adamw_step(group, betas, eps)?;
                }
                rule => {
                    tch::no_grad(|| group.slots.iter().for_each(|slot| step(rule, group, slot)));
                    native::drop_gradients(&group.parameters());
                }
            }
        }
        Ok(())
    }

    /// Scales all gradients down so that their norm is `most` (PyTorch's `clip_grad_norm_`).
    fn clip_norms(&self, most: f64) {
        let gradients = self.gradients();
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

    /// Drops the gradients, and takes no step.
    pub fn drop_gradients(&self) {
        for group in &self.groups {
            native::drop_gradients(&group.parameters());
        }
    }

    /// All that it remembers, by name: `exp_avg/NAME` and the like of the shape of parameter `NAME`, and
    /// `step/NAME`, a scalar. Writing to these tensors changes the optimizer.
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

/// libtorch's fused step, which a GPU does in one kernel.
fn adamw_step(group: &Group, [beta1, beta2]: [f64; 2], eps: f64) -> Result<(), TchError> {
    let memory = |idx: usize| -> Vec<Tensor> {
        group.slots.iter().map(|slot| slot.memory[idx].shallow_clone()).collect()
    };
    let (averages, squares) = (memory(0), memory(1));
    let steps: Vec<Tensor> = group.slots.iter().map(|slot| slot.steps.shallow_clone()).collect();
    let state = AdamwState {
        parameters: &group.parameters(),
        averages: &averages,
        squares: &squares,
        steps: &steps,
    };
    let constants = AdamwConstants { beta1, beta2, weight_decay: group.weight_decay, eps };
    native::adamw_step(&state, &group.lr, constants)
}

/// One step of one parameter.
fn step(rule: Rule, group: &Group, slot: &Slot) {
    let gradient = slot.parameter.grad();
    if !gradient.defined() {
        return;
    }
    let mut parameter = slot.parameter.detach();
    let (lr, decay) = (group.lr_value, group.weight_decay);
    let mut steps = slot.steps.shallow_clone();
    let _ = steps.g_add_scalar_(1.0);
    let is_decoupled = matches!(rule, Rule::AdamW(_));
    let gradient = match decay {
        0.0 => gradient,
        _ if is_decoupled => {
            let _ = parameter.g_mul_scalar_(1.0 - lr * decay);
            gradient
        }
        decay => gradient + &parameter * decay,
    };
    let memory: Vec<Tensor> = slot.memory.iter().map(Tensor::shallow_clone).collect();
    let update = match (rule, &*memory) {
        (Rule::Adam(moments) | Rule::AdamW(moments), [average, square, ..]) => {
            let Moments { betas: [beta1, beta2], eps, .. } = moments;
            let n_steps = slot.steps.double_value(&[]);
            let [mut average, mut square] = [average, square].map(Tensor::shallow_clone);
            let _ = average.lerp_(&gradient, 1.0 - beta1);
            let _ = square.g_mul_scalar_(beta2);
            let _ = square.g_add_(&(&gradient * &gradient * (1.0 - beta2)));
            let largest = match memory.get(2) {
                None => square,
                Some(largest) => {
                    let mut largest = largest.shallow_clone();
                    largest.copy_(&largest.maximum(&square));
                    largest
                }
            };
            let root = largest.sqrt() / (1.0 - beta2.powf(n_steps)).sqrt() + eps;
            average / root * (lr / (1.0 - beta1.powf(n_steps)))
        }
        (Rule::RmsProp { alpha, eps }, [square]) => {
            let mut square = square.shallow_clone();
            let _ = square.g_mul_scalar_(alpha);
            let _ = square.g_add_(&(&gradient * &gradient * (1.0 - alpha)));
            gradient / (square.sqrt() + eps) * lr
        }
        (Rule::Sgd { momentum }, [buffer]) => {
            let mut buffer = buffer.shallow_clone();
            // The first step puts the gradient there as it is.
            let _ = buffer.g_mul_scalar_(momentum);
            let _ = buffer.g_add_(&gradient);
            buffer * lr
        }
        _ => gradient * lr,
    };
    let _ = parameter.g_sub_(&update);
}
