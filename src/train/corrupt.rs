//! Corrupted inputs to test a model's robustness: noise, lost frames, a lost modality, masked tokens.
//! Random choices depend only on the seed, the segment's id and the kind, so a larger amount extends
//! the damage of a smaller one, whatever the order of the samples.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ndarray::Array3;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::data::FeatureRows;
use crate::corpus::{Modality, RowError};
use crate::model::Sequence;
use crate::name::named;
use crate::seed::stream;

/// Kind of corruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorruptionKind {
    /// Adds Gaussian noise to every frame that is not all zero; the amount is its standard deviation,
    /// relative to that of the sample's values.
    Noise,
    /// Sets each frame to zero, with the amount as probability.
    Drop,
    /// Sets a sample's whole modality to zero, with the amount as probability.
    Missing,
    /// Hides each word of the text, with the amount as probability: a token becomes `[MASK]`, a feature
    /// vector zero.
    Mask,
}

impl CorruptionKind {
    /// All kinds.
    pub const ALL: [CorruptionKind; 4] = [
        CorruptionKind::Noise,
        CorruptionKind::Drop,
        CorruptionKind::Missing,
        CorruptionKind::Mask,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            CorruptionKind::Noise => "noise",
            CorruptionKind::Drop => "drop",
            CorruptionKind::Missing => "missing",
            CorruptionKind::Mask => "mask",
        }
    }
}

named!(CorruptionKind);

/// Corruption of one modality, such as `audio:noise=0.5`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corruption {
    /// The modality.
    pub modality: Modality,
    /// The kind.
    pub kind: CorruptionKind,
    /// The amount.
    pub amount: f32,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}={}", self.modality, self.kind, self.amount)
    }
}

impl FromStr for Corruption {
    type Err = String;

    fn from_str(text: &str) -> Result<Corruption, String> {
        let parts = text.split_once(':').and_then(|(modality, rest)| {
            let (kind, amount) = rest.split_once('=')?;
            Some((modality, kind, amount))
        });
        let (modality, kind, amount) =
            parts.ok_or("expected MODALITY:KIND=AMOUNT, such as audio:noise=0.5")?;
        let modality: Modality =
            modality.parse().map_err(|error: crate::name::UnknownName| error.to_string())?;
        let kind: CorruptionKind =
            kind.parse().map_err(|error: crate::name::UnknownName| error.to_string())?;
        let amount: f32 = amount.parse().map_err(|_| format!("`{amount}` is not a number"))?;
        let most = if kind == CorruptionKind::Noise { f32::MAX } else { 1.0 };
        if !(0.0..=most).contains(&amount) {
            let range = if most == 1.0 { "0 to 1" } else { "0 or more" };
            return Err(format!("{kind}: expected {range}, found {amount}"));
        }
        if kind == CorruptionKind::Mask && modality != Modality::Text {
            return Err(format!("{modality} has no words to mask"));
        }
        Ok(Corruption { modality, kind, amount })
    }
}

/// Tokens that masking must not change, and the mask token: `[CLS]`, `[SEP]` and `[MASK]` of every
/// published BERT vocabulary.
const MARKS: [i32; 2] = [101, 102];
const MASK: i32 = 103;

impl Corruption {
    fn stream(&self, seed: u64, id: &str) -> rand_chacha::ChaCha12Rng {
        stream(seed, &format!("corrupt/{}/{}/{id}", self.modality, self.kind))
    }

    /// Corrupts the features of one sample, `[seq_len, feat_dim]`.
    fn apply(&self, seed: u64, id: &str, feat_dim: usize, values: &mut [f32]) {
        let mut rng = self.stream(seed, id);
        let frames = values.chunks_exact_mut(feat_dim.max(1));
        match self.kind {
            CorruptionKind::Missing => {
                if rng.random::<f32>() < self.amount {
                    values.fill(0.0);
                }
            }
            CorruptionKind::Drop | CorruptionKind::Mask => {
                for frame in frames {
                    if rng.random::<f32>() < self.amount {
                        frame.fill(0.0);
                    }
                }
            }
            CorruptionKind::Noise => {
                let deviation = self.amount * deviation_of_frames(values, feat_dim);
                for frame in values.chunks_exact_mut(feat_dim.max(1)) {
                    // Padding stays unchanged.
                    let is_padding = frame.iter().all(|value| *value == 0.0);
                    for value in frame {
                        let noise: f32 = StandardNormal.sample(&mut rng);
                        *value += if is_padding { 0.0 } else { deviation * noise };
                    }
                }
            }
        }
    }
}

