//! The types of values that an entry may have, once read.

use std::fmt;

/// The type of an entry's values, once read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeatureType {
    /// IEEE 754, 64 bits; also of integers.
    Float64,
    /// IEEE 754, 32 bits; also of 16 bits.
    Float32,
    /// Strings of a fixed number of bytes.
    Text {
        /// Bytes of one string; of strings of variable length, those of the longest, known only after
        /// reading, and 0 before.
        width: usize,
    },
}

impl fmt::Display for FeatureType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FeatureType::Float64 => f.write_str("float64"),
            FeatureType::Float32 => f.write_str("float32"),
            FeatureType::Text { width: 0 } => f.write_str("text"),
            FeatureType::Text { width } => write!(f, "text of {width} bytes"),
        }
    }
}
