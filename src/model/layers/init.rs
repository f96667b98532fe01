//! Where the parameters of a model are, and what they start from.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Tensor, nn};

use crate::seed::stream;

/// A place in the parameter tree, and where its parameters come from.
pub struct Init<'a> {
    name: String,
    origin: Origin<'a>,
}

/// Where parameters come from.
enum Origin<'a> {
    /// They are drawn from a seed. Every parameter has a random stream of its own, named after it:
    /// leaving a modality out does not change how the others start.
    Seed { path: nn::Path<'a>, seed: u64 },
    /// They are there, by name.
    Given(&'a BTreeMap<String, Tensor>),
}

impl<'a> Init<'a> {
    /// The root of a model's parameters, which are to be drawn.
    pub fn new(path: nn::Path<'a>, seed: u64) -> Init<'a> {
        Init { name: String::new(), origin: Origin::Seed { path, seed } }
    }

    /// The root of a model's parameters, which are those of a model of the same configuration.
    pub fn given(parameters: &'a BTreeMap<String, Tensor>) -> Init<'a> {
        Init { name: String::new(), origin: Origin::Given(parameters) }
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
        };
        Init { name: format!("{}{name}.", self.name), origin }
    }

    /// A parameter, whose initial values are made where they are needed.
    fn add(
        &self,
        name: &str,
        dims: &[i64],
        values: impl FnOnce(ChaCha12Rng) -> Vec<f32>,
    ) -> Tensor {
        let full_name = format!("{}{name}", self.name);
        match &self.origin {
            // Copied from the CPU, whatever the device: both start alike.
            Origin::Seed { path, seed } => {
                let values = values(stream(*seed, &format!("weights/{full_name}")));
                path.var_copy(name, &Tensor::from_slice(&values).view(dims))
            }
            Origin::Given(parameters) => parameters[&full_name].shallow_clone(),
        }
    }

    /// A parameter with one value everywhere.
    pub fn constant(&self, name: &str, dims: &[i64], value: f32) -> Tensor {
        self.add(name, dims, |_| vec![value; n_elements(dims)])
    }

    /// A parameter drawn from the standard normal distribution.
    pub fn normal(&self, name: &str, dims: &[i64]) -> Tensor {
        self.add(name, dims, |mut rng| {
            (0..n_elements(dims)).map(|_| StandardNormal.sample(&mut rng)).collect()
        })
    }

    /// A parameter drawn uniformly from [-bound, bound].
    pub fn uniform(&self, name: &str, dims: &[i64], bound: f32) -> Tensor {
        self.add(name, dims, |mut rng| {
            (0..n_elements(dims)).map(|_| rng.random_range(-bound..=bound)).collect()
        })
    }

    /// The four parameters of a gated recurrent unit, initialised as PyTorch does.
    pub fn gru(&self, n_in: i64, n_out: i64) -> [Tensor; 4] {
        let bound = 1.0 / (n_out as f32).sqrt();
        [
            self.uniform("weight_ih_l0", &[3 * n_out, n_in], bound),
            self.uniform("weight_hh_l0", &[3 * n_out, n_out], bound),
            self.uniform("bias_ih_l0", &[3 * n_out], bound),
            self.uniform("bias_hh_l0", &[3 * n_out], bound),
        ]
    }
}

fn n_elements(dims: &[i64]) -> usize {
    dims.iter().product::<i64>() as usize
}
