//! The standard folds of CMU-MOSI and CMU-MOSEI: the split of each video, from CMU-MultimodalSDK
//! `standard_datasets/*/cmu_*_std_folds.py` (`schemas/folds/*.json`).

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;

use super::{Dataset, SplitName};

/// The split of every video in one dataset.
#[derive(Debug)]
pub struct Folds {
    splits: HashMap<String, SplitName>,
}

/// The file of folds.
#[derive(Deserialize)]
struct FoldsFile {
    folds: BTreeMap<SplitName, Vec<String>>,
}

impl Folds {
    /// A dataset's standard folds; `None` if it has none by video.
    pub fn of(dataset: Dataset) -> Option<&'static Folds> {
        static FOLDS: LazyLock<[Folds; 2]> = LazyLock::new(|| {
            [
                include_str!("../../schemas/folds/mosi.json"),
                include_str!("../../schemas/folds/mosei.json"),
            ]
            .map(|text| {
                let file: FoldsFile =
                    serde_json::from_str(text).expect("the embedded folds are tested");
                let videos = file.folds.into_iter();
                let splits = videos
                    .flat_map(|(split, videos)| videos.into_iter().map(move |v| (v, split)))
                    .collect();
                Folds { splits }
            })
        });
        match dataset {
            Dataset::Mosi => Some(&FOLDS[0]),
            Dataset::Mosei => Some(&FOLDS[1]),
            Dataset::Sims | Dataset::Simsv2 | Dataset::Own => None,
        }
    }

    /// A video's split; `None` if it is in no fold.
    pub fn split_of(&self, video: &str) -> Option<SplitName> {
        self.splits.get(video).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folds_have_their_published_sizes() {
        for (dataset, expected) in
            [(Dataset::Mosi, [52, 10, 31]), (Dataset::Mosei, [2249, 300, 678])]
        {
            let folds = Folds::of(dataset).unwrap();
            let sizes = SplitName::ALL
                .map(|name| folds.splits.values().filter(|split| **split == name).count());
            assert_eq!(sizes, expected, "{dataset}");
        }
        let mosi = Folds::of(Dataset::Mosi).unwrap();
        assert_eq!(mosi.split_of("03bSnISJMiM"), Some(SplitName::Train));
        assert!(Folds::of(Dataset::Sims).is_none());
    }
}
