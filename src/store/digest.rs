//! Digests of columns: BLAKE3 over raw little-endian bytes.

use blake3::Hasher;

/// Element types of a store's numeric datasets.
pub trait Element: hdf5::H5Type + Copy {
    /// The name in the manifest, which is numpy's.
    const DTYPE: &'static str;

    /// Appends the little-endian bytes of `values` to the hash.
    fn update(hasher: &mut Hasher, values: &[Self]);
}

macro_rules! element {
    ($($kind:ty => $name:literal),*) => {$(
        impl Element for $kind {
            const DTYPE: &'static str = $name;

            fn update(hasher: &mut Hasher, values: &[Self]) {
                // Converted in pieces that stay in the cache, whatever the machine's byte order.
                let mut bytes = [0_u8; 16 * 1024];
                for piece in values.chunks(bytes.len() / size_of::<$kind>()) {
                    let mut n_bytes = 0;
                    for value in piece {
                        let end = n_bytes + size_of::<$kind>();
                        bytes[n_bytes..end].copy_from_slice(&value.to_le_bytes());
                        n_bytes = end;
                    }
                    hasher.update(&bytes[..n_bytes]);
                }
            }
        }
    )*};
}

element!(f32 => "float32", i32 => "int32", i8 => "int8");

/// Digest of a whole numeric column.
pub fn of_values<T: Element>(values: &[T]) -> String {
    let mut hasher = Hasher::new();
    T::update(&mut hasher, values);
    finish(&hasher)
}

/// Digest of a column of strings: each preceded by its length, so that no two lists share bytes.
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
    fn strings_are_told_apart_by_their_borders() {
        assert_ne!(of_strings(&["ab", "c"]), of_strings(&["a", "bc"]));
    }
}
