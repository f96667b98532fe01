//! What intervals of time leave open: one policy per question.

use serde::{Deserialize, Serialize};

use crate::name::named;

/// Enumerations of policies, with their names on the command line and in stores.
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

pub(crate) use policies;

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
}

named!(Pooling, Missing, Values, Pauses);
