//! Videos that the training split shares with the splits that a model is judged on.
//!
//! A model that has seen a speaker in a recording does better on other segments of that recording. So a
//! figure on splits that share videos is not one on new videos, whoever drew them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SplitName;
use super::segment::video_of;

/// Videos of the training split that other splits have too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedVideos {
    /// Videos of the training split.
    pub train: usize,
    /// Those of them that are also in the validation split; absent without a validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_valid: Option<usize>,
    /// Those of them that are also in the test split; absent without a test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_test: Option<usize>,
}

/// The ids of each split.
pub type IdsBySplit<'a> = BTreeMap<SplitName, Vec<&'a str>>;

impl SharedVideos {
    /// Counts the videos that splits with these segment ids share.
    pub fn of(ids: &IdsBySplit<'_>) -> SharedVideos {
        let videos = |split: SplitName| -> BTreeSet<&str> {
            ids.get(&split).into_iter().flatten().map(|id| video_of(id)).collect()
        };
        let train = videos(SplitName::Train);
        let shared = |split: SplitName| {
            let other = videos(split);
            (!other.is_empty()).then(|| train.intersection(&other).count())
        };
        SharedVideos {
            train: train.len(),
            in_valid: shared(SplitName::Valid),
            in_test: shared(SplitName::Test),
        }
    }

    /// Whether any video is shared.
    pub fn any(&self) -> bool {
        [self.in_valid, self.in_test].into_iter().flatten().any(|n| n > 0)
    }

    /// Whether these are the figures of all `published` splits that are there.
    pub fn are_of(&self, published: &SharedVideos) -> bool {
        let same = |found: Option<usize>, expected| found.is_none() || found == expected;
        self.train == published.train
            && same(self.in_valid, published.in_valid)
            && same(self.in_test, published.in_test)
    }
}

/// Such as `59 of 60 training videos also in test`; of the validation split only if it shares videos.
impl fmt::Display for SharedVideos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.train == 1 { "" } else { "s" };
        match (self.in_test, self.in_valid.filter(|n| *n > 0)) {
            (Some(test), Some(valid)) => {
                write!(
                    f,
                    "{test} of {} training video{s} also in test, {valid} in valid",
                    self.train
                )
            }
            (Some(test), None) => {
                write!(f, "{test} of {} training video{s} also in test", self.train)
            }
            (None, Some(valid)) => {
                write!(f, "{valid} of {} training video{s} also in valid", self.train)
            }
            (None, None) => f.write_str("no training video also in valid"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<'a>(train: &[&'a str], valid: &[&'a str], test: &[&'a str]) -> IdsBySplit<'a> {
        SplitName::ALL.into_iter().zip([train.into(), valid.into(), test.into()]).collect()
    }

    #[test]
    fn shared_videos_are_counted_once_each_and_named_in_words() {
        let train = ["a$_$1", "a$_$2", "b$_$1", "c$_$1"];
        let shared = SharedVideos::of(&ids(&train, &["d$_$1"], &["a$_$3", "a$_$4", "b$_$2"]));
        assert_eq!(shared, SharedVideos { train: 3, in_valid: Some(0), in_test: Some(2) });
        assert_eq!(shared.to_string(), "2 of 3 training videos also in test");
        let both = SharedVideos::of(&ids(&train[..1], &["a$_$5"], &["a$_$6"]));
        assert_eq!(both.to_string(), "1 of 1 training video also in test, 1 in valid");
        let none = SharedVideos::of(&ids(&train, &[], &[]));
        assert!(!none.any() && none.in_test.is_none());
        assert_eq!(none.to_string(), "no training video also in valid");
    }
}
