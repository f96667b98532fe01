//! Finds equal content under two ids, by a digest of each row. All-zero rows have none, because they
//! have no content to compare.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::{Modality, SplitName};
use super::facts::RowDigest;
use super::{Context, Findings, Rule, SplitDetail, SplitFacts};
use crate::words::counted;

pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    let whole = check_segments(context, findings);
    for modality in Modality::ALL {
        check_blocks(context, modality, &whole, findings);
    }
}

/// A segment by its split and row.
type Place = (SplitName, usize);

fn id_of(split: &SplitFacts, row: usize) -> &str {
    split.ids.get(row).map_or("?", String::as_str)
}

/// Digests of a row's modalities; `None` for fewer than two, which are weak evidence.
fn segment_key(detail: &SplitDetail, row: usize) -> Option<Vec<(Modality, RowDigest)>> {
    let key: Vec<(Modality, RowDigest)> = detail
        .blocks
        .iter()
        .filter_map(|(modality, block)| Some((*modality, (*block.digests.get(row)?)?)))
        .collect();
    (key.len() > 1).then_some(key)
}

/// Returns the segments that equal an earlier one in all modalities.
fn check_segments(context: &Context<'_>, findings: &mut Findings) -> HashSet<Place> {
    let mut first: HashMap<Vec<(Modality, RowDigest)>, (SplitName, &str)> = HashMap::new();
    let mut whole = HashSet::new();
    let mut within: BTreeMap<SplitName, Vec<String>> = BTreeMap::new();
    let mut across = Vec::new();
    for (split, detail) in context.detailed() {
        for row in 0..split.ids.len() {
            let Some(key) = segment_key(detail, row) else { continue };
            let id = id_of(split, row);
            let (home, original) = *first.entry(key).or_insert((split.name, id));
            if (home, original) == (split.name, id) {
                continue;
            }
            whole.insert((split.name, row));
            match home == split.name {
                true => {
                    within.entry(home).or_default().push(format!("{id} is {original}"));
                }
                false => across.push(format!("{} {id} is {home} {original}", split.name)),
            }
        }
    }
    for (name, places) in within {
        findings.add_all(Rule::SameSegment, places, |n| {
            format!(
                "{name}: {} to another one in all modalities",
                counted(n, "segment is identical", "segments are identical")
            )
        });
    }
    findings.add_all(Rule::SameSegmentAcross, across, |n| {
        format!(
            "{} to one of another split in all modalities",
            counted(n, "segment is identical", "segments are identical")
        )
    });
    whole
}

fn check_blocks(
    context: &Context<'_>,
    modality: Modality,
    whole: &HashSet<Place>,
    findings: &mut Findings,
) {
    let mut first: HashMap<RowDigest, (SplitName, &str)> = HashMap::new();
    let mut places = Vec::new();
    let mut n_across = 0;
    for (split, detail) in context.detailed() {
        let digests = detail.blocks.get(&modality).map_or(&[][..], |block| &block.digests);
        for (row, digest) in digests.iter().enumerate() {
            let Some(digest) = digest else { continue };
            let id = id_of(split, row);
            let (home, original) = *first.entry(*digest).or_insert((split.name, id));
            let is_first = (home, original) == (split.name, id);
            if is_first || whole.contains(&(split.name, row)) {
                continue;
            }
            n_across += usize::from(home != split.name);
            places.push(format!("{} {id} is {home} {original}", split.name));
        }
    }
    findings.add_all(Rule::SameBlock, places, |n| {
        format!("{} the same {modality} features as another segment ({n_across} of these in another split)", counted(n, "segment has", "segments have"))
    });
}
