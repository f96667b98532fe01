//! Detects the side on which a source's samples are padded, and moves them to the front.
//!
//! MMSA pads at the back, MulT, the CMU SDK and MultiBench at the front
//! (yaohungt/Multimodal-Transformer#3), MMSA-FET at either side
//! (thuiar/MMSA-FET:src/MSA_FET/dataset.py). A reader that assumes the wrong side sees only zeros, so
//! the side is detected from the data by counting all-zero frames at the start and at the end of
//! samples.
//!
//! A sample is moved by rotating its frames: everything before its first frame comes after the last
//! one, so that no value can be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::corpus::{CorpusSplit, FeatureBlock, Modality, RowError, Rows};
use crate::overflow::Overflows;

use super::evidence::{PaddingEvidence, Side};
use super::log::Log;
use super::{IngestError, features};

/// All-zero frames at both ends of one sample; `None` if all of its frames are zero.
fn ends(values: &[f32], feat_dim: usize) -> Option<(usize, usize)> {
    let is_filled = |value: &f32| *value != 0.0;
    let first = values.iter().position(is_filled)?;
    let last = values.iter().rposition(is_filled)?;
    let n_after = values.len().checked_sub(last)?.checked_sub(1)?;
    Some((first.checked_div(feat_dim)?, n_after.checked_div(feat_dim)?))
}

/// All-zero frames at both ends of one sample, which is read into `buffer`.
fn ends_of(
    split: &CorpusSplit,
    modality: Modality,
    block: &FeatureBlock,
    sample_idx: usize,
    buffer: &mut Vec<f32>,
) -> Result<Option<(usize, usize)>, IngestError> {
    let [_, seq_len, feat_dim] = block.shape;
    buffer.resize(seq_len.saturating_mul(feat_dim), 0.0);
    features::sample(split, modality, block, sample_idx, buffer)?;
    Ok(ends(buffer, feat_dim))
}

/// Counts the all-zero frames at both ends of samples spread over the splits. A few samples reveal
/// padding at the front, and reading all would double the work on a large file.
fn evidence(splits: &[CorpusSplit], modality: Modality) -> Result<PaddingEvidence, IngestError> {
    const MOST_PER_SPLIT: usize = 64;
    let mut found = PaddingEvidence {
        column: modality.name(),
        side: Side::None,
        n_samples: 0,
        n_leading: 0,
        n_trailing: 0,
    };
    let mut buffer = Vec::new();
    for split in splits {
        let Some(block) = split.features.get(&modality) else { continue };
        let [n_samples, _, _] = block.shape;
        let n_taken = n_samples.min(MOST_PER_SPLIT);
        for step in 0..n_taken {
            let sample_idx = step.saturating_mul(n_samples).checked_div(n_taken).unwrap_or(0);
            if let Some((leading, trailing)) =
                ends_of(split, modality, block, sample_idx, &mut buffer)?
            {
                found.n_samples += 1;
                found.n_leading += leading as u64;
                found.n_trailing += trailing as u64;
            }
        }
    }
    found.side = Side::of(found.n_leading, found.n_trailing);
    Ok(found)
}

/// All-zero frames before the first nonzero one, per sample; all frames for a sample of zeros.
fn leading(
    split: &CorpusSplit,
    modality: Modality,
    block: &FeatureBlock,
) -> Result<Vec<usize>, IngestError> {
    let [n_samples, seq_len, _] = block.shape;
    (0..n_samples)
        .into_par_iter()
        .map_init(Vec::new, |buffer, sample_idx| {
            let ends = ends_of(split, modality, block, sample_idx, buffer)?;
            Ok(ends.map_or(seq_len, |(first, _)| first))
        })
        .collect()
}

/// Another block's samples, each rotated to the front by its number of frames.
struct Rotated {
    rows: Arc<dyn Rows>,
    feat_dim: usize,
    shifts: Vec<usize>,
}

impl Rows for Rotated {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError> {
        let overflows = self.rows.read(sample_idx, out)?;
        let shift = self.shifts.get(sample_idx).copied().unwrap_or(0);
        let shift = shift.saturating_mul(self.feat_dim).min(out.len());
        out.rotate_left(shift);
        Ok(overflows.rotated_left(shift, out.len()))
    }
}

fn rotate(split: &mut CorpusSplit, modality: Modality, shifts: Vec<usize>) {
    if let Some(FeatureBlock { shape, rows }) = split.features.remove(&modality) {
        let rows = Arc::new(Rotated { rows, feat_dim: shape[2], shifts });
        split.features.insert(modality, FeatureBlock { shape, rows });
    }
}

