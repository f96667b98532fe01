//! Draws splits: deals out groups of segments, the largest first, each to the part that it brings
//! nearest to its share of every label class.

use std::collections::{BTreeMap, HashSet};

use rand::seq::SliceRandom;

use super::SplitName;
use super::label::LabelScale;
use super::manifest::Manifest;
use super::plan::{Fold, Method, PLAN_VERSION, PlanError, SplitPlan};
use super::segment::video_of;
use super::spec::SplitBy;
use crate::seed::stream;
use crate::words::plural;

/// A segment, as needed for splitting.
#[derive(Debug, Clone)]
pub struct Drawable {
    /// Its id.
    pub id: String,
    /// Its overall label, or its class where classes have no values.
    pub label: f32,
}

/// Draws `k` folds, `k` being at least 3: each part is the test split once, and the next one is the
/// validation split. The same `seed` gives the same folds.
///
/// # Errors
/// There are fewer groups than parts.
pub fn k_fold(
    manifest: &Manifest,
    segments: &[Drawable],
    k: usize,
    by: SplitBy,
    seed: u64,
) -> Result<SplitPlan, PlanError> {
    let parts = deal(segments, by, manifest.scale(), &vec![1.0; k], seed)?;
    let folds = (0..k).map(|test| cross(&parts, test)).collect();
    Ok(plan(manifest, Method::KFold { k, by }, folds, seed))
}

/// Draws one fold with the given shares of train, valid and test, all non-negative. The same `seed`
/// gives the same fold.
///
/// # Errors
/// There are fewer groups than parts.
pub fn ratio(
    manifest: &Manifest,
    segments: &[Drawable],
    shares: [f64; 3],
    by: SplitBy,
    seed: u64,
) -> Result<SplitPlan, PlanError> {
    let parts = deal(segments, by, manifest.scale(), &shares, seed)?;
    let fold = SplitName::ALL.into_iter().zip(parts).collect();
    Ok(plan(manifest, Method::Ratio { shares, by }, vec![fold], seed))
}

/// Draws a validation split from the training split, whose segments are `train`, with the given shares
/// of the two, both nonzero; the test split stays the store's own. A validation split without labels, on
/// which nothing can be selected, is in no split of the fold. The same `seed` gives the same fold.
///
/// # Errors
/// The store has a validation split with labels already, or there are fewer groups than parts.
pub fn from_train(
    manifest: &Manifest,
    train: &[Drawable],
    shares: [f64; 2],
    by: SplitBy,
    seed: u64,
) -> Result<SplitPlan, PlanError> {
    let ids = |name| manifest.split(name).map_or(Vec::new(), |split| split.ids.clone());
    let n_segments = ids(SplitName::Valid).len();
    if n_segments > 0 && manifest.is_labelled(SplitName::Valid) {
        return Err(PlanError::HasValid { n_segments });
    }
    let parts = deal(train, by, manifest.scale(), &shares, seed)?;
    let mut fold: Fold = [SplitName::Train, SplitName::Valid].into_iter().zip(parts).collect();
    fold.insert(SplitName::Test, ids(SplitName::Test));
    Ok(plan(manifest, Method::FromTrain { shares, by }, vec![fold], seed))
}

/// Tells that a validation split without labels is left out in favour of a drawn one.
pub fn valid_left_out(n_segments: usize) -> String {
    let segments = plural(n_segments, "segment");
    format!("valid of the store, {segments} without labels, is left out")
}

fn plan(manifest: &Manifest, method: Method, folds: Vec<Fold>, seed: u64) -> SplitPlan {
    SplitPlan {
        version: PLAN_VERSION,
        dataset: manifest.dataset,
        store_digest: manifest.digest.clone(),
        seed,
        method,
        folds,
    }
}

/// The fold that tests on one part, validates on the next and trains on the others.
fn cross(parts: &[Vec<String>], test: usize) -> Fold {
    let valid = (test + 1) % parts.len();
    let mut fold: Fold = SplitName::ALL.map(|name| (name, Vec::new())).into();
    for (part_idx, part) in parts.iter().enumerate() {
        let name = match part_idx {
            _ if part_idx == test => SplitName::Test,
            _ if part_idx == valid => SplitName::Valid,
            _ => SplitName::Train,
        };
        fold.entry(name).or_default().extend(part.iter().cloned());
    }
    fold
}

