//! Independent random streams derived from one seed, all on the CPU: a run on a GPU starts from the
//! same weights and sees the same order as one on the CPU.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

/// The stream of `seed` for one purpose, such as `shuffle`. A stream never depends on how much of
/// another one was used.
pub fn stream(seed: u64, purpose: &str) -> ChaCha12Rng {
    let mut hasher = blake3::Hasher::new_derive_key("almt-data 1 random stream");
    hasher.update(&seed.to_le_bytes());
    hasher.update(purpose.as_bytes());
    ChaCha12Rng::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::Rng;

    use super::*;

    #[test]
    fn streams_differ_by_purpose_and_seed_and_repeat() {
        let first = |seed, purpose| stream(seed, purpose).next_u64();
        assert_eq!(first(1, "weights"), first(1, "weights"));
        assert_ne!(first(1, "weights"), first(1, "shuffle"));
        assert_ne!(first(1, "weights"), first(2, "weights"));
    }
}
