//! What a model computes on its way to a prediction, for whoever looks inside.

use std::collections::BTreeMap;

use tch::Tensor;

/// Intermediate values by name.
#[derive(Debug, Default)]
pub struct Trace {
    values: Option<BTreeMap<String, Tensor>>,
}

impl Trace {
    /// A trace that keeps everything; [`Trace::default`] keeps nothing and costs nothing.
    pub fn keep() -> Trace {
        Trace { values: Some(BTreeMap::new()) }
    }

    /// Whether anything is kept.
    pub(super) fn is_kept(&self) -> bool {
        self.values.is_some()
    }

    /// The kept values.
    pub fn into_values(self) -> BTreeMap<String, Tensor> {
        self.values.unwrap_or_default()
    }

    pub(crate) fn record(&mut self, name: &str, value: &Tensor) {
        if let Some(values) = &mut self.values {
            values.insert(name.to_owned(), value.shallow_clone());
        }
    }

    pub(super) fn record_layer(&mut self, name: &str, layer: usize, value: &Tensor) {
        if self.is_kept() {
            self.record(&format!("{name}_{layer}"), value);
        }
    }
}
