//! BERT input: mask, padding, special tokens, recorded lengths.

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::{Context, Findings, Rule};
use crate::words::counted;

/// `[CLS]` and `[SEP]` in BERT's English and Chinese vocabularies.
const CLS: i32 = 101;
const SEP: i32 = 102;

pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    for (split, detail) in context.detailed() {
        let Some(tokens) = &detail.tokens else { continue };
        let rows = || tokens.axis_iter(Axis(0)).zip(&split.ids);
        let (mut masks, mut padding, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let is_bert = has_bert_vocabulary(rows().map(|(row, _)| row));
        for (row, id) in rows() {
            let Some((ids, mask)) = parts(row) else { continue };
            match n_tokens(mask) {
                Err(problem) => masks.push(format!("{id}: {problem}")),
                Ok(n_tokens) => {
                    if let Some(step) = (n_tokens..ids.len()).find(|step| ids[*step] != 0) {
                        padding.push(format!("{id}: {} at step {step}", ids[step]));
                    }
                    let (first, last) = (ids.first(), n_tokens.checked_sub(1).map(|n| ids[n]));
                    if is_bert && (first, last) != (Some(&CLS), Some(SEP)) {
                        let [first, last] = [first.copied(), last].map(shown);
                        ends.push(format!("{id}: {first} to {last}"));
                    }
                }
            }
        }
        let place = format!("{}/text_bert", split.name);
        findings.add_all(Rule::TokenMask, masks, |n| {
            format!("{place}: {} not ones followed by zeros", counted(n, "mask is", "masks are"))
        });
        findings.add_all(Rule::TokenPadding, padding, |n| {
            format!(
                "{place}: {} token ids where the mask is zero",
                counted(n, "row has", "rows have")
            )
        });
        findings.add_all(Rule::TokenEnds, ends, |n| {
            format!(
                "{place}: {} not begin with {CLS} ([CLS]) and end with {SEP} ([SEP])",
                counted(n, "row does", "rows do")
            )
        });
        let unlike = rows()
            .zip(detail.text_lengths.iter().flatten())
            .filter_map(|((row, id), length)| {
                let n_tokens = n_tokens(parts(row)?.1).ok()?;
                let same = usize::try_from(*length) == Ok(n_tokens);
                (!same).then(|| format!("{id}: {length}, the mask has {n_tokens}"))
            })
            .collect();
        findings.add_all(Rule::TokenLength, unlike, |n| {
            format!(
                "{}/text_lengths: {} the masks",
                split.name,
                counted(n, "length contradicts", "lengths contradict")
            )
        });
    }
}

/// Token ids and mask of a sample `[3, seq_len]`.
fn parts(row: ArrayView2<'_, i32>) -> Option<(ArrayView1<'_, i32>, ArrayView1<'_, i32>)> {
    (row.nrows() == 3).then(|| (row.index_axis_move(Axis(0), 0), row.index_axis_move(Axis(0), 1)))
}

fn shown(token: Option<i32>) -> String {
    token.map_or("nothing".into(), |token| token.to_string())
}

/// Number of leading ones; or else the first unexpected value.
fn n_tokens(mask: ArrayView1<'_, i32>) -> Result<usize, String> {
    let n_ones = mask.iter().take_while(|value| **value == 1).count();
    match mask.iter().enumerate().skip(n_ones).find(|(_, value)| **value != 0) {
        Some((step, value)) => Err(format!("{value} at step {step}, after {n_ones} ones")),
        None => Ok(n_ones),
    }
}

/// Whether most rows begin with BERT's `[CLS]`: other vocabularies have other special tokens.
fn has_bert_vocabulary<'a>(rows: impl Iterator<Item = ArrayView2<'a, i32>>) -> bool {
    let (mut n_rows, mut n_bert) = (0, 0);
    for row in rows {
        n_rows += 1;
        n_bert += usize::from(row.get([0, 0]) == Some(&CLS));
    }
    2 * n_bert > n_rows
}
