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
    idle_buffers: &'static [(&'static str, f64)],
}

/// A counter of PyTorch's batch norms that nothing reads.
const COUNTER: &str = "num_batches_tracked";

/// What the names of other tensors end with that no model reads: positions that older versions of transformers
/// save with an encoder, and the type of MulT's position embeddings.
const IDLE_ENDINGS: [&str; 3] =
    [COUNTER, ".embeddings.position_ids", ".embed_positions._float_tensor"];

impl ReleasedNames {
    pub(super) fn of(spec: &ModelSpec) -> ReleasedNames {
        let (prefix, encoder) = spec.published_names();
        ReleasedNames { prefix, encoder, idle_buffers: spec.idle_buffers() }
    }

    /// A parameter's published name, without the common prefix.
    fn name(&self, own: &str) -> String {
        let of_encoder = own.strip_prefix(ENCODER).and_then(|rest| rest.strip_prefix('.'));
        match (of_encoder, self.encoder) {
            (Some(rest), Some(encoder)) => format!("{encoder}.{rest}"),
            _ => own.to_owned(),
        }
    }

    /// Parameters and buffers under their published names, with the others that PyTorch's strict
    /// `load_state_dict` expects: counters, idle buffers, and zeros for a pooler that the model does not have,
    /// because it would not read it.
    pub(super) fn rename(&self, tensors: &Tensors) -> Tensors {
        let mut renamed = Tensors::new();
        let at = |name: &str| format!("{}{name}", self.prefix);
        let full =
            |shape: &[i64], value: f64| Tensor::full(shape, value, (Kind::Float, Device::Cpu));
        for (own, tensor) in tensors {
            renamed.insert(at(&self.name(own)), tensor.shallow_clone());
            if let Some(norm) = own.strip_suffix("running_var") {
                renamed.insert(at(&format!("{norm}{COUNTER}")), full(&[], 0.0));
            }
        }
        for (name, value) in self.idle_buffers {
            renamed.insert(at(name), full(&[1], *value));
        }
        let embeddings = format!("{ENCODER}.embeddings.word_embeddings.weight");
        if let (Some(encoder), Some(embeddings)) = (self.encoder, tensors.get(&embeddings)) {
            let width = embeddings.size()[1];
            for (part, shape) in [("weight", &[width, width][..]), ("bias", &[width][..])] {
                let name = at(&format!("{encoder}.pooler.dense.{part}"));
                renamed.entry(name).or_insert_with(|| full(shape, 0.0));
            }
        }
        renamed
    }

    /// Whether a file, with or without what stands before all names, has a text encoder.
    pub(super) fn has_encoder(&self, file: &TensorFile) -> Result<bool, WeightsError> {
        let Some(encoder) = self.encoder else { return Ok(false) };
        let is_of_encoder = |name: &String| {
            let name = name.strip_prefix(self.prefix).unwrap_or(name);
            name.strip_prefix(encoder).is_some_and(|rest| rest.starts_with('.'))
        };
        Ok(file.names()?.iter().any(is_of_encoder))
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
            |name| self.is_idle(prefix, name),
        )
    }

    /// Whether a published tensor is none of a model's. Every published encoder has a pooler, but few models
    /// use it.
    fn is_idle(&self, prefix: &str, name: &str) -> bool {
        name.strip_prefix(prefix).is_some_and(|name| {
            name.contains(".pooler.")
                || IDLE_ENDINGS.iter().any(|ending| name.ends_with(ending))
                || self.idle_buffers.iter().any(|(buffer, _)| *buffer == name)
        })
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
                None if self.is_idle(prefix, &name) => None,
                None => Some((name, shape)),
            });
        Ok(used.collect())
    }
}
