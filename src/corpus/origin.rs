//! Where splits come from, and the videos that they share.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Dataset;
use super::folds::Folds;
use super::segment::video_of;
use super::sharing::{IdsBySplit, SharedVideos};
use super::spec::{DatasetSpec, SplitBy};

/// Where splits come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SplitOrigin {
    /// They are those that the dataset was published with.
    Published,
    /// They came with the store, and are not the published ones.
    Own,
    /// They were drawn by `split`.
    Drawn,
}

impl SplitOrigin {
    /// Where a store's own splits come from: videos in their standard folds are published; without
    /// standard folds, splits that share as many videos as the published ones.
    pub fn of_store(dataset: Dataset, ids: &IdsBySplit<'_>) -> SplitOrigin {
        let shared = DatasetSpec::of(dataset).and_then(|spec| spec.published_videos);
        let is_published = match (Folds::of(dataset), shared) {
            (Some(folds), _) => ids.iter().all(|(split, ids)| {
                ids.iter().all(|id| folds.split_of(video_of(id)) == Some(*split))
            }),
            (None, Some(published)) => SharedVideos::of(ids).are_of(&published),
            (None, None) => false,
        };
        if is_published { SplitOrigin::Published } else { SplitOrigin::Own }
    }
}

/// The splits that a run was trained and judged on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitRecord {
    /// Where they come from.
    pub origin: SplitOrigin,
    /// What was kept together where they, or only the validation split, were drawn; absent if that is
    /// not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<SplitBy>,
    /// The videos that they share.
    pub videos: SharedVideos,
}

/// Such as `published, 59 of 60 training videos also in test`.
impl fmt::Display for SplitRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.origin, self.by) {
            (SplitOrigin::Published, None) => f.write_str("published")?,
            (SplitOrigin::Published, Some(by)) => write!(f, "published, valid drawn by {by}")?,
            (SplitOrigin::Own, None) => f.write_str("the store's own")?,
            (SplitOrigin::Own, Some(by)) => write!(f, "the store's own, valid drawn by {by}")?,
            (SplitOrigin::Drawn, None) => f.write_str("drawn")?,
            (SplitOrigin::Drawn, Some(by)) => write!(f, "drawn by {by}")?,
        }
        write!(f, ", {}", self.videos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::SplitName;

    fn ids<'a>(train: &[&'a str], valid: &[&'a str], test: &[&'a str]) -> IdsBySplit<'a> {
        SplitName::ALL.into_iter().zip([train.into(), valid.into(), test.into()]).collect()
    }

    #[test]
    fn splits_are_published_by_their_folds_or_by_the_figures_of_the_publication() {
        let of = SplitOrigin::of_store;
        let mosi = ids(&["03bSnISJMiM$_$1"], &[], &[]);
        assert_eq!(of(Dataset::Mosi, &mosi), SplitOrigin::Published);
        let moved = ids(&[], &["03bSnISJMiM$_$1"], &[]);
        assert_eq!(of(Dataset::Mosi, &moved), SplitOrigin::Own);
        let videos: Vec<String> = (0..60).map(|n| format!("video_{n:04}$_$0001")).collect();
        let train: Vec<&str> = videos.iter().map(String::as_str).collect();
        let published = ids(&train, &train[..59], &train[1..]);
        assert_eq!(of(Dataset::Sims, &published), SplitOrigin::Published);
        assert_eq!(of(Dataset::Sims, &ids(&train, &train[..59], &train)), SplitOrigin::Own);
        // Splits that are absent contradict nothing.
        assert_eq!(of(Dataset::Sims, &ids(&train, &[], &train[1..])), SplitOrigin::Published);
        assert_eq!(of(Dataset::Simsv2, &published), SplitOrigin::Own);
    }

    #[test]
    fn a_record_says_which_splits_a_figure_is_of() {
        let videos = SharedVideos { train: 60, in_valid: Some(0), in_test: Some(59) };
        let record = |origin, by| SplitRecord { origin, by, videos }.to_string();
        let words = "59 of 60 training videos also in test";
        assert_eq!(record(SplitOrigin::Published, None), format!("published, {words}"));
        assert_eq!(record(SplitOrigin::Own, None), format!("the store's own, {words}"));
        let drawn = record(SplitOrigin::Drawn, Some(SplitBy::Video));
        assert_eq!(drawn, format!("drawn by video, {words}"));
        let valid = record(SplitOrigin::Published, Some(SplitBy::Segment));
        assert_eq!(valid, format!("published, valid drawn by segment, {words}"));
    }
}
