//! AdamW with the constants of the released code.

use std::collections::BTreeMap;

use tch::{Device, Kind, TchError, Tensor};

use super::weights::Tensors;
use crate::native::{self, AdamwConstants, AdamwState};

/// Parameters of one learning rate.
#[derive(Debug)]
struct Group {
    names: Vec<String>,
    parameters: Vec<Tensor>,
    averages: Vec<Tensor>,
    squares: Vec<Tensor>,
    steps: Vec<Tensor>,
    /// A scalar on the device, so that a recorded step reads what an epoch put there.
    lr: Tensor,
}

/// AdamW: decoupled weight decay on every parameter, betas 0.9 and 0.999, epsilon 1e-8 (PyTorch's
/// defaults, which the released code keeps).
#[derive(Debug)]
pub struct AdamW {
    groups: Vec<Group>,
    constants: AdamwConstants,
}

impl AdamW {
    /// An optimizer for those of some parameters that are trainable. Those for which `group` gives the
    /// same number share a learning rate, which is zero until [`set_lrs`](AdamW::set_lrs).
    pub fn new(parameters: Tensors, weight_decay: f64, group: impl Fn(&str) -> usize) -> AdamW {
        let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
        // In order of name, so that steps are taken in the same order in every run.
        for (name, parameter) in parameters {
            if !parameter.requires_grad() {
                continue;
            }
            let device = parameter.device();
            let group = groups.entry(group(&name)).or_insert_with(|| Group {
                names: Vec::new(),
                parameters: Vec::new(),
                averages: Vec::new(),
                squares: Vec::new(),
                steps: Vec::new(),
                // As wide as each device's kernel takes it.
                lr: match device {
                    Device::Cpu => Tensor::zeros([], (Kind::Double, device)),
                    _ => Tensor::zeros([], (Kind::Float, device)),
                },
            });
            group.averages.push(parameter.detach().zeros_like());
            group.squares.push(parameter.detach().zeros_like());
            group.steps.push(Tensor::zeros([], (Kind::Float, device)));
            group.parameters.push(parameter);
            group.names.push(name);
        }
        let constants = AdamwConstants { beta1: 0.9, beta2: 0.999, weight_decay, eps: 1e-8 };
        AdamW { groups: groups.into_values().collect(), constants }
    }

    /// Sets the learning rates of the groups in order.
    pub fn set_lrs(&mut self, lrs: &[f64]) {
        for (group, lr) in self.groups.iter_mut().zip(lrs) {
            let _ = group.lr.fill_(*lr);
        }
    }

    /// Takes one step along the gradients and drops them.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn step(&self) -> Result<(), TchError> {
        for group in &self.groups {
            let state = AdamwState {
                parameters: &group.parameters,
                averages: &group.averages,
                squares: &group.squares,
                steps: &group.steps,
            };
            native::adamw_step(&state, &group.lr, self.constants)?;
        }
        Ok(())
    }

    /// Drops the gradients, and takes no step.
    pub fn drop_gradients(&self) {
        for group in &self.groups {
            native::drop_gradients(&group.parameters);
        }
    }

    /// All that it remembers, by name: `exp_avg/NAME`, `exp_avg_sq/NAME` of the shape of parameter
    /// `NAME`, and `step/NAME`, a scalar. Writing to these tensors changes the optimizer.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = BTreeMap::new();
        for group in &self.groups {
            let kinds = [
                ("exp_avg", &group.averages),
                ("exp_avg_sq", &group.squares),
                ("step", &group.steps),
            ];
            for (kind, tensors) in kinds {
                for (name, tensor) in group.names.iter().zip(tensors) {
                    state.insert(format!("{kind}/{name}"), tensor.shallow_clone());
                }
            }
        }
        state
    }
}
