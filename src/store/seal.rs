//! A file's seal: one digest of all bytes that no column digest covers, so that a change of any byte is
//! detected.

use std::ops::Range;

use blake3::Hasher;

use super::digest;

/// Digest of the bytes before, between and after the stretches of values in `bytes`. Stretches may be
/// in any order; parts of them outside `bytes` are ignored.
pub(super) fn digest_around(bytes: &[u8], mut values: Vec<Range<usize>>) -> String {
    values.sort_by_key(|stretch| stretch.start);
    let mut hasher = Hasher::new();
    let mut done = 0;
    for stretch in values {
        if let Some(between) = bytes.get(done..stretch.start) {
            hasher.update(between);
        }
        done = done.max(stretch.end);
    }
    hasher.update(bytes.get(done..).unwrap_or_default());
    digest::finish(&hasher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_values_counts() {
        let bytes: Vec<u8> = (0..100).collect();
        let values = [60..100, 10..20, 20..50];
        let sealed = digest_around(&bytes, values.to_vec());
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let is_value = values.iter().any(|stretch| stretch.contains(&place));
            assert_eq!(digest_around(&changed, values.to_vec()) == sealed, is_value, "{place}");
        }
    }

    #[test]
    fn stretches_outside_the_bytes_do_no_harm() {
        assert_eq!(digest_around(&[1, 2], vec![1..9, 30..40]), digest_around(&[1], vec![]));
    }
}
