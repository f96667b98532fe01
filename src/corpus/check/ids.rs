//! Segment ids: their spelling, duplicates, and the videos that they name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::folds::Folds;
use super::super::origin::SplitOrigin;
use super::super::segment::{Spelling, video_of};
use super::super::sharing::{IdsBySplit, SharedVideos};
use super::super::spec::{DatasetSpec, SplitBy};
use super::super::{Dataset, SplitName};
use super::{Context, Finding, Findings, Rule, Severity};
use crate::words::counted;

pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    check_form(context, findings);
    check_unique(context, findings);
    let mut ids = IdsBySplit::new();
    for split in context.splits {
        ids.insert(split.name, split.ids.iter().map(String::as_str).collect());
    }
    let homes = homes(&ids);
    check_videos(context.dataset, &ids, &homes, None, findings);
    if let Some(folds) = Folds::of(context.dataset) {
        check_folds(folds, &homes, findings);
    }
}

/// Checks the videos of splits that were drawn, from the ids of their segments.
pub fn check_drawn(dataset: Dataset, ids: &IdsBySplit<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    check_videos(dataset, ids, &homes(ids), Some(SplitOrigin::Drawn), &mut findings);
    findings.0
}

/// The splits of each video.
type Homes<'a> = BTreeMap<&'a str, BTreeSet<SplitName>>;

fn homes<'a>(ids: &IdsBySplit<'a>) -> Homes<'a> {
    let mut homes = Homes::new();
    for (split, ids) in ids {
        for id in ids {
            homes.entry(video_of(id)).or_default().insert(*split);
        }
    }
    homes
}

const KEEP_WHOLE: &str = "`almt-data split STORE.h5 --k-fold 5 --by video -o SPLITS.json` keeps \
                          videos whole, for `train --manifest SPLITS.json`";

/// Videos in two splits; of a store's own splits, the origin is found out.
fn check_videos(
    dataset: Dataset,
    ids: &IdsBySplit<'_>,
    homes: &Homes<'_>,
    origin: Option<SplitOrigin>,
    findings: &mut Findings,
) {
    let is_of_two = |(_, names): &(&&str, &BTreeSet<SplitName>)| names.len() > 1;
    let shown =
        |(video, names): (&&str, &BTreeSet<SplitName>)| format!("{video} in {}", joined(names));
    let leaks = homes.iter().filter(is_of_two);
    if DatasetSpec::of(dataset).is_some_and(|spec| spec.split_by == SplitBy::Video) {
        findings.add_all(Rule::Leakage, leaks.map(shown).collect(), |n| {
            format!("{} segments in more than one split", counted(n, "video has", "videos have"))
        });
        if origin == Some(SplitOrigin::Drawn) {
            findings.0.iter_mut().for_each(|finding| finding.advice = KEEP_WHOLE);
        }
        return;
    }
    let shared = SharedVideos::of(ids);
    if !shared.any() {
        return;
    }
    let origin = origin.unwrap_or_else(|| SplitOrigin::of_store(dataset, ids));
    let (severity, words) = match origin {
        SplitOrigin::Published => (Severity::Info, "published splits"),
        SplitOrigin::Own => (Severity::Warning, "the store's own splits"),
        SplitOrigin::Drawn => (Severity::Error, "splits that were drawn"),
    };
    let of_train = leaks.filter(|(_, names)| names.contains(&SplitName::Train));
    let places: Vec<String> = of_train.map(shown).collect();
    let n_shared = places.len() as u64;
    let mut finding =
        Finding::new(Rule::SharedVideos, format!("{words}: {shared}"), n_shared, places);
    finding.severity = severity;
    if origin != SplitOrigin::Published {
        finding.advice = KEEP_WHOLE;
    }
    findings.0.push(finding);
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
