//! How sequences become the segments of a store: one policy per question that the files leave open.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::corpus::Modality;
use crate::name::named;

macro_rules! policies {
    ($($(#[doc = $of:literal])* $kind:ident { $($(#[doc = $meaning:literal])* $value:ident $name:literal,)* })*) => {$(
        $(#[doc = $of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $kind {
            $($(#[doc = $meaning])* #[serde(rename = $name)] $value,)*
        }

        impl $kind {
            /// All of them, the default first.
            pub const ALL: &[$kind] = &[$($kind::$value),*];

            /// The name on the command line and in stores.
            pub fn name(self) -> &'static str {
                match self { $($kind::$value => $name,)* }
            }
        }

        impl Default for $kind {
            fn default() -> $kind {
                $kind::ALL[0]
            }
        }
    )*};
}

policies! {
    /// How the rows of a sequence that meet a row of the reference become one.
    Pooling {
        /// The mean of each column, weighted by the time of overlap.
        Overlap "overlap",
        /// The mean of each column, each row counted alike, as by the SDK.
        Mean "mean",
        /// The largest value of each column.
        Max "max",
        /// They do not: a segment keeps its rows, and each modality has its own number of steps.
        None "none",
    }

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

    /// What a row of the reference becomes in a sequence that has nothing at this time.
    Missing {
        /// Zeros.
        Zero "zero",
        /// The row of the reference is left out in all sequences.
        DropRow "drop-row",
        /// Its segment is left out.
        DropSegment "drop-segment",
    }

    /// Which values a mean or maximum is of.
    Values {
        /// Those that are finite; NaN where there is none.
        Finite "finite",
        /// All: NaN and infinity go through, as by the SDK.
        All "all",
    }

    /// What becomes of pauses among the words, `sp`.
    Pauses {
        /// They are left out in all sequences.
        Drop "drop",
        /// They are rows like words, and stay out of the text only.
        Keep "keep",
    }

    /// Which rows of a segment that is too long are kept.
    Cut {
        /// The first.
        Back "back",
        /// The last, as by the SDK's examples.
        Front "front",
    }
}

named!(Pooling, Border, Missing, Values, Pauses, Cut);

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
