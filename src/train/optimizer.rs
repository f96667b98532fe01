//! AdamW with the constants of the released code.

use std::collections::BTreeMap;

use tch::{Kind, TchError, Tensor, nn};

use crate::native::{self, AdamwConstants, AdamwState};

/// Parameters of one learning rate.
#[derive(Debug)]
struct Group {
    names: Vec<String>,
    parameters: Vec<Tensor>,
    averages: Vec<Tensor>,
    squares: Vec<Tensor>,
    steps: Vec<Tensor>,
}

/// AdamW: decoupled weight decay on every parameter, betas 0.9 and 0.999, epsilon 1e-8 (PyTorch's
/// defaults, which the released code keeps).
#[derive(Debug)]
pub struct AdamW {
    groups: Vec<Group>,
    constants: AdamwConstants,
}

impl AdamW {
    /// An optimizer for the trainable parameters of `vars`. Those for which `group` gives the same
    /// number share a learning rate.
    pub fn new(vars: &nn::VarStore, weight_decay: f64, group: impl Fn(&str) -> usize) -> AdamW {
        // In order of name, so that steps are taken in the same order in every run.
        let variables: BTreeMap<String, Tensor> = vars.variables().into_iter().collect();
        let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
        for (name, parameter) in variables {
            if !parameter.requires_grad() {
                continue;
            }
            let group = groups.entry(group(&name)).or_insert_with(|| Group {
                names: Vec::new(),
                parameters: Vec::new(),
                averages: Vec::new(),
                squares: Vec::new(),
                steps: Vec::new(),
            });
            let device = parameter.device();
            group.averages.push(parameter.detach().zeros_like());
            group.squares.push(parameter.detach().zeros_like());
            group.steps.push(Tensor::zeros([], (Kind::Float, device)));
            group.parameters.push(parameter);
            group.names.push(name);
        }
        let constants = AdamwConstants { beta1: 0.9, beta2: 0.999, weight_decay, eps: 1e-8 };
        AdamW { groups: groups.into_values().collect(), constants }
    }

    /// Takes one step along the gradients and drops them. `lrs` are the learning rates of the
    /// groups in order.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn step(&mut self, lrs: &[f64]) -> Result<(), TchError> {
        for (group, lr) in self.groups.iter().zip(lrs) {
            let state = AdamwState {
                parameters: &group.parameters,
                averages: &group.averages,
                squares: &group.squares,
                steps: &group.steps,
            };
            native::adamw_step(&state, *lr, self.constants)?;
        }
        Ok(())
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
