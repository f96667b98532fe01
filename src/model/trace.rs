//! Intermediate values of a model's computation, for inspection.

use std::collections::BTreeMap;

use tch::Tensor;

/// Intermediate values by name.
#[derive(Debug, Default)]
pub struct Trace {
    values: Option<BTreeMap<String, Tensor>>,
}

impl Trace {
    /// A trace that records everything; [`Trace::default`] records nothing and costs nothing.
    pub fn keep() -> Trace {
        Trace { values: Some(BTreeMap::new()) }
    }

    /// Whether values are recorded.
    pub(super) fn is_kept(&self) -> bool {
        self.values.is_some()
    }

    /// The recorded values.
    pub fn into_values(self) -> BTreeMap<String, Tensor> {
        self.values.unwrap_or_default()
    }

    pub(crate) fn record(&mut self, name: &str, value: &Tensor) {
        if let Some(values) = &mut self.values {
            values.insert(name.to_owned(), value.shallow_clone());
        }
    }

    /// Records a value of one of several equal parts of a model, which `place` names.
    pub(super) fn record_in(&mut self, place: &str, name: &str, value: &Tensor) {
        if self.is_kept() {
            self.record(&format!("{place}/{name}"), value);
        }
    }

    /// Records a value of one step of a part of a model.
    pub(super) fn record_step(&mut self, place: &str, name: &str, step: usize, value: &Tensor) {
        if self.is_kept() {
            self.record(&format!("{place}/{name}/{step}"), value);
        }
    }

    pub(super) fn record_layer(&mut self, name: &str, layer: usize, value: &Tensor) {
        if self.is_kept() {
            self.record(&format!("{name}_{layer}"), value);
        }
    }
}