/// Moves the samples of every column that is padded at the front, and records lengths that the source
/// lacks. `ragged` names the modalities with unpadded samples.
///
/// # Errors
/// If a sample cannot be read.
pub(super) fn settle(
    splits: &mut [CorpusSplit],
    ragged: &BTreeSet<Modality>,
    log: &mut Log,
) -> Result<(), IngestError> {
    let token_shifts = settle_tokens(splits, log);
    let mut sides = BTreeMap::new();
    for modality in Modality::ALL.into_iter().filter(|modality| !ragged.contains(modality)) {
        if splits.iter().any(|split| split.features.contains_key(&modality)) {
            let evidence = evidence(splits, modality)?;
            sides.insert(modality, evidence.side);
            log.padding.push(evidence);
        }
    }
    let of_side = |wanted: Side| sides.iter().filter(move |(_, side)| **side == wanted);
    let names = |wanted: Side| of_side(wanted).map(|(modality, _)| modality.name());
    // If some are already padded at the back, equal step numbers do not belong together.
    let is_mixed = names(Side::Front).next().is_some() && names(Side::Back).next().is_some();
    let have_a_step_per_word = splits.iter().all(|split| is_aligned(split, &sides));
    if is_mixed && have_a_step_per_word {
        log.note(format!(
            "modalities are padded on different sides in the source, at the front: {}; at the back: \
             {}",
            names(Side::Front).collect::<Vec<_>>().join(", "),
            names(Side::Back).collect::<Vec<_>>().join(", "),
        ));
    }
    for (modality, _) in of_side(Side::Unclear) {
        log.note(format!(
            "{modality}: the samples have all-zero frames on both sides and were left unchanged"
        ));
    }
    let mut n_moved = BTreeMap::new();
    let is_aligned = have_a_step_per_word && !is_mixed;
    for (split, token_shifts) in splits.iter_mut().zip(token_shifts) {
        settle_split(split, &sides, is_aligned, token_shifts, &mut n_moved, log)?;
    }
    for (modality, n_moved) in n_moved {
        log.note(match (sides.get(&modality), n_moved) {
            (Some(Side::Front), 0) => format!(
                "{modality}: samples are padded at the front and were left so, beside others that \
                 begin with the first step"
            ),
            (Some(Side::Front), _) => format!(
                "{modality}: samples are padded at the front and were moved there, with the \
                 padding at the back"
            ),
            (_, 0) => continue,
            _ => format!(
                "{modality}: samples were moved with those beside them, which are padded at the \
                 front"
            ),
        });
    }
    Ok(())
}

/// Whether every modality has one step per word, judging by shapes: language is present, all have the
/// same number of steps, and none has its own lengths.
fn is_aligned(split: &CorpusSplit, sides: &BTreeMap<Modality, Side>) -> bool {
    let seq_lens: BTreeSet<usize> = split.features.values().map(|block| block.shape[1]).collect();
    sides.contains_key(&Modality::Text)
        && sides.len() == split.features.len()
        && seq_lens.len() == 1
        && split.lengths.is_empty()
}

fn settle_split(
    split: &mut CorpusSplit,
    sides: &BTreeMap<Modality, Side>,
    is_aligned: bool,
    token_shifts: Option<Vec<usize>>,
    n_moved: &mut BTreeMap<Modality, usize>,
    log: &mut Log,
) -> Result<(), IngestError> {
    let mut count = |modality: Modality, shifts: &[usize]| {
        *n_moved.entry(modality).or_default() += shifts.iter().filter(|shift| **shift > 0).count();
    };
    let is_front = |modality: &Modality| sides.get(modality) == Some(&Side::Front);
    // Recorded lengths are right by definition: the sample is that many last frames.
    let recorded: Vec<Modality> = split.lengths.keys().copied().filter(is_front).collect();
    for modality in recorded {
        let Some(block) = split.features.get(&modality) else { continue };
        let [_, seq_len, _] = block.shape;
        let lengths = split.lengths.get(&modality).into_iter().flatten();
        let shifts: Vec<usize> = lengths.map(|length| unfilled(seq_len, *length)).collect();
        count(modality, &shifts);
        rotate(split, modality, shifts);
    }
    let token_len = split.text_bert.as_ref().and_then(|tokens| tokens.shape().get(2).copied());
    let follows_tokens =
        |block: &FeatureBlock| token_shifts.is_some() && token_len == Some(block.shape[1]);
    let all_move = is_aligned && split.features.keys().any(is_front);
    let leads: BTreeMap<Modality, Vec<usize>> = split
        .features
        .iter()
        .filter(|(modality, _)| !split.lengths.contains_key(modality))
        .filter(|(modality, block)| all_move || is_front(modality) || follows_tokens(block))
        .map(|(modality, block)| Ok((*modality, leading(split, *modality, block)?)))
        .collect::<Result<_, IngestError>>()?;
    for (modality, own) in &leads {
        let Some(block) = split.features.get(modality) else { continue };
        let shifts = match &token_shifts {
            Some(shifts) if follows_tokens(block) => shifts.clone(),
            // Steps of aligned modalities belong together, so a sample moves by the same number of
            // frames in each: that of the modality that starts first.
            _ if all_move => least(&leads),
            _ => own.clone(),
        };
        let [_, seq_len, _] = block.shape;
        let lengths = own.iter().zip(&shifts).map(|(lead, shift)| {
            // A sample of zeros has no frames.
            let n_frames = if *lead >= seq_len { 0 } else { seq_len.saturating_sub(*shift) };
            i32::try_from(n_frames).unwrap_or(i32::MAX)
        });
        split.lengths.insert(*modality, lengths.collect());
        count(*modality, &shifts);
        log.note(format!(
            "{modality}_lengths: counted from the first frame that is not padding, since the \
             source has none"
        ));
        rotate(split, *modality, shifts);
    }
    Ok(())
}

