//! The segments of a synthetic pickle: label, words and lengths, and each modality's part of the label.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};

use super::recipe::Recipe;
use crate::corpus::{Dataset, SplitName};

/// Variance of the label carried by each modality in a complementary recipe: text, audio, vision.
const SHARES: [f32; 3] = [0.5, 0.25, 0.25];

/// Standard deviation of a complementary label, relative to its largest value: few labels are clipped.
const SPREAD: f32 = 0.5;

/// One segment before its features are drawn.
pub(super) struct Segment {
    pub(super) id: String,
    pub(super) label: f32,
    /// The parts of the label carried by text, audio and vision.
    pub(super) parts: [f32; 3],
    pub(super) n_words: usize,
    pub(super) words: String,
    pub(super) n_audio: usize,
    pub(super) n_vision: usize,
}

const NEGATIVE: [&str; 4] = ["awful", "boring", "weak", "dull"];
const NEUTRAL: [&str; 6] = ["the", "movie", "scene", "was", "that", "actor"];
const POSITIVE: [&str; 4] = ["great", "moving", "funny", "lovely"];

impl Segment {
    /// Draws a split's segment, the `index`th overall.
    pub(super) fn draw(
        recipe: &Recipe,
        index: usize,
        split: SplitName,
        rng: &mut ChaCha12Rng,
    ) -> Segment {
        let Recipe { dataset, shapes, complementary } = recipe;
        // A label on the dataset's grid: CMU-MOSI and CH-SIMS average five annotators, CMU-MOSEI three.
        let (n_steps, n_annotators) = match dataset {
            Dataset::Mosi | Dataset::Own => (15, 5),
            Dataset::Mosei => (9, 3),
            Dataset::Sims | Dataset::Simsv2 => (5, 5),
        };
        let largest = n_steps as f32 / n_annotators as f32;
        let (label, parts) = match complementary {
            false => {
                let label = rng.random_range(-n_steps..=n_steps) as f32 / n_annotators as f32;
                (label, [label; 3])
            }
            true => {
                let part = |share: f32| {
                    let drawn: f32 = StandardNormal.sample(rng);
                    SPREAD * largest * share.sqrt() * drawn
                };
                let parts = SHARES.map(part);
                let sum = parts.iter().sum::<f32>().clamp(-largest, largest);
                ((sum * n_annotators as f32).round() / n_annotators as f32, parts)
            }
        };
        let n_words = rng.random_range(4..=shapes.text[0] - 2);
        let share = (parts[0].abs() / largest).clamp(0.0, 1.0);
        let charged = if parts[0] < 0.0 { NEGATIVE } else { POSITIVE };
        let words: Vec<&str> = (0..n_words)
            .map(|_| match rng.random_range(0.0..1.0) < 0.5 * share {
                true => charged[rng.random_range(0..charged.len())],
                false => NEUTRAL[rng.random_range(0..NEUTRAL.len())],
            })
            .collect();
        Segment {
            // Five clips per video, and no video in two splits.
            id: format!("synth_{}_{:04}$_${}", split.name(), index / 5, index % 5),
            label,
            parts,
            n_words,
            words: words.join(" "),
            n_audio: if shapes.aligned {
                n_words + 2
            } else {
                rng.random_range(8..=shapes.audio[0])
            },
            n_vision: if shapes.aligned {
                n_words + 2
            } else {
                rng.random_range(8..=shapes.vision[0])
            },
        }
    }
}

/// BERT input `[n_samples, 3, seq_len]`: token ids, mask, segment ids. The ids are those of
/// [CLS] (101) and [SEP] (102) around one made-up id per word.
pub(super) fn tokens(segments: &[Segment], seq_len: usize) -> Vec<i64> {
    let mut values = Vec::with_capacity(segments.len() * 3 * seq_len);
    for segment in segments {
        let known = || NEGATIVE.iter().chain(&NEUTRAL).chain(&POSITIVE);
        let words = segment
            .words
            .split(' ')
            .map(|word| 2000 + known().position(|known| *known == word).unwrap_or(0) as i64);
        let ids = std::iter::once(101).chain(words).chain([102]);
        values.extend(ids.chain(std::iter::repeat(0)).take(seq_len));
        values.extend((0..seq_len).map(|i| i64::from(i < segment.n_words + 2)));
        values.extend(std::iter::repeat_n(0, seq_len));
    }
    values
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::synth::recipe::Shapes;

    #[test]
    fn complementary_modalities_share_the_variance_of_the_label() {
        let dataset = Dataset::Mosi;
        let recipe = Recipe { dataset, shapes: Shapes::of(dataset, false), complementary: true };
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let segments: Vec<Segment> =
            (0..4000).map(|idx| Segment::draw(&recipe, idx, SplitName::Train, &mut rng)).collect();
        // All have mean zero.
        let product = |one: &dyn Fn(&Segment) -> f32, other: &dyn Fn(&Segment) -> f32| -> f32 {
            segments.iter().map(|segment| one(segment) * other(segment)).sum()
        };
        let label = |segment: &Segment| segment.label;
        for (modality, share) in SHARES.into_iter().enumerate() {
            let part = |segment: &Segment| segment.parts[modality];
            let explained =
                product(&label, &part).powi(2) / (product(&label, &label) * product(&part, &part));
            assert!((explained - share).abs() < 0.05, "modality {modality}: {explained}");
        }
    }
}
