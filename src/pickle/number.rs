//! One number of any type.

/// One number of an array.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// From a boolean or integer dtype.
    Int(i128),
    /// From a float dtype.
    Float(f64),
}

impl Number {
    /// The number as an `i32`, if exactly representable.
    pub fn to_i32(self) -> Option<i32> {
        match self {
            Number::Int(value) => i32::try_from(value).ok(),
            Number::Float(value) if value == f64::from(value as i32) => Some(value as i32),
            Number::Float(_) => None,
        }
    }

    /// The nearest `f32`.
    pub fn to_f32(self) -> f32 {
        match self {
            Number::Int(value) => value as f32,
            Number::Float(value) => value as f32,
        }
    }

    /// The nearest `f64`.
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Int(value) => value as f64,
            Number::Float(value) => value,
        }
    }

    /// The number, if it is finite and `narrow`, the nearest float32, is not.
    pub fn overflow_of(self, narrow: f32) -> Option<f64> {
        match self {
            Number::Float(wide) => (wide.is_finite() && narrow.is_infinite()).then_some(wide),
            // The largest 64-bit integer is far within the range of float32.
            Number::Int(_) => None,
        }
    }
}
