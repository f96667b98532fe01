//! A store as a readable tree.

use super::read::{Store, column_bytes};
use super::{StoreError, VERSION};
use crate::corpus::clips::{BuiltFeatures, BuiltWords};
use crate::corpus::column::{Column, ColumnKind, Dtype};
use crate::corpus::known::KnownFeatures;
use crate::corpus::label::LabelScale;
use crate::corpus::scale::OwnScale;
use crate::tree::Tree;
use crate::words::{count, counted, human_bytes, plural};

impl Store {
    /// The store's tree for display. Only ids and labels are read.
    ///
    /// # Errors
    /// A column cannot be read.
    pub fn describe(&self, name: &str) -> Result<Tree, StoreError> {
        let manifest = self.manifest();
        let mut children = Vec::new();
        for split in &manifest.splits {
            let first: Vec<&str> = split.ids.iter().take(3).map(String::as_str).collect();
            let columns = manifest.columns_of(split.name).map(|column| {
                let Column { id, dtype, shape, .. } = column;
                let detail = match (&id.kind, dtype) {
                    (ColumnKind::Id, _) => {
                        format!("{dtype} {shape:?}  first: {}", first.join(", "))
                    }
                    (_, Dtype::String) => format!("{dtype} {shape:?}"),
                    (_, _) => {
                        format!("{dtype} {shape:?} {}", human_bytes(column_bytes(column)))
                    }
                };
                Tree::leaf(column.name(), detail)
            });
            children.push(Tree {
                name: split.name.to_string(),
                detail: format!("{} segments", split.ids.len()),
                children: columns.collect(),
            });
        }
        children.extend(manifest.label_scale.as_ref().map(labels));
        children.extend(KnownFeatures::of(manifest).iter().map(features));
        for source in &manifest.sources {
            let detail = format!("{} ({} layout)", source.file_name, manifest.layout);
            children.push(Tree::leaf("source", detail));
            children.push(Tree::leaf("sha256", &source.sha256));
        }
        for (modality, features) in manifest.build.iter().flat_map(|build| &build.features) {
            children.push(Tree::leaf(modality, built(features)));
        }
        if let Some(words) = manifest.build.as_ref().and_then(|build| build.words.as_ref()) {
            children.push(Tree::leaf("words", self::words(words)));
        }
        if let Some(encoder) = &manifest.text_encoder {
            let detail = format!("computed from {} by {}", encoder.source, encoder.name);
            children.push(Tree::leaf("text", detail));
            children.push(Tree::leaf("sha256", &encoder.sha256));
        }
        children.push(Tree::leaf("digest", &manifest.digest));
        let size = human_bytes(self.size());
        let detail = format!("{} (store version {VERSION}, {size})", manifest.title());
        Ok(Tree { name: name.into(), detail, children })
    }
}

/// What the labels of a dataset of one's own are.
fn labels(own: &OwnScale) -> Tree {
    let mut detail = own.range().map(|[low, high]| format!("in [{low}, {high}]"));
    if let (Some(detail), Some(neutral)) = (&mut detail, own.neutral()) {
        detail.push_str(&format!(", neutral {neutral}"));
    }
    let mut tree = Tree::leaf("labels", detail.unwrap_or("classes without values".into()));
    let classes = own.classes().iter().enumerate().map(|(idx, name)| match own.value(idx) {
        Some(value) => format!("{name} ({value})"),
        None => name.clone(),
    });
    let classes: Vec<String> = classes.collect();
    if !classes.is_empty() {
        tree.children.push(Tree::leaf("classes", classes.join(", ")));
    }
    let scale = LabelScale::Own(own);
    for bins in scale.bins().iter() {
        tree.children.push(Tree::leaf(bins.name(), scale.class_names(*bins).join(", ")));
    }
    tree
}

/// What is known of a modality's features.
fn features(known: &KnownFeatures) -> Tree {
    let mut tree = Tree::leaf("features", format!("{} {known}", known.modality));
    let origin = known.origin.map(|origin| Tree::leaf("origin", origin));
    let note = known.note.map(|note| Tree::leaf("note", note));
    tree.children.extend(origin.into_iter().chain(note));
    tree
}

/// What became of the words of clips.
fn words(words: &BuiltWords) -> String {
    let BuiltWords { kinds, n_files, pooling, missing, values, pauses, n_words, .. } = words;
    let files = counted(*n_files, "file", "files");
    let mut parts = vec![format!("{files} ({})", kinds.join(", ")), plural(*n_words, "word")];
    parts.extend(words.tier.as_ref().map(|tier| format!("tier `{tier}`")));
    parts.push(format!(
        "pooling {pooling}, missing {missing}, values {values}, pauses {pauses} ({} left out)",
        count(words.n_pauses)
    ));
    if words.n_untimed > 0 {
        parts.push(format!("{} without a time", count(words.n_untimed)));
    }
    parts.push(match words.n_same_texts {
        Some(n) => format!("the same as in {} of the table", plural(n, "text")),
        None => "stored as raw_text".into(),
    });
    parts.join("; ")
}

/// How features came from the files of clips.
fn built(features: &BuiltFeatures) -> String {
    let BuiltFeatures { kinds, n_files, pool, length, seq_len, cut, padding, .. } = features;
    let files = counted(*n_files, "file", "files");
    let mut parts = vec![format!("{files} ({})", kinds.join(", "))];
    if *pool > 1 {
        parts.push(format!("mean of {pool} frames"));
    }
    if let (Some(n_without), Some(times)) = (features.n_without_frames, &features.times) {
        let without = counted(n_without, "word", "words");
        parts.push(format!("one step per word ({times}), {without} without frames"));
    }
    let length = if length.parse() == Ok(*seq_len) { "fixed" } else { length.as_str() };
    parts.push(format!("length {seq_len} ({length}), cut at the {cut}, padded at the {padding}"));
    if let Some(failed) = &features.failed_faces {
        let n_failed = usize::try_from(failed.n_failed).unwrap_or(usize::MAX);
        let least = failed.min_confidence;
        let least = if least > 0.0 { format!(", confidence below {least}") } else { String::new() };
        let n_failed = count(n_failed);
        parts.push(format!("frames without a face{least}: {n_failed} ({})", failed.action));
    }
    parts.join("; ")
}