/// Each sample's minimum over all modalities.
fn least(leads: &BTreeMap<Modality, Vec<usize>>) -> Vec<usize> {
    let mut all = leads.values();
    let mut least = all.next().cloned().unwrap_or_default();
    for other in all {
        least.iter_mut().zip(other).for_each(|(least, other)| *least = (*least).min(*other));
    }
    least
}

/// Padding steps of a sample of the given length.
fn unfilled(seq_len: usize, length: i32) -> usize {
    usize::try_from(length).ok().and_then(|length| seq_len.checked_sub(length)).unwrap_or(0)
}

/// Moves the tokens of all splits if their masks start with padding. Returns the number of steps by
/// which each sample was moved.
fn settle_tokens(splits: &mut [CorpusSplit], log: &mut Log) -> Vec<Option<Vec<usize>>> {
    let mut found = PaddingEvidence {
        column: "text_bert",
        side: Side::None,
        n_samples: 0,
        n_leading: 0,
        n_trailing: 0,
    };
    let mut leads = Vec::with_capacity(splits.len());
    for split in splits.iter() {
        let mut split_leads = Vec::new();
        for row in split.text_bert.iter().flat_map(|tokens| tokens.outer_iter()) {
            let mask = row.outer_iter().nth(1);
            let mask: Vec<bool> = mask.iter().flatten().map(|step| *step != 0).collect();
            let lead = mask.iter().position(|filled| *filled);
            if let (Some(lead), Some(last)) = (lead, mask.iter().rposition(|filled| *filled)) {
                found.n_samples += 1;
                found.n_leading += lead as u64;
                found.n_trailing += mask.len().saturating_sub(last).saturating_sub(1) as u64;
            }
            split_leads.push(lead.unwrap_or(0));
        }
        leads.push(split_leads);
    }
    if splits.iter().all(|split| split.text_bert.is_none()) {
        return vec![None; splits.len()];
    }
    found.side = Side::of(found.n_leading, found.n_trailing);
    let side = found.side;
    log.padding.push(found);
    if side != Side::Front {
        return vec![None; splits.len()];
    }
    log.note(
        "text_bert: samples are padded at the front and were moved there, with the padding at the \
         back",
    );
    for (split, leads) in splits.iter_mut().zip(&leads) {
        let samples = split.text_bert.iter_mut().flat_map(|tokens| tokens.outer_iter_mut());
        for (mut sample, lead) in samples.zip(leads) {
            for mut part in sample.outer_iter_mut() {
                if let Some(steps) = part.as_slice_mut() {
                    steps.rotate_left((*lead).min(steps.len()));
                }
            }
        }
    }
    leads.into_iter().map(|leads| (!leads.is_empty()).then_some(leads)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_inside_a_sample_are_no_padding() {
        let values = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0];
        assert_eq!(ends(&values, 2), Some((1, 1)));
        assert_eq!(ends(&[0.0, -0.0], 1), None);
        assert_eq!(ends(&[f32::NAN, 0.0], 1), Some((0, 1)));
        assert_eq!(ends(&[], 0), None);
    }

    #[test]
    fn a_frame_of_cls_at_the_start_does_not_decide() {
        assert_eq!(Side::of(64, 64 * 30), Side::Back);
        assert_eq!(Side::of(64 * 30, 64), Side::Front);
        assert_eq!(Side::of(64, 64), Side::Unclear);
        assert_eq!(Side::of(0, 0), Side::None);
    }

    #[test]
    fn a_wrong_length_moves_nothing() {
        assert_eq!(unfilled(5, 2), 3);
        assert_eq!(unfilled(5, 6), 0);
        assert_eq!(unfilled(5, -1), 0);
    }
}