/// Standard deviation of the values in all frames that are not all zero; 0 without such frames.
pub(crate) fn deviation_of_frames(values: &[f32], feat_dim: usize) -> f32 {
    let frames = values.chunks_exact(feat_dim.max(1));
    let frames = frames.filter(|frame| frame.iter().any(|value| *value != 0.0));
    let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in frames.flatten() {
        n += 1.0;
        sum += f64::from(*value);
        squares += f64::from(*value).powi(2);
    }
    if n == 0.0 {
        return 0.0;
    }
    (squares / n - (sum / n).powi(2)).max(0.0).sqrt() as f32
}

/// All corruptions of an evaluation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Corruptions {
    /// In order of application.
    pub list: Vec<Corruption>,
    /// Random seed.
    pub seed: u64,
}

impl Corruptions {
    /// Whether inputs stay unchanged.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Corrupts the tokens of samples `[n_samples, 3, seq_len]`, if text comes as tokens.
    ///
    /// # Errors
    /// A kind that does not apply to tokens, in a sentence.
    pub fn of_tokens(&self, ids: &[String], tokens: &mut Array3<i32>) -> Result<(), String> {
        let of_text = self.list.iter().filter(|each| each.modality == Modality::Text);
        for corruption in of_text {
            if corruption.kind != CorruptionKind::Mask {
                return Err(format!("tokens can be masked, and nothing else: `{corruption}`"));
            }
            for (id, mut sample) in ids.iter().zip(tokens.outer_iter_mut()) {
                let mut rng = corruption.stream(self.seed, id);
                for idx in 0..sample.dim().1 {
                    let hidden = rng.random::<f32>() < corruption.amount;
                    let is_word = sample[[1, idx]] != 0 && !MARKS.contains(&sample[[0, idx]]);
                    if hidden && is_word {
                        sample[[0, idx]] = MASK;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Feature blocks with corruptions applied.
pub struct CorruptRows {
    /// The unchanged blocks.
    pub rows: Box<dyn FeatureRows>,
    /// Segment ids of the samples.
    pub ids: Vec<String>,
    /// The corruptions.
    pub corruptions: Corruptions,
}

impl CorruptRows {
    fn apply(&self, modality: Modality, sample_idx: usize, values: &mut [f32]) {
        let sequences = self.rows.sequences();
        let Some(sequence) = sequences.get(&modality) else { return };
        let feat_dim = sequence.feat_dim as usize;
        for corruption in self.corruptions.list.iter().filter(|each| each.modality == modality) {
            corruption.apply(self.corruptions.seed, &self.ids[sample_idx], feat_dim, values);
        }
    }
}

impl FeatureRows for CorruptRows {
    fn sequences(&self) -> BTreeMap<Modality, Sequence> {
        self.rows.sequences()
    }

    fn is_half(&self, _: Modality) -> bool {
        // Noise is added in float32.
        false
    }

    fn read_all(
        &self,
        modality: Modality,
        take: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), RowError> {
        let mut changed = Vec::new();
        self.rows.read_all(modality, &mut |sample_idx, values| {
            changed.clear();
            changed.extend_from_slice(values);
            self.apply(modality, sample_idx, &mut changed);
            take(sample_idx, &changed);
        })
    }

    fn read(&self, modality: Modality, sample_idx: usize, out: &mut [f32]) -> Result<(), RowError> {
        self.rows.read(modality, sample_idx, out)?;
        self.apply(modality, sample_idx, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corrupted(text: &str, seed: u64, id: &str) -> Vec<f32> {
        let corruption: Corruption = text.parse().unwrap();
        // 400 frames of 5 features; the last 100 are padding.
        let value = |idx: usize| if idx < 1500 { 3.0 + (idx % 7) as f32 } else { 0.0 };
        let mut values: Vec<f32> = (0..2000).map(value).collect();
        corruption.apply(seed, id, 5, &mut values);
        values
    }

    fn zero_frames(values: &[f32]) -> Vec<usize> {
        let frames = values[..1500].chunks(5).enumerate();
        frames.filter(|(_, frame)| frame.iter().all(|v| *v == 0.0)).map(|(idx, _)| idx).collect()
    }

    #[test]
    fn nothing_of_any_kind_changes_nothing() {
        for kind in ["noise", "drop", "missing"] {
            assert_eq!(
                corrupted(&format!("audio:{kind}=0"), 1, "a"),
                corrupted("text:mask=0", 9, "b")
            );
        }
    }

    #[test]
    fn noise_has_the_asked_deviation_and_leaves_padding() {
        let (before, after) =
            (corrupted("audio:noise=0", 1, "a"), corrupted("audio:noise=0.5", 1, "a"));
        let difference: Vec<f32> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
        let square = difference[..1500].iter().map(|d| d * d).sum::<f32>() / 1500.0;
        let asked = 0.5 * deviation_of_frames(&before, 5);
        assert!((square.sqrt() / asked - 1.0).abs() < 0.08, "{} of {asked}", square.sqrt());
        assert!(difference[1500..].iter().all(|d| *d == 0.0));
    }

    #[test]
    fn more_drops_what_less_does_and_more() {
        let few = zero_frames(&corrupted("vision:drop=0.2", 3, "a"));
        let many = zero_frames(&corrupted("vision:drop=0.6", 3, "a"));
        assert!((40..80).contains(&few.len()) && (150..210).contains(&many.len()), "{few:?}");
        assert!(few.iter().all(|frame| many.contains(frame)));
        assert_eq!(zero_frames(&corrupted("vision:drop=1", 3, "a")).len(), 300);
        assert_ne!(few, zero_frames(&corrupted("vision:drop=0.2", 4, "a")));
        assert_ne!(few, zero_frames(&corrupted("vision:drop=0.2", 3, "b")));
    }

    #[test]
    fn a_missing_modality_is_zero_as_a_whole_or_not_at_all() {
        let n_missing = (0..200)
            .filter(|id| {
                match zero_frames(&corrupted("audio:missing=0.3", 1, &id.to_string())).len() {
                    0 => false,
                    300 => true,
                    n => panic!("{n} frames are zero"),
                }
            })
            .count();
        assert!((40..80).contains(&n_missing), "{n_missing}");
    }

    #[test]
    fn tokens_are_masked_but_for_marks_and_padding() {
        let row = |values: [i32; 6]| values;
        let sample = [row([101, 7, 8, 9, 102, 0]), row([1, 1, 1, 1, 1, 0]), row([0; 6])];
        let mut tokens = ndarray::arr3(&[sample]);
        let mask = |text: &str| Corruptions { list: vec![text.parse().unwrap()], seed: 1 };
        mask("text:mask=1").of_tokens(&["a".into()], &mut tokens).unwrap();
        assert_eq!(tokens.slice(ndarray::s![0, 0, ..]).to_vec(), [101, 103, 103, 103, 102, 0]);
        let error = mask("text:noise=1").of_tokens(&["a".into()], &mut tokens).unwrap_err();
        assert!(error.contains("text:noise=1"), "{error}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, part) in [
            ("audio", "expected MODALITY:KIND=AMOUNT"),
            ("smell:noise=1", "`smell` is not one of"),
            ("audio:fog=1", "`fog` is not one of"),
            ("audio:drop=1.5", "expected 0 to 1"),
            ("audio:drop=NaN", "expected 0 to 1"),
            ("audio:noise=-1", "found -1"),
            ("audio:noise=x", "`x` is not a number"),
            ("audio:mask=0.1", "no words to mask"),
        ] {
            let error = text.parse::<Corruption>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!("text:mask=0.25".parse::<Corruption>().unwrap().to_string(), "text:mask=0.25");
    }
}
