//! Parameters of a synthetic pickle.

use crate::corpus::Dataset;

/// Steps and features of the three modalities, as in the public files.
pub(super) struct Shapes {
    pub(super) text: [usize; 2],
    pub(super) audio: [usize; 2],
    pub(super) vision: [usize; 2],
    /// Every modality has one step per word, and no lengths are recorded.
    pub(super) aligned: bool,
}

impl Shapes {
    /// The shapes of a dataset's files; CH-SIMS has no aligned ones, and those of one's own are like
    /// CMU-MOSI's.
    pub(super) fn of(dataset: Dataset, unaligned: bool) -> Shapes {
        let (text, audio, vision, aligned) = match (dataset, unaligned) {
            (Dataset::Mosi | Dataset::Own, false) => ([50, 768], [50, 5], [50, 20], true),
            (Dataset::Mosi | Dataset::Own, true) => ([50, 768], [375, 5], [500, 20], false),
            (Dataset::Mosei, false) => ([50, 768], [50, 74], [50, 35], true),
            (Dataset::Mosei, true) => ([50, 768], [500, 74], [500, 35], false),
            (Dataset::Sims, _) => ([39, 768], [400, 33], [55, 709], false),
            (Dataset::Simsv2, _) => ([50, 768], [925, 25], [232, 177], false),
        };
        Shapes { text, audio, vision, aligned }
    }
}

/// Parameters of a synthetic pickle.
pub(super) struct Recipe {
    pub(super) dataset: Dataset,
    pub(super) shapes: Shapes,
    /// Each modality carries a part of the label that the others lack.
    pub(super) complementary: bool,
}
