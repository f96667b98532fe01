//! Gives each modality one length over all splits of a corpus.
//!
//! Layouts of samples pad each file to its own longest sample, so `train`, `dev` and `test` have
//! different numbers of steps; a model needs one. Shorter splits are padded with zeros at the back, and
//! [`IngestOptions::max_len`](super::IngestOptions::max_len) cuts longer samples. Both happen after the
//! padding was moved to the back, so that a cut removes the last frames.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ndarray::{Array, Axis, Dimension, RemoveAxis, Slice};
use rayon::prelude::*;

use crate::corpus::{CorpusSplit, FeatureBlock, Modality, RowError, Rows, SplitName};
use crate::overflow::Overflows;

use super::log::Log;
use super::{IngestError, features};

/// Another block's samples, cut or zero-padded to another number of frames.
struct Fitted {
    rows: Arc<dyn Rows>,
    /// Values per sample in `rows`.
    n_values: usize,
}

impl Rows for Fitted {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError> {
        match out.split_at_mut_checked(self.n_values) {
            Some((own, padding)) => {
                padding.fill(0.0);
                self.rows.read(sample_idx, own)
            }
            None => {
                let mut whole = vec![0.0; self.n_values];
                let overflows = self.rows.read(sample_idx, &mut whole)?;
                out.iter_mut().zip(whole).for_each(|(value, read)| *value = read);
                Ok(overflows.within(out.len()))
            }
        }
    }
}

/// Gives every modality, the tokens and the words one length each over all splits. Samples beyond the
/// lengths in `max_len` are cut.
///
/// # Errors
/// If no split has a modality of `max_len`, or a sample cannot be read.
pub(super) fn settle(
    splits: &mut [CorpusSplit],
    max_len: &BTreeMap<Modality, usize>,
    log: &mut Log,
) -> Result<(), IngestError> {
    for (modality, most) in max_len {
        if !splits.iter().any(|split| split.features.contains_key(modality)) {
            return Err(IngestError::NoModality { modality: *modality });
        }
        splits.iter_mut().try_for_each(|split| cut(split, *modality, *most, log))?;
        let tokens = splits.iter().filter_map(|split| split.text_bert.as_ref());
        let longest = tokens.map(|tokens| tokens.len_of(Axis(2))).max().unwrap_or(0);
        if *modality == Modality::Text && longest > *most {
            log.note(format!(
                "text_bert: keeps its {longest} steps, since `--max-len` cuts features: tokens that \
                 are cut must keep their `[SEP]`"
            ));
        }
    }
    for modality in Modality::ALL {
        let found =
            |split: &CorpusSplit| Some((split.name, split.features.get(&modality)?.shape[1]));
        let filled = splits.iter().filter(|split| !split.ids.is_empty());
        let extents: Vec<(SplitName, usize)> = filled.filter_map(found).collect();
        if let Some(longest) = extents.iter().map(|(_, len)| *len).max() {
            // A split without samples has no length of its own.
            let empty = splits.iter_mut().filter(|split| split.ids.is_empty());
            empty.for_each(|split| fit(split, modality, longest));
        }
        let Some(longest) = differing(&extents) else { continue };
        let is_recorded = |split: &CorpusSplit| split.lengths.contains_key(&modality);
        if !splits.iter().all(is_recorded) {
            splits.iter_mut().try_for_each(|split| record_lengths(split, modality))?;
            log.note(format!(
                "{modality}_lengths: counted to the last frame that is not zero, since the source \
                 has none"
            ));
        }
        splits.iter().for_each(|split| note_beyond(split, modality, log));
        splits.iter_mut().for_each(|split| fit(split, modality, longest));
        log.note(padded(modality.name(), longest, &extents));
    }
    let tokens = |split: &mut CorpusSplit| split.text_bert.take();
    let put = |split: &mut CorpusSplit, values| split.text_bert = Some(values);
    settle_column(splits, "text_bert", Axis(2), tokens, put, log);
    let words = |split: &mut CorpusSplit| split.words.take();
    let put = |split: &mut CorpusSplit, values| split.words = Some(values);
    settle_column(splits, "words", Axis(1), words, put, log);
    Ok(())
}

/// The longest extent, if they differ.
fn differing(extents: &[(SplitName, usize)]) -> Option<usize> {
    let lens: BTreeSet<usize> = extents.iter().map(|(_, len)| *len).collect();
    (lens.len() > 1).then(|| lens.last().copied()).flatten()
}

fn padded(column: &str, longest: usize, extents: &[(SplitName, usize)]) -> String {
    let all: Vec<String> = extents.iter().map(|(name, len)| format!("{name} {len}")).collect();
    format!(
        "{column}: the samples of all splits are padded with zeros at the back to the {longest} \
         steps of the longest (in the source: {})",
        all.join(", ")
    )
}

