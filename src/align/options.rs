//! How sequences become the segments of a store: one policy per question that the files leave open.

use std::collections::BTreeMap;

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