/// Segments that stay together, and their number per class.
struct Group<'a> {
    ids: Vec<&'a str>,
    /// `[n_classes]`.
    counts: Vec<f64>,
}

/// Equal parts of a range without classes, of which each split gets its share.
const N_PARTS: usize = 5;

/// Number of classes that segments are spread by, and one for labels outside of them.
fn n_classes(scale: LabelScale<'_>) -> usize {
    let n_classes = match (scale, scale.finest()) {
        (LabelScale::Own(own), None) if own.is_unordered() => own.classes().len(),
        (_, None) => N_PARTS,
        (_, Some(finest)) => scale.class_names(finest).len(),
    };
    n_classes.saturating_add(1)
}

/// The class that a segment is spread by, from 1 on; 0 outside of all.
fn class(scale: LabelScale<'_>, n_classes: usize, label: f32) -> usize {
    let class = match (scale.finest(), scale.range()) {
        (Some(finest), _) => scale.class(finest, label).into(),
        (None, _) if label.is_nan() => -1.0,
        (None, None) => label,
        (None, Some([low, high])) => {
            ((label - low) / (high - low) * N_PARTS as f32).floor().clamp(0.0, N_PARTS as f32 - 1.0)
        }
    };
    // A float beyond the integers becomes the nearest one.
    ((class + 1.0).max(0.0) as usize).min(n_classes.saturating_sub(1))
}

/// Deals segments out to parts with the given shares; ids keep the store's order.
fn deal(
    segments: &[Drawable],
    by: SplitBy,
    scale: LabelScale<'_>,
    shares: &[f64],
    seed: u64,
) -> Result<Vec<Vec<String>>, PlanError> {
    let n_classes = n_classes(scale);
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    let mut seen = HashSet::new();
    // A duplicate id stays in one part with its duplicate.
    for segment in segments.iter().filter(|segment| seen.insert(&segment.id)) {
        let key = match by {
            SplitBy::Video => video_of(&segment.id),
            SplitBy::Segment => &segment.id,
        };
        let group = groups
            .entry(key)
            .or_insert_with(|| Group { ids: Vec::new(), counts: vec![0.0; n_classes] });
        group.ids.push(&segment.id);
        group.counts[class(scale, n_classes, segment.label)] += 1.0;
    }
    let mut groups: Vec<Group<'_>> = groups.into_values().collect();
    let n_parts = shares.iter().filter(|share| **share > 0.0).count();
    if groups.len() < n_parts {
        return Err(PlanError::TooFew { by, n_groups: groups.len(), n_parts });
    }
    // The shuffle decides between groups of equal size; the sort is stable.
    groups.shuffle(&mut stream(seed, "split"));
    groups.sort_by_key(|group| std::cmp::Reverse(group.ids.len()));
    let mut totals = vec![0.0; n_classes];
    for group in &groups {
        totals.iter_mut().zip(&group.counts).for_each(|(total, count)| *total += count);
    }
    let sum: f64 = shares.iter().sum();
    let mut parts: Vec<Part<'_>> =
        shares.iter().map(|share| Part::new(share / sum, &totals)).collect();
    let mut n_left = groups.len();
    for group in groups {
        // The last groups go to parts that would otherwise stay empty.
        let n_empty = parts.iter().filter(|part| part.is_wanting()).count();
        let must_fill = n_empty >= n_left;
        let possible =
            parts.iter_mut().filter(|part| part.share > 0.0 && (!must_fill || part.is_wanting()));
        let costs = possible.map(|part| (part.cost_of(&group), part));
        if let Some((_, part)) = costs.min_by(|one, other| one.0.total_cmp(&other.0)) {
            part.add(group);
        }
        n_left -= 1;
    }
    let order = |part: Part<'_>| {
        let members: HashSet<&str> = part.ids.into_iter().collect();
        let mut seen = HashSet::new();
        let ids = segments.iter().map(|segment| segment.id.as_str());
        ids.filter(|id| members.contains(id) && seen.insert(*id)).map(String::from).collect()
    };
    Ok(parts.into_iter().map(order).collect())
}

