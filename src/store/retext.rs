//! A copy of a store with other text features and everything else unchanged.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array3;

use super::columns::{Data, NewColumn, SplitColumns};
use super::reformat;
use super::write::{OutputOptions, alignment};
use super::{Store, StoreError};
use crate::corpus::column::{Column, ColumnKind};
use crate::corpus::manifest::{Manifest, TextEncoder, store_digest};
use crate::corpus::{FeatureBlock, Modality, SplitName};

/// New text features of one split.
pub struct NewText {
    /// Features, `[n_samples, seq_len, feat_dim]`.
    pub features: FeatureBlock,
    /// The tokens that they were computed from, `[n_samples, 3, seq_len]`; if `None`, the split keeps
    /// its own.
    pub tokens: Option<Array3<i32>>,
    /// Notes for the manifest, one sentence each.
    pub notes: Vec<String>,
}

/// Writes the content of `source` to `target` with the text features of `text`, which has all of its
/// splits and was computed by `encoder`. Other columns keep their digests; the new store is read back
/// before it gets its name.
///
/// # Errors
/// A split has no text, or its features cannot be computed; the source cannot be read or differs from
/// its digests, the target exists and may not be overwritten, or the disk is full. Nothing is left
/// behind then.
pub fn with_text(
    source: &Store,
    target: &Path,
    options: &OutputOptions,
    mut text: BTreeMap<SplitName, NewText>,
    encoder: TextEncoder,
) -> Result<Manifest, StoreError> {
    let mut replaced = vec![ColumnKind::Features(Modality::Text)];
    if text.values().any(|text| text.tokens.is_some()) {
        replaced.push(ColumnKind::TextBert);
    }
    let mut notes =
        vec![format!("text: computed from {} by the encoder {}", encoder.source, encoder.name)];
    let mut splits = Vec::new();
    for split in &source.manifest().splits {
        let mut split = reformat::columns(source, split)?;
        if let Some(mut text) = text.remove(&split.name) {
            notes.append(&mut text.notes);
            replace(&mut split, text);
        }
        splits.push(split);
    }
    if source.manifest().columns.iter().any(|column| column.id.kind == TEXT_LENGTHS) {
        notes.push("text_lengths: left out, since they were those of the former features".into());
    }
    let describe = |columns: Vec<Column>| {
        let is_new = |column: &Column| replaced.contains(&column.id.kind);
        let mut kept = columns.iter().filter(|column| !is_new(column));
        if let Some(column) = kept.find(|column| !reformat::is_of(source, column)) {
            return Err(source.differs(&column.id));
        }
        let old = source.manifest();
        let mut features = old.features.clone();
        features.remove(&Modality::Text);
        Ok(Manifest {
            alignment: splits.first().and_then(|split| alignment(seq_lens(split))),
            digest: store_digest(&columns),
            columns,
            notes: old.notes.iter().cloned().chain(notes).collect(),
            text_encoder: Some(encoder),
            build: old.build.as_ref().map(|build| build.without(Modality::Text.name())),
            values: old.values.as_ref().and_then(|values| values.without(Modality::Text)),
            features,
            ..old.clone()
        })
    };
    reformat::write(source, &splits, target, options, describe, &|_| ())
}

/// The column with the recorded numbers of steps.
const TEXT_LENGTHS: ColumnKind = ColumnKind::Lengths(Modality::Text);

/// Replaces the old text, keeping the order in which a store is written.
fn replace(split: &mut SplitColumns<'_>, text: NewText) {
    let has_tokens = text.tokens.is_some();
    let kind = ColumnKind::Features(Modality::Text);
    split.columns.retain(|column| match &column.kind {
        ColumnKind::TextBert => !has_tokens,
        other => *other != kind && *other != TEXT_LENGTHS,
    });
    let after = |columns: &[NewColumn<'_>], kinds: &[ColumnKind]| {
        columns.iter().rposition(|column| kinds.contains(&column.kind)).map_or(0, |idx| idx + 1)
    };
    let shape = text.features.shape.to_vec();
    let block = text.features;
    let data = Data::Features { modality: Modality::Text, block, lengths: None };
    let of_texts = [ColumnKind::Id, ColumnKind::RawText, ColumnKind::Annotations];
    let place = after(&split.columns, &of_texts);
    split.columns.insert(place, NewColumn { kind, shape, data });
    if let Some(tokens) = text.tokens {
        let shape = tokens.shape().to_vec();
        let values: Vec<i32> = tokens.iter().copied().collect();
        let place = after(&split.columns, &Modality::ALL.map(ColumnKind::Features));
        let data = Data::I32(values.into());
        split.columns.insert(place, NewColumn { kind: ColumnKind::TextBert, shape, data });
    }
}

fn seq_lens(split: &SplitColumns<'_>) -> impl Iterator<Item = usize> {
    split.columns.iter().filter_map(|column| match &column.data {
        Data::Features { block, .. } => Some(block.shape[1]),
        _ => None,
    })
}
