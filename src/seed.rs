//! Independent random streams derived from one seed, all on the CPU: a run on a GPU starts from the
//! same weights and sees the same order as one on the CPU.

use rand::seq::SliceRandom;
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

/// The order in which a phase of an epoch reads `n_samples` training samples. Epochs count from 1 and
/// the phases of an epoch from 0. Every phase has its own stream, so that a run can resume anywhere.
pub fn shuffled(seed: u64, epoch: usize, phase_idx: usize, n_samples: usize) -> Vec<usize> {
    let of_phase = if phase_idx == 0 { String::new() } else { format!("/{phase_idx}") };
    let mut order: Vec<usize> = (0..n_samples).collect();
    order.shuffle(&mut stream(seed, &format!("shuffle/{epoch}{of_phase}")));
    order
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
