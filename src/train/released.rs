//! Parameter names of published checkpoints, in which models are nested in another module and text
//! encoders have their authors' names.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::weights::{TensorFile, Tensors, WeightsError};
use crate::model::ENCODER;
use crate::model::registry::ModelSpec;

/// The names of one model.
pub(super) struct ReleasedNames {
    prefix: &'static str,
    encoder: Option<&'static str>,
}

/// A counter of PyTorch's batch norms that nothing reads.
const COUNTER: &str = "num_batches_tracked";

/// Whether a published tensor is none of a model's. Every published encoder has a pooler, but few models
/// use it.
fn is_idle(name: &str) -> bool {
    name.ends_with(COUNTER) || name.contains(".pooler.")
}

impl ReleasedNames {
    pub(super) fn of(spec: &ModelSpec) -> ReleasedNames {
        let (prefix, encoder) = spec.published_names();
        ReleasedNames { prefix, encoder }
    }

    /// A parameter's published name, without the common prefix.
    fn name(&self, own: &str) -> String {
        let of_encoder = own.strip_prefix(ENCODER).and_then(|rest| rest.strip_prefix('.'));
        match (of_encoder, self.encoder) {
            (Some(rest), Some(encoder)) => format!("{encoder}.{rest}"),
            _ => own.to_owned(),
        }
    }

    /// Parameters and buffers under their published names, with the counters that are saved with them.
    pub(super) fn rename(&self, tensors: &Tensors) -> Tensors {
        let mut renamed = Tensors::new();
        let at = |name: &str| format!("{}{name}", self.prefix);
        for (own, tensor) in tensors {
            renamed.insert(at(&self.name(own)), tensor.shallow_clone());
            if let Some(norm) = own.strip_suffix("running_var") {
                let zero = Tensor::zeros([], (Kind::Float, Device::Cpu));
                renamed.insert(at(&format!("{norm}{COUNTER}")), zero);
            }
        }
        renamed
    }

    /// Copies a published checkpoint's tensors into a model.
    ///
    /// # Errors
    /// A tensor is absent, surplus, of another shape or not floating-point.
    pub(super) fn copy_into(
        &self,
        file: &TensorFile,
        targets: &mut Tensors,
    ) -> Result<(), WeightsError> {
        let prefix = self.prefix_in(file)?;
        file.copy_renamed(
            targets,
            |own| format!("{prefix}{}", self.name(own)),
            |name| name.strip_prefix(prefix).is_some_and(is_idle),
        )
    }

    /// The prefix, if the file's names have it: some are saved without the outer module.
    fn prefix_in(&self, file: &TensorFile) -> Result<&'static str, WeightsError> {
        let has_prefix = file.names()?.iter().any(|name| name.starts_with(self.prefix));
        Ok(if has_prefix { self.prefix } else { "" })
    }

    /// Shapes of the file's tensors that a model could use, by its own names where it is one of `own`.
    pub(super) fn shapes_in<'a>(
        &self,
        file: &TensorFile,
        own: impl Iterator<Item = &'a String>,
    ) -> Result<BTreeMap<String, Vec<i64>>, WeightsError> {
        let prefix = self.prefix_in(file)?;
        let own_names: BTreeMap<String, &String> =
            own.map(|own| (format!("{prefix}{}", self.name(own)), own)).collect();
        let used =
            file.shapes()?.into_iter().filter_map(|(name, shape)| match own_names.get(&name) {
                Some(own) => Some(((*own).clone(), shape)),
                None if name.strip_prefix(prefix).is_some_and(is_idle) => None,
                None => Some((name, shape)),
            });
        Ok(used.collect())
    }
}
