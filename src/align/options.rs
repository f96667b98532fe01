//! How sequences become the segments of a store: one policy per question that the files leave open.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::corpus::Modality;
use crate::intervals::{Missing, Pauses, Pooling, Values, policies};
use crate::name::named;

policies! {
    /// Which segment gets a row over the border of two.
    Border {
        /// The one with the larger share of the row; the earlier of two equal ones. Segments that overlap
        /// each get a row that lies in both.
        Larger "larger",
        /// Every segment that it meets, as by the SDK.
        Both "both",
        /// None: rows must lie within a segment.
        Inside "inside",
    }

    /// Which rows of a segment that is too long are kept.
    Cut {
        /// The first.
        Back "back",
        /// The last, as by the SDK's examples.
        Front "front",
    }
}

named!(Border, Cut);

/// Options of an alignment. A store records them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AlignOptions {
    /// How rows become one per row of the reference.
    pub pooling: Pooling,
    /// Which segment gets a row over a border.
    pub border: Border,
    /// What stands for nothing.
    pub missing: Missing,
    /// Which values a mean is of.
    pub values: Values,
    /// What becomes of pauses.
    pub pauses: Pauses,
    /// Number of rows beyond which segments of a modality are cut.
    pub max_len: BTreeMap<Modality, usize>,
    /// Which rows are then kept.
    pub cut: Cut,
}

/// The files to align.
#[derive(Debug, Clone)]
pub struct AlignInputs {
    /// The sequence whose rows are the steps of a segment: words, or vectors of words.
    pub reference: PathBuf,
    /// The sequence whose rows are the segments.
    pub labels: PathBuf,
    /// Features, one file per modality.
    pub sequences: BTreeMap<Modality, PathBuf>,
    /// Vectors of the words, as text features.
    pub vectors: Option<PathBuf>,
}

/// How sequences become segments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// By the time of overlap, with these policies.
    Overlap(AlignOptions),
    /// As the SDK does it. Without a recipe, the one that fits the reference.
    Sdk {
        /// The recipe.
        recipe: Option<Recipe>,
        /// Number of rows beyond which segments of a modality are cut: the first rows of
        /// [`Recipe::Tutorial`] are kept, and the last of [`Recipe::Examples`].
        max_len: BTreeMap<Modality, usize>,
    },
}

impl Default for Mode {
    fn default() -> Mode {
        Mode::Overlap(AlignOptions::default())
    }
}

/// A published sequence of the SDK's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// That of the SDK's examples: [`sdk::recipe_a`](super::sdk::recipe_a). The reference holds numbers, such as word vectors.
    Examples,
    /// That of a tutorial, which MISA, BBFN and MMIM follow: [`sdk::recipe_b`](super::sdk::recipe_b). The reference holds words.
    Tutorial,
}

impl Recipe {
    /// Both.
    pub const ALL: [Recipe; 2] = [Recipe::Examples, Recipe::Tutorial];

    /// The name on the command line and in stores.
    pub fn name(self) -> &'static str {
        match self {
            Recipe::Examples => "examples",
            Recipe::Tutorial => "tutorial",
        }
    }
}

named!(Recipe);

/// The recipe that fits a reference of words, or of numbers.
pub(super) fn fitting(has_words: bool) -> Recipe {
    if has_words { Recipe::Tutorial } else { Recipe::Examples }
}
