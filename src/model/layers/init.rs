//! Places and initial values of a model's parameters.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind, Tensor, nn};

use crate::seed::stream;

/// A place in the parameter tree, and the source of its parameters.
pub struct Init<'a> {
    name: String,
    origin: Origin<'a>,
}

/// Source of parameters.
enum Origin<'a> {
    /// Drawn from a random seed. Every parameter has its own random stream, named after it: leaving out
    /// a modality does not change the initial values of the others.
    Seed { path: nn::Path<'a>, seed: u64 },
    /// Existing tensors, by name.
    Given(&'a BTreeMap<String, Tensor>),
    /// Only counted, without allocation.
    Counted(&'a RefCell<Tally>),
}

/// Number of values that constructors requested.
#[derive(Debug, Default)]
pub struct Tally {
    /// Values in parameters.
    pub trainable: i128,
    /// Values in buffers.
    pub buffers: i128,
    /// The shape of each parameter and buffer, by its full name.
    pub shapes: BTreeMap<String, Vec<i64>>,
}

impl<'a> Init<'a> {
    /// The root of a model with random parameters.
    pub fn new(path: nn::Path<'a>, seed: u64) -> Init<'a> {
        Init { name: String::new(), origin: Origin::Seed { path, seed } }
    }

    /// The root of a model with the parameters of another model of the same configuration.
    pub fn given(parameters: &'a BTreeMap<String, Tensor>) -> Init<'a> {
        Init { name: String::new(), origin: Origin::Given(parameters) }
    }

    /// The root of a model whose parameters are only counted. Its tensors have full shapes, but store
    /// one value each.
    pub fn counted(tally: &'a RefCell<Tally>) -> Init<'a> {
        Init { name: String::new(), origin: Origin::Counted(tally) }
    }

    /// A named place below this one; dots separate levels.
    pub fn sub(&self, name: &str) -> Init<'a> {
        let origin = match &self.origin {
            Origin::Seed { path, seed } => {
                let mut path = path.clone();
                for level in name.split('.') {
                    path = path / level;
                }
                Origin::Seed { path, seed: *seed }
            }
            Origin::Given(parameters) => Origin::Given(parameters),
            Origin::Counted(tally) => Origin::Counted(tally),
        };
        Init { name: format!("{}{name}.", self.name), origin }
    }

    /// Adds a parameter; its initial values are computed only if needed.
    fn add(
        &self,
        name: &str,
        dims: &[i64],
        values: impl FnOnce(ChaCha12Rng) -> Vec<f32>,
    ) -> Tensor {
        let full_name = format!("{}{name}", self.name);
        match &self.origin {
            // Copied from the CPU on any device, so that initial values do not depend on it.
            Origin::Seed { path, seed } => {
                let values = values(stream(*seed, &format!("weights/{full_name}")));
                path.var_copy(name, &Tensor::from_slice(&values).view(dims))
            }
            Origin::Given(parameters) => parameters[&full_name].shallow_clone(),
            Origin::Counted(tally) => {
                let mut tally = tally.borrow_mut();
                tally.trainable += n_elements_wide(dims);
                tally.shapes.insert(full_name, dims.into());
                Tensor::zeros([], (Kind::Float, Device::Cpu)).expand(dims, false)
            }
        }
    }

    /// A constant tensor without gradient: running statistics, constants. It is saved and loaded with
    /// the parameters.
    pub fn buffer(&self, name: &str, dims: &[i64], value: f32) -> Tensor {
        match &self.origin {
            Origin::Seed { path, .. } => {
                let mut buffer = path.zeros_no_train(name, dims);
                let _ = buffer.fill_(f64::from(value));
                buffer
            }
            Origin::Given(parameters) => {
                parameters[&format!("{}{name}", self.name)].shallow_clone()
            }
            Origin::Counted(tally) => {
                let mut tally = tally.borrow_mut();
                tally.buffers += n_elements_wide(dims);
                tally.shapes.insert(format!("{}{name}", self.name), dims.into());
                Tensor::zeros([], (Kind::Float, Device::Cpu)).expand(dims, false)
            }
        }
    }

    /// A parameter with a constant initial value.
    pub fn constant(&self, name: &str, dims: &[i64], value: f32) -> Tensor {
        self.add(name, dims, |_| vec![value; n_elements(dims)])
    }

    /// A parameter drawn from the standard normal distribution.
    pub fn normal(&self, name: &str, dims: &[i64]) -> Tensor {
        self.add(name, dims, |mut rng| {
            (0..n_elements(dims)).map(|_| StandardNormal.sample(&mut rng)).collect()
        })
    }

    /// A parameter drawn from the normal distribution with mean 0 and the given standard deviation.
    pub fn scaled_normal(&self, name: &str, dims: &[i64], std: f32) -> Tensor {
        self.add(name, dims, |mut rng| {
            let normal = |rng: &mut ChaCha12Rng| -> f32 { StandardNormal.sample(rng) };
            (0..n_elements(dims)).map(|_| std * normal(&mut rng)).collect()
        })
    }

    /// A parameter drawn uniformly from [-bound, bound].
    pub fn uniform(&self, name: &str, dims: &[i64], bound: f32) -> Tensor {
        self.add(name, dims, |mut rng| {
            (0..n_elements(dims)).map(|_| rng.random_range(-bound..=bound)).collect()
        })
    }

    /// The four parameters of a recurrent layer with `n_gates` gates (3 for a GRU, 4 for an LSTM),
    /// initialised as in PyTorch. Their names end with `suffix`: `_l0` in a layer, empty in a cell.
    pub fn recurrent(&self, suffix: &str, n_gates: i64, n_in: i64, n_out: i64) -> [Tensor; 4] {
        let bound = 1.0 / (n_out as f32).sqrt();
        let n_gates = n_gates * n_out;
        let uniform =
            |name: &str, dims: &[i64]| self.uniform(&format!("{name}{suffix}"), dims, bound);
        [
            uniform("weight_ih", &[n_gates, n_in]),
            uniform("weight_hh", &[n_gates, n_out]),
            uniform("bias_ih", &[n_gates]),
            uniform("bias_hh", &[n_gates]),
        ]
    }
}

fn n_elements_wide(dims: &[i64]) -> i128 {
    dims.iter().map(|dim| i128::from(*dim)).product()
}

fn n_elements(dims: &[i64]) -> usize {
    dims.iter().product::<i64>() as usize
}
