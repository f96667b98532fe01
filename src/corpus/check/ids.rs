//! Segment ids: their spelling, duplicates, and the videos that they name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::SplitName;
use super::super::folds::Folds;
use super::super::segment::{Spelling, video_of};
use super::super::spec::SplitBy;
use super::{Context, Findings, Rule};
use crate::words::counted;

pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    check_form(context, findings);
    check_unique(context, findings);
    let mut homes: BTreeMap<&str, BTreeSet<SplitName>> = BTreeMap::new();
    for split in context.splits {
        for id in &split.ids {
            homes.entry(video_of(id)).or_default().insert(split.name);
        }
    }
    if context.spec.split_by == SplitBy::Video {
        let leaks = homes
            .iter()
            .filter(|(_, names)| names.len() > 1)
            .map(|(video, names)| format!("{video} in {}", joined(names)))
            .collect();
        findings.add_all(Rule::Leakage, leaks, |n| {
            format!("{} segments in more than one split", counted(n, "video has", "videos have"))
        });
    }
    if let Some(folds) = Folds::of(context.dataset) {
        check_folds(folds, &homes, findings);
    }
}

fn joined(names: &BTreeSet<SplitName>) -> String {
    let names: Vec<&str> = names.iter().map(|name| name.name()).collect();
    names.join(" and ")
}

fn check_form(context: &Context<'_>, findings: &mut Findings) {
    let mut spellings: BTreeMap<Spelling, &str> = BTreeMap::new();
    let (mut unknown, mut blanks) = (Vec::new(), Vec::new());
    for id in context.splits.iter().flat_map(|split| &split.ids) {
        if id.trim() != id {
            blanks.push(format!("{id:?}"));
        }
        match Spelling::of(id) {
            Some(spelling) => {
                spellings.entry(spelling).or_insert(id);
            }
            None => unknown.push(format!("{id:?}")),
        }
    }
    findings.add_all(Rule::IdForm, unknown, |n| {
        format!(
            "{} not of the form VIDEO$_$CLIP, VIDEO[CLIP] or VIDEO_CLIP",
            counted(n, "id is", "ids are")
        )
    });
    findings.add_all(Rule::IdForm, blanks, |n| {
        format!("{} with a blank", counted(n, "id begins or ends", "ids begin or end"))
    });
    if spellings.len() > 1 {
        let message = format!("ids are spelled in {} ways", spellings.len());
        let examples = spellings.values().map(ToString::to_string).collect();
        findings.add(Rule::IdForm, message, spellings.len() as u64, examples);
    }
}

fn check_unique(context: &Context<'_>, findings: &mut Findings) {
    let mut seen: HashMap<&str, SplitName> = HashMap::new();
    let mut twice = Vec::new();
    for split in context.splits {
        for id in &split.ids {
            if let Some(first) = seen.insert(id.trim(), split.name) {
                twice.push(match first == split.name {
                    true => format!("{id} twice in {first}"),
                    false => format!("{id} in {first} and {}", split.name),
                });
            }
        }
    }
    findings.add_all(Rule::DuplicateId, twice, |n| {
        format!("{} more than once", counted(n, "id appears", "ids appear"))
    });
}

fn check_folds(
    folds: &Folds,
    homes: &BTreeMap<&str, BTreeSet<SplitName>>,
    findings: &mut Findings,
) {
    let (mut elsewhere, mut unknown) = (Vec::new(), Vec::new());
    for (video, names) in homes {
        match folds.split_of(video) {
            None => unknown.push(video.to_string()),
            Some(fold) if names.iter().any(|name| *name != fold) => {
                elsewhere.push(format!("{video} in {}, expected {fold}", joined(names)));
            }
            Some(_) => {}
        }
    }
    findings.add_all(Rule::FoldSplit, elsewhere, |n| {
        format!("{n} of {} videos are in a different split than in the standard folds", homes.len())
    });
    findings.add_all(Rule::NoFold, unknown, |n| {
        format!("{n} of {} videos are in no standard fold", homes.len())
    });
}
