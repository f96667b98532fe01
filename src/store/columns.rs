//! The columns of a store, independent of their source and of the store's format.

use std::borrow::Cow;

use ndarray::{Array, Dimension};

use super::content::Content;
use super::digest::{self, Element};
use crate::corpus::column::{Column, ColumnId, ColumnKind, Dtype};
use crate::corpus::label::LabelScale;
use crate::corpus::{Corpus, CorpusSplit, FeatureBlock, Modality, SplitName};

/// One split's columns, in writing order.
pub(super) struct SplitColumns<'a> {
    pub(super) name: SplitName,
    pub(super) ids: Cow<'a, [String]>,
    pub(super) columns: Vec<NewColumn<'a>>,
}

/// A column to be written.
pub(super) struct NewColumn<'a> {
    pub(super) kind: ColumnKind,
    /// Extents, starting with the number of samples.
    pub(super) shape: Vec<usize>,
    pub(super) data: Data<'a>,
}

/// Content of a column: in memory, except for features.
pub(super) enum Data<'a> {
    Strings(Cow<'a, [String]>),
    F32(Cow<'a, [f32]>),
    I32(Cow<'a, [i32]>),
    I8(Vec<i8>),
    Features {
        modality: Modality,
        block: FeatureBlock,
        /// Recorded numbers of frames, `[n_samples]`.
        lengths: Option<Cow<'a, [i32]>>,
    },
}

impl From<Content> for Data<'_> {
    fn from(content: Content) -> Self {
        match content {
            Content::Texts(all) => Data::Strings(all.into()),
            Content::F32(all) => Data::F32(all.into()),
            Content::I32(all) => Data::I32(all.into()),
            Content::I8(all) => Data::I8(all),
        }
    }
}

impl NewColumn<'_> {
    /// Manifest entry of a column that is in memory; `None` for features, whose digest is known only
    /// after writing.
    pub(super) fn entry(&self, split: SplitName) -> Option<Column> {
        let (dtype, blake3) = match &self.data {
            Data::Strings(texts) => (Dtype::String, digest::of_strings(texts)),
            Data::F32(values) => (f32::DTYPE, digest::of_values(values)),
            Data::I32(values) => (i32::DTYPE, digest::of_values(values)),
            Data::I8(values) => (i8::DTYPE, digest::of_values(values)),
            Data::Features { .. } => return None,
        };
        Some(Column { blake3, ..self.unwritten(split, dtype) })
    }

    /// The manifest entry without its digest.
    pub(super) fn unwritten(&self, split: SplitName, dtype: Dtype) -> Column {
        let id = self.kind.clone().of(split);
        Column { id, dtype, shape: self.shape.clone(), blake3: String::new() }
    }
}

/// The columns of a corpus; `changes` gets a sentence for each changed text.
pub(super) fn of_corpus<'a>(
    corpus: &'a Corpus,
    scale: LabelScale<'_>,
    changes: &mut Vec<String>,
) -> Vec<SplitColumns<'a>> {
    corpus.splits.iter().map(|split| of_split(split, scale, changes)).collect()
}

fn of_split<'a>(
    split: &'a CorpusSplit,
    scale: LabelScale<'_>,
    changes: &mut Vec<String>,
) -> SplitColumns<'a> {
    let mut columns = Vec::new();
    let mut add = |kind: ColumnKind, shape: &[usize], data: Data<'a>| {
        columns.push(NewColumn { kind, shape: shape.to_vec(), data });
    };
    let n_samples = [split.ids.len()];
    let ids = without_nul(&ColumnKind::Id.of(split.name), &split.ids, changes);
    add(ColumnKind::Id, &n_samples, Data::Strings(ids.clone()));
    for (kind, texts) in
        [(ColumnKind::RawText, &split.raw_text), (ColumnKind::Annotations, &split.annotations)]
    {
        if let Some(texts) = texts {
            let texts = without_nul(&kind.clone().of(split.name), texts, changes);
            add(kind, &n_samples, Data::Strings(texts));
        }
    }
    for (modality, block) in &split.features {
        let lengths = split.lengths.get(modality).map(|all| Cow::Borrowed(all.as_slice()));
        let (modality, shape) = (*modality, block.shape);
        let data = Data::Features { modality, block: block.clone(), lengths };
        add(ColumnKind::Features(modality), &shape, data);
    }
    if let Some(tokens) = &split.text_bert {
        add(ColumnKind::TextBert, tokens.shape(), Data::I32(in_order(tokens)));
    }
    if let Some(words) = &split.words {
        add(ColumnKind::Words, words.shape(), Data::I32(in_order(words)));
    }
    for (modality, lengths) in &split.lengths {
        let data = Data::I32(lengths.into());
        add(ColumnKind::Lengths(*modality), &[lengths.len()], data);
    }
    let labels = &split.regression_labels;
    if let Some(overall) = &labels.overall {
        add(ColumnKind::RegressionLabels, &[overall.len()], Data::F32(overall.into()));
    }
    for (modality, values) in &labels.by_modality {
        let data = Data::F32(values.into());
        add(ColumnKind::RegressionLabelsOf(*modality), &[values.len()], data);
    }
    if let Some(classes) = &split.classification_labels {
        add(ColumnKind::ClassificationLabels, &[classes.len()], Data::I32(classes.into()));
    }
    if let Some(emotions) = &split.emotion_labels {
        add(ColumnKind::EmotionLabels, emotions.shape(), Data::F32(in_order(emotions)));
    }
    if let Some(overall) = &labels.overall {
        for bins in scale.bins().iter() {
            let classes: Vec<i8> = overall.iter().map(|label| scale.class(*bins, *label)).collect();
            add(ColumnKind::Bins(*bins), &[classes.len()], Data::I8(classes));
        }
    }
    SplitColumns { name: split.name, ids, columns }
}

/// The values in the order of the axes, copied only if stored in another order.
fn in_order<T: Clone, D: Dimension>(values: &Array<T, D>) -> Cow<'_, [T]> {
    match values.as_slice() {
        Some(values) => Cow::Borrowed(values),
        None => Cow::Owned(values.iter().cloned().collect()),
    }
}

/// HDF5 strings end at the first NUL; one inside a text becomes a space in every format, and the notes
/// record it.
fn without_nul<'a>(
    column: &ColumnId,
    texts: &'a [String],
    changes: &mut Vec<String>,
) -> Cow<'a, [String]> {
    let n_nul = texts.iter().filter(|text| text.contains('\0')).count();
    if n_nul == 0 {
        return Cow::Borrowed(texts);
    }
    changes.push(format!("{column}: NUL characters in {n_nul} texts became spaces"));
    texts.iter().map(|text| text.replace('\0', " ")).collect()
}
