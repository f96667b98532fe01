//! A run or a checkpoint as a readable tree: its model, and the schema of the data it was trained on.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use super::RunError;
use super::folder::{BEST, STATE, read_config, read_result, unreadable};
use crate::corpus::Dataset;
use crate::corpus::known::KnownFeatures;
use crate::corpus::label::LabelScale;
use crate::corpus::scale::OwnScale;
use crate::corpus::schema::{DataSchema, ModalitySchema};
use crate::model::registry::ModelSpec;
use crate::tree::Tree;

/// Most bytes of a checkpoint's header, as in the format's own library.
const MOST_HEADER: u64 = 100_000_000;

/// Key of the metadata of a checkpoint.
pub const CHECKPOINT: &str = "almt_data";

/// Metadata of a checkpoint, as far as its reader needs no tensors.
#[derive(Deserialize)]
struct Described {
    /// Absent in files of the first versions, which have ALMT alone.
    spec: Option<ModelSpec>,
    dataset: Dataset,
    label_scale: Option<OwnScale>,
    store_digest: String,
    seed: u64,
    epoch: usize,
    data_schema: Option<DataSchema>,
}

/// The tree of the run in a folder.
///
/// # Errors
/// The folder has no run, or a file of it cannot be read.
pub fn of_run(folder: &Path, name: &str) -> Result<Tree, RunError> {
    let settings = read_config(folder)?;
    let trained = match read_result(folder)? {
        Some(result) => {
            let (n_epochs, epoch) = (result.n_epochs, result.selected.epoch);
            format!("{n_epochs} epochs, epoch {epoch} has the {}", result.selected.by)
        }
        None if folder.join(STATE).exists() || folder.join(BEST).exists() => "incomplete".into(),
        None => "no epoch yet".into(),
    };
    let children = vec![
        Tree::leaf("model", settings.model()),
        Tree::leaf("seed", settings.seed.to_string()),
        Tree::leaf("trained", trained),
        Tree::leaf("store", settings.store.display().to_string()),
        Tree::leaf("digest", &settings.store_digest),
    ];
    let labels = (settings.dataset, settings.label_scale.as_ref());
    Ok(tree(name, "run", labels, children, settings.data_schema.as_ref()))
}

/// The tree of a checkpoint; `None` for weights that do not say what they are of.
///
/// # Errors
/// The file cannot be read.
pub fn of_checkpoint(path: &Path, name: &str) -> Result<Option<Tree>, RunError> {
    let header = header(path).map_err(unreadable(path))?;
    let Some(text) = header["__metadata__"][CHECKPOINT].as_str() else { return Ok(None) };
    let Ok(found) = serde_json::from_str::<Described>(text) else { return Ok(None) };
    let model = found.spec.map_or(ModelSpec::NAMES[0], |spec| spec.name());
    let children = vec![
        Tree::leaf("model", model),
        Tree::leaf("seed", found.seed.to_string()),
        Tree::leaf("epoch", found.epoch.to_string()),
        Tree::leaf("digest", found.store_digest),
    ];
    let labels = (found.dataset, found.label_scale.as_ref());
    Ok(Some(tree(name, "checkpoint", labels, children, found.data_schema.as_ref())))
}

/// The header of a safetensors file, which is JSON after its length.
fn header(path: &Path) -> io::Result<serde_json::Value> {
    let mut file = File::open(path)?;
    let mut len = [0; 8];
    file.read_exact(&mut len)?;
    let len = u64::from_le_bytes(len).min(MOST_HEADER);
    let mut json = Vec::new();
    file.take(len).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json).unwrap_or_default())
}

fn tree(
    name: &str,
    kind: &str,
    (dataset, own): (Dataset, Option<&OwnScale>),
    mut children: Vec<Tree>,
    schema: Option<&DataSchema>,
) -> Tree {
    if let Some([lowest, highest]) = LabelScale::of(dataset, own).range() {
        children.push(Tree::leaf("labels", format!("[{lowest}, {highest}]")));
    }
    match schema {
        None => children.push(Tree::leaf("data", "not recorded by the version that wrote it")),
        Some(schema) => {
            let alignment = schema.alignment.map(|it| Tree::leaf("frames", it.name()));
            let modalities = schema.modalities.iter();
            children.extend(alignment);
            children.extend(modalities.map(|(modality, schema)| {
                let mut tree = of_modality(schema);
                tree.name = modality.to_string();
                if let Some(names) = &schema.names {
                    let known = KnownFeatures::named(*modality, names).to_string();
                    tree.children.insert(0, Tree::leaf("features", known));
                }
                tree
            }));
        }
    }
    let title = own.map_or(dataset.title(), OwnScale::title);
    Tree { name: name.into(), detail: format!("{kind} on {title}"), children }
}

fn of_modality(schema: &ModalitySchema) -> Tree {
    let ModalitySchema { seq_len, feat_dim, encoder, policies, .. } = schema;
    let mut children = Vec::new();
    if let Some(encoder) = encoder {
        let how = if encoder.is_in_model { "in the model, reads" } else { "computed from" };
        children.push(Tree::leaf("encoder", format!("{}, {how} {}", encoder.name, encoder.source)));
        children.push(Tree::leaf("sha256", &encoder.sha256));
        let tokenizer = encoder.tokenizer_blake3.iter();
        children.extend(tokenizer.map(|blake3| Tree::leaf("tokenizer", blake3)));
    }
    children.extend(policies.iter().map(|(policy, value)| Tree::leaf(policy, value)));
    Tree { name: String::new(), detail: format!("[{seq_len}, {feat_dim}]"), children }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_that_is_no_checkpoint_has_no_tree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        let write = |header: &str| {
            let len = (header.len() as u64).to_le_bytes();
            std::fs::write(&path, [&len[..], header.as_bytes()].concat()).unwrap();
            of_checkpoint(&path, "weights").unwrap()
        };
        let with = |info: serde_json::Value| {
            let metadata = json!({ CHECKPOINT: info.to_string() });
            write(&json!({ "__metadata__": metadata }).to_string())
        };
        assert_eq!((write("{}"), with(json!({}))), (None, None));
        let own = json!({
            "dataset": "sims", "store_digest": "d", "seed": 1, "epoch": 2, "model": {},
        });
        let tree = with(own).unwrap();
        assert_eq!(tree.detail, "checkpoint on CH-SIMS");
        let shown = tree.to_string();
        assert!(shown.contains("model   almt") && shown.contains("not recorded"), "{shown}");
        // Longer than the file, or shorter than a length.
        std::fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
        assert_eq!(of_checkpoint(&path, "weights").unwrap(), None);
        std::fs::write(&path, "short").unwrap();
        assert!(of_checkpoint(&path, "weights").is_err());
    }
}
