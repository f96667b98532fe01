//! Numbers of any type and byte order, as float64.

use half::f16;

/// Type of a number in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberType {
    Bool,
    Int8,
    Uint8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Uint64,
    Float16,
    Float32,
    Float64,
}

impl NumberType {
    /// NumPy's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            NumberType::Bool => "bool",
            NumberType::Int8 => "int8",
            NumberType::Uint8 => "uint8",
            NumberType::Int16 => "int16",
            NumberType::Uint16 => "uint16",
            NumberType::Int32 => "int32",
            NumberType::Uint32 => "uint32",
            NumberType::Int64 => "int64",
            NumberType::Uint64 => "uint64",
            NumberType::Float16 => "float16",
            NumberType::Float32 => "float32",
            NumberType::Float64 => "float64",
        }
    }

    /// Bytes of one number.
    pub(super) fn n_bytes(self) -> usize {
        match self {
            NumberType::Bool | NumberType::Int8 | NumberType::Uint8 => 1,
            NumberType::Int16 | NumberType::Uint16 | NumberType::Float16 => 2,
            NumberType::Int32 | NumberType::Uint32 | NumberType::Float32 => 4,
            NumberType::Int64 | NumberType::Uint64 | NumberType::Float64 => 8,
        }
    }

    /// The numbers in `bytes`; the last bytes are left out if they are too few for one. Integers of 64
    /// bits beyond 2^53 become the nearest float64.
    pub(super) fn decode(self, bytes: &[u8], is_big_endian: bool) -> Vec<f64> {
        macro_rules! all {
            ($kind:ty, $wide:expr) => {{
                let (numbers, _) = bytes.as_chunks::<{ size_of::<$kind>() }>();
                let read = |bytes: &[u8; size_of::<$kind>()]| match is_big_endian {
                    true => <$kind>::from_be_bytes(*bytes),
                    false => <$kind>::from_le_bytes(*bytes),
                };
                numbers.iter().map(read).map($wide).collect()
            }};
        }
        match self {
            NumberType::Bool | NumberType::Uint8 => all!(u8, f64::from),
            NumberType::Int8 => all!(i8, f64::from),
            NumberType::Int16 => all!(i16, f64::from),
            NumberType::Uint16 => all!(u16, f64::from),
            NumberType::Int32 => all!(i32, f64::from),
            NumberType::Uint32 => all!(u32, f64::from),
            NumberType::Int64 => all!(i64, |value| value as f64),
            NumberType::Uint64 => all!(u64, |value| value as f64),
            NumberType::Float16 => all!(f16, f64::from),
            NumberType::Float32 => all!(f32, f64::from),
            NumberType::Float64 => all!(f64, |value| value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_both_byte_orders() {
        let read = |kind: NumberType, bytes: &[u8], is_big| kind.decode(bytes, is_big);
        assert_eq!(read(NumberType::Int16, &[0xff, 0xfe, 1, 0, 9], true), [-2.0, 256.0]);
        assert_eq!(read(NumberType::Uint16, &[0xfe, 0xff], false), [65534.0]);
        assert_eq!(read(NumberType::Float16, &[0x00, 0x3c], false), [1.0]);
        assert_eq!(read(NumberType::Float32, &1.5_f32.to_be_bytes(), true), [1.5]);
        assert_eq!(read(NumberType::Int64, &(-3_i64).to_le_bytes(), false), [-3.0]);
    }
}
