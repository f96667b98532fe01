//! Source values that a store cannot hold unchanged: those that are not finite, and finite ones beyond
//! the range of the stored type.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::named;

/// What is unusual about a value.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ValueKind {
    /// Not a number, whatever its bits.
    #[serde(rename = "NaN")]
    Nan,
    /// Positive infinity in the source.
    #[serde(rename = "+inf")]
    PosInf,
    /// Negative infinity in the source.
    #[serde(rename = "-inf")]
    NegInf,
    /// Finite in the source, and beyond the range of the stored type.
    #[serde(rename = "overflow")]
    Overflow,
}

impl ValueKind {
    /// All kinds.
    pub const ALL: [ValueKind; 4] =
        [ValueKind::Nan, ValueKind::PosInf, ValueKind::NegInf, ValueKind::Overflow];

    /// The name in messages and manifests.
    pub fn name(self) -> &'static str {
        match self {
            ValueKind::Nan => "NaN",
            ValueKind::PosInf => "+inf",
            ValueKind::NegInf => "-inf",
            ValueKind::Overflow => "overflow",
        }
    }

    /// Classifies a float32 value, with the corresponding source value; `None` for an ordinary one.
    /// Magnitudes from `limit` on are beyond the stored type; `overflow` returns the source's value if
    /// that is finite and became infinite.
    pub fn of(
        value: f32,
        limit: f32,
        overflow: impl FnOnce() -> Option<f64>,
    ) -> Option<(ValueKind, f64)> {
        if value.abs() < limit {
            return None;
        }
        let source = f64::from(value);
        Some(match overflow() {
            _ if value.is_nan() => (ValueKind::Nan, source),
            Some(wide) => (ValueKind::Overflow, wide),
            None if value == f32::INFINITY => (ValueKind::PosInf, source),
            None if value == f32::NEG_INFINITY => (ValueKind::NegInf, source),
            None => (ValueKind::Overflow, source),
        })
    }
}

named!(ValueKind);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_from_the_source() {
        let none = || None;
        assert_eq!(ValueKind::of(f32::MAX, f32::INFINITY, none), None);
        assert_eq!(ValueKind::of(-0.0, f32::INFINITY, none), None);
        let of = |value, overflow| ValueKind::of(value, f32::INFINITY, || overflow).unwrap().0;
        assert_eq!(of(f32::NAN, None), ValueKind::Nan);
        assert_eq!(of(f32::INFINITY, None), ValueKind::PosInf);
        assert_eq!(of(f32::NEG_INFINITY, None), ValueKind::NegInf);
        assert_eq!(of(f32::NEG_INFINITY, Some(-4.2e40)), ValueKind::Overflow);
        let beyond_half = ValueKind::of(-65_520.0, 65_520.0, none);
        assert_eq!(beyond_half, Some((ValueKind::Overflow, -65_520.0)));
        assert_eq!(ValueKind::of(65_519.0, 65_520.0, none), None);
    }
}
