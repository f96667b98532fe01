//! Digests of columns: BLAKE3 over raw little-endian bytes.

use std::borrow::Cow;

use blake3::Hasher;
use half::f16;

use crate::corpus::column::Dtype;

/// Element types of a store's numeric datasets. Every bit pattern is a valid value.
pub trait Element: hdf5::H5Type + bytemuck::Pod + Send + Sync {
    /// The type in the manifest.
    const DTYPE: Dtype;

    /// Swaps the bytes of one value.
    fn swap(self) -> Self;
}

macro_rules! element {
    ($($kind:ty, $swap:expr => $dtype:ident),*) => {$(
        impl Element for $kind {
            const DTYPE: Dtype = Dtype::$dtype;

            fn swap(self) -> Self {
                $swap(self)
            }
        }
    )*};
}

element!(
    f32, |value: f32| f32::from_bits(value.to_bits().swap_bytes()) => Float32,
    f16, |value: f16| f16::from_bits(value.to_bits().swap_bytes()) => Float16,
    i32, i32::swap_bytes => Int32,
    i8, i8::swap_bytes => Int8
);

/// Element types of feature blocks, which are always float32 outside the store.
pub trait Feature: Element {
    /// The largest finite value.
    const LARGEST: f32;

    /// The smallest magnitude that becomes infinite in the type.
    const LIMIT: f32;

    /// Rounds values to the type's precision.
    fn round(values: &mut [f32]);

    /// The values rounded and converted to the type.
    fn narrow(values: &[f32]) -> Cow<'_, [Self]>;

    /// The same values as float32.
    fn widen(values: &[Self]) -> Cow<'_, [f32]>;
}

impl Feature for f32 {
    const LARGEST: f32 = f32::MAX;
    const LIMIT: f32 = f32::INFINITY;

    fn round(_: &mut [f32]) {}

    fn narrow(values: &[f32]) -> Cow<'_, [f32]> {
        Cow::Borrowed(values)
    }

    fn widen(values: &[f32]) -> Cow<'_, [f32]> {
        Cow::Borrowed(values)
    }
}

impl Feature for f16 {
    const LARGEST: f32 = 65_504.0;
    // Halfway to the next larger value, where rounding goes to the even neighbour, infinity.
    const LIMIT: f32 = 65_520.0;

    fn round(values: &mut [f32]) {
        for value in values {
            *value = f16::from_f32(*value).to_f32();
        }
    }

    fn narrow(values: &[f32]) -> Cow<'_, [f16]> {
        values.iter().map(|value| f16::from_f32(*value)).collect()
    }

    fn widen(values: &[f16]) -> Cow<'_, [f32]> {
        values.iter().map(|value| value.to_f32()).collect()
    }
}

/// The little-endian bytes of `values`.
pub fn le_bytes<T: Element>(values: &[T]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        return Cow::Borrowed(bytemuck::cast_slice(values));
    }
    let swapped: Vec<T> = values.iter().map(|value| value.swap()).collect();
    Cow::Owned(bytemuck::cast_slice(&swapped).to_vec())
}

/// Adds the little-endian bytes of `values` to the hash.
pub fn update<T: Element>(hasher: &mut Hasher, values: &[T]) {
    hasher.update(&le_bytes(values));
}

/// Digest of a whole numeric column.
pub fn of_values<T: Element>(values: &[T]) -> String {
    let mut hasher = Hasher::new();
    update(&mut hasher, values);
    finish(&hasher)
}

/// Digest of a string column: each string is preceded by its length, so that no two lists share bytes.
pub fn of_strings<S: AsRef<str>>(values: &[S]) -> String {
    let mut hasher = Hasher::new();
    for value in values {
        hasher.update(&(value.as_ref().len() as u64).to_le_bytes());
        hasher.update(value.as_ref().as_bytes());
    }
    finish(&hasher)
}

/// The hexadecimal form that manifests hold.
pub fn finish(hasher: &Hasher) -> String {
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_digests_are_those_of_the_little_endian_bytes() {
        let values: Vec<f32> = (0..20_000).map(|i| i as f32).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(of_values(&values), blake3::hash(&bytes).to_hex().to_string());
    }

    #[test]
    fn the_range_of_float16_is_that_of_its_rounding() {
        let widened = |value: f32| f16::from_f32(value).to_f32();
        let below = f32::from_bits(f16::LIMIT.to_bits() - 1);
        assert_eq!(widened(below), f16::LARGEST);
        assert_eq!(widened(f16::LIMIT), f32::INFINITY);
        assert_eq!(widened(-f16::LIMIT), f32::NEG_INFINITY);
    }

    #[test]
    fn strings_are_told_apart_by_their_borders() {
        assert_ne!(of_strings(&["ab", "c"]), of_strings(&["a", "bc"]));
    }
}