/// A part being filled.
struct Part<'a> {
    share: f64,
    ids: Vec<&'a str>,
    /// `[n_classes]`.
    counts: Vec<f64>,
    /// `[n_classes]`.
    targets: Vec<f64>,
}

impl<'a> Part<'a> {
    fn new(share: f64, totals: &[f64]) -> Part<'a> {
        let targets = totals.iter().map(|total| total * share).collect();
        Part { share, ids: Vec::new(), counts: vec![0.0; totals.len()], targets }
    }

    fn is_wanting(&self) -> bool {
        self.share > 0.0 && self.ids.is_empty()
    }

    /// Change of the part's distance from its targets when the group is added: the squared distance in
    /// each class and in size, relative to the target.
    fn cost_of(&self, group: &Group<'_>) -> f64 {
        let change = |count: f64, more: f64, target: f64| {
            let squares = (count + more - target).powi(2) - (count - target).powi(2);
            squares / target.max(1.0)
        };
        let classes = self.counts.iter().zip(&group.counts).zip(&self.targets);
        let by_class: f64 =
            classes.map(|((count, more), target)| change(*count, *more, *target)).sum();
        let sum = |values: &[f64]| values.iter().sum::<f64>();
        by_class + change(sum(&self.counts), sum(&group.counts), sum(&self.targets))
    }

    fn add(&mut self, group: Group<'a>) {
        self.ids.extend(group.ids);
        self.counts.iter_mut().zip(&group.counts).for_each(|(count, more)| *count += more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(n_videos: usize, n_clips: usize) -> Vec<Drawable> {
        let ids = (0..n_videos).flat_map(|v| (0..n_clips).map(move |c| format!("v{v}$_${c}")));
        ids.enumerate()
            .map(|(i, id)| Drawable { id, label: (i * 7 % 31) as f32 / 5.0 - 3.0 })
            .collect()
    }

    #[test]
    fn videos_stay_whole_and_every_segment_has_one_part() {
        let segments = segments(20, 6);
        let parts = deal(&segments, SplitBy::Video, LabelScale::Cmu, &[0.7, 0.1, 0.2], 7).unwrap();
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [84, 12, 24]);
        let mut videos = HashSet::new();
        for part in &parts {
            let own: HashSet<&str> = part.iter().map(|id| video_of(id)).collect();
            assert!(own.iter().all(|video| videos.insert(*video)), "a video in two parts");
        }
        let again = deal(&segments, SplitBy::Video, LabelScale::Cmu, &[0.7, 0.1, 0.2], 7).unwrap();
        let other = deal(&segments, SplitBy::Video, LabelScale::Cmu, &[0.7, 0.1, 0.2], 8).unwrap();
        assert!(parts == again && parts != other);
    }

    #[test]
    fn classes_are_spread_as_the_shares_are() {
        let segments = segments(200, 1);
        let parts = deal(&segments, SplitBy::Segment, LabelScale::Cmu, &[1.0; 5], 1).unwrap();
        let labels: BTreeMap<&str, f32> =
            segments.iter().map(|segment| (segment.id.as_str(), segment.label)).collect();
        for part in &parts {
            assert_eq!(part.len(), 40);
            let n_negative = part.iter().filter(|id| labels[id.as_str()] < -0.5).count();
            assert!((14..=18).contains(&n_negative), "{n_negative}");
        }
    }

    #[test]
    fn no_part_stays_empty_unless_there_are_too_few_groups() {
        let parts = deal(&segments(3, 9), SplitBy::Video, LabelScale::Cmu, &[0.9, 0.05, 0.05], 1);
        assert_eq!(parts.unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [9, 9, 9]);
        let refused = deal(&segments(2, 9), SplitBy::Video, LabelScale::Cmu, &[1.0; 3], 1);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.starts_with("2 videos cannot fill 3 parts"), "{refused}");
    }
}