/// Tells of recorded lengths beyond a split's own frames: padding to those of another split hides them.
fn note_beyond(split: &CorpusSplit, modality: Modality, log: &mut Log) {
    let Some(FeatureBlock { shape: [_, seq_len, _], .. }) = split.features.get(&modality) else {
        return;
    };
    let lengths = split.lengths.get(&modality).into_iter().flatten();
    let is_beyond = |length: &&i32| usize::try_from(**length).is_ok_and(|len| len > *seq_len);
    let beyond: Vec<i32> = lengths.filter(is_beyond).copied().collect();
    if let Some(longest) = beyond.iter().max() {
        log.note(format!(
            "{}/{modality}_lengths: {} recorded lengths of up to {longest}, which were kept, are \
             beyond the {seq_len} frames of the source",
            split.name,
            beyond.len()
        ));
    }
}

/// Changes the number of frames of one split's block.
fn fit(split: &mut CorpusSplit, modality: Modality, seq_len: usize) {
    let Some(block) = split.features.remove(&modality) else { return };
    let FeatureBlock { shape: [n_samples, own_len, feat_dim], rows } = block;
    let rows = match own_len == seq_len {
        true => rows,
        false => Arc::new(Fitted { rows, n_values: own_len.saturating_mul(feat_dim) }),
    };
    let shape = [n_samples, seq_len, feat_dim];
    split.features.insert(modality, FeatureBlock { shape, rows });
}

/// Cuts one split's samples that are longer than `most`, and shortens their lengths.
fn cut(
    split: &mut CorpusSplit,
    modality: Modality,
    most: usize,
    log: &mut Log,
) -> Result<(), IngestError> {
    let Some(block) = split.features.get(&modality) else { return Ok(()) };
    let [_, seq_len, _] = block.shape;
    if seq_len <= most {
        return Ok(());
    }
    // Decided from the frames: public files have some beyond the recorded length.
    let longer =
        last_frames(split, modality, block)?.into_iter().filter(|n_frames| *n_frames > most);
    let n_longer = longer.count();
    if n_longer > 0 {
        log.note(format!(
            "{}/{modality}: {n_longer} samples of up to {seq_len} frames were truncated to \
             {most} frames (`--max-len`)",
            split.name
        ));
    }
    for length in split.lengths.get_mut(&modality).into_iter().flatten() {
        *length = (*length).min(i32::try_from(most).unwrap_or(i32::MAX));
    }
    fit(split, modality, most);
    Ok(())
}

fn record_lengths(split: &mut CorpusSplit, modality: Modality) -> Result<(), IngestError> {
    let Some(block) = split.features.get(&modality) else { return Ok(()) };
    if !split.lengths.contains_key(&modality) {
        let lengths = last_frames(split, modality, block)?.into_iter();
        let lengths = lengths.map(|n_frames| i32::try_from(n_frames).unwrap_or(i32::MAX));
        split.lengths.insert(modality, lengths.collect());
    }
    Ok(())
}

/// Number of frames per sample up to the last nonzero one.
fn last_frames(
    split: &CorpusSplit,
    modality: Modality,
    block: &FeatureBlock,
) -> Result<Vec<usize>, IngestError> {
    let [n_samples, seq_len, feat_dim] = block.shape;
    let n_values = seq_len.saturating_mul(feat_dim);
    (0..n_samples)
        .into_par_iter()
        .map_init(
            || vec![0.0; n_values],
            |buffer, sample_idx| {
                features::sample(split, modality, block, sample_idx, buffer)?;
                let last = buffer.iter().rposition(|value| *value != 0.0);
                let frame_idx = last.and_then(|last| last.checked_div(feat_dim));
                Ok(frame_idx.map_or(0, |frame_idx| frame_idx.saturating_add(1)))
            },
        )
        .collect()
}

/// Pads an integer column of all splits to its longest.
fn settle_column<D: Dimension + RemoveAxis>(
    splits: &mut [CorpusSplit],
    column: &str,
    axis: Axis,
    take: impl Fn(&mut CorpusSplit) -> Option<Array<i32, D>>,
    put: impl Fn(&mut CorpusSplit, Array<i32, D>),
    log: &mut Log,
) {
    let taken: Vec<Option<Array<i32, D>>> = splits.iter_mut().map(take).collect();
    let found = splits.iter().zip(&taken);
    let found = found.filter(|(split, _)| !split.ids.is_empty());
    let extents: Vec<(SplitName, usize)> = found
        .filter_map(|(split, values)| Some((split.name, values.as_ref()?.len_of(axis))))
        .collect();
    if let Some(longest) = differing(&extents) {
        log.note(padded(column, longest, &extents));
    }
    let longest = extents.iter().map(|(_, len)| *len).max();
    for (split, values) in splits.iter_mut().zip(taken) {
        let Some(values) = values else { continue };
        let values = match longest {
            Some(longest) if values.len_of(axis) < longest => {
                let mut shape = values.raw_dim();
                shape[axis.index()] = longest;
                let mut wider = Array::zeros(shape);
                let own = Slice::from(..values.len_of(axis));
                wider.slice_axis_mut(axis, own).assign(&values);
                wider
            }
            _ => values,
        };
        put(split, values);
    }
}
