//! The two sequences of steps that published datasets were made with.

use std::collections::{HashMap, HashSet};

use ndarray::{Array2, Axis};

use super::super::error::AlignError;
use super::super::sequence::{CsdSequence, SequenceSet};
use super::align::align;
use super::collapse::Collapse;
use super::impute::impute;
use super::unify::hard_unify;
use crate::csd::{CsdEntry, Features, video_of};

/// Steps of the SDK's own examples, up to its tensors: align to the words' vectors with means, zeros where
/// nothing is, align to the labels, and keep what all have. Source: CMU-MultiComp-Lab/CMU-MultimodalSDK,
/// `examples/mmdatasdk_examples/full_examples`. Published files pad with [`Padding::Front`] to 25 rows of
/// CMU-MOSI and 50 of CMU-MOSEI.
///
/// [`Padding::Front`]: super::Padding::Front
///
/// # Errors
/// Same as [`align`] and [`impute`].
pub fn recipe_a(
    dataset: SequenceSet,
    reference: &str,
    labels: CsdSequence,
) -> Result<SequenceSet, AlignError> {
    let name = labels.name().to_owned();
    let aligned = align(dataset, reference, &[Collapse::Mean])?;
    let imputed = impute(aligned, reference, 0.0)?;
    Ok(hard_unify(align(imputed.with(labels), &name, &[])?))
}

/// Which sequence is what, for [`recipe_b`].
#[derive(Debug, Clone, Copy)]
pub struct Roles<'a> {
    /// Words, one row each.
    pub words: &'a str,
    /// Visual features, a row per word.
    pub vision: &'a str,
    /// Acoustic features, a row per word.
    pub audio: &'a str,
    /// Labels, a row per segment.
    pub labels: &'a str,
}

/// A segment of [`recipe_b`].
#[derive(Debug, Clone, PartialEq)]
pub struct SampleB {
    /// Its key.
    pub key: String,
    /// Its words.
    pub words: Vec<String>,
    /// Their numbers in the vocabulary.
    pub word_ids: Vec<usize>,
    /// `[n_words, feat_dim]`, normalised.
    pub vision: Features,
    /// `[n_words, feat_dim]`, normalised.
    pub audio: Features,
    /// `[1, n_labels]`.
    pub labels: Features,
}

/// The result of [`recipe_b`].
#[derive(Debug, Clone, PartialEq)]
pub struct RecipeB {
    /// Segments of each fold.
    pub folds: Vec<Vec<SampleB>>,
    /// Segments of no fold.
    pub no_fold: Vec<SampleB>,
    /// Segments whose sequences differ in length, with the numbers of rows of words, vision and audio.
    pub dropped: Vec<(String, [usize; 3])>,
    /// Numbers of the words, from 2, in the order in which they were first seen. 0 is `<unk>`, 1 `<pad>`.
    pub vocabulary: HashMap<String, usize>,
}

/// Numbers of unknown words and of padding.
const N_SPECIAL: usize = 2;

/// Keeps a standard deviation from being zero. Source: declare-lab/MISA, `src/create_dataset.py`.
const LEAST_DEVIATION: f64 = 1e-6;

/// A pause, among the words.
const PAUSE: &str = "sp";

/// Steps of a tutorial that MISA, BBFN and MMIM follow, after aligning to words with means and then to
/// labels: drop segments whose sequences differ in length, replace what is not finite, drop pauses in all
/// sequences, and normalise each column of each segment. Infinity becomes the largest number, so that the
/// deviation of its column overflows and all of it becomes 0.
///
/// Unlike the published loop, a segment that a sequence lacks is left out; there, it ends the program.
///
/// # Errors
/// A role names no sequence, a segment cannot be read, or has text where numbers are needed.
pub fn recipe_b(
    dataset: SequenceSet,
    roles: Roles<'_>,
    folds: &[Vec<String>],
) -> Result<RecipeB, AlignError> {
    let dataset = hard_unify(dataset);
    let [words, vision, audio, labels] =
        [roles.words, roles.vision, roles.audio, roles.labels].map(|name| dataset.get(name));
    let (words, vision, audio, labels) = (words?, vision?, audio?, labels?);
    let mut result = RecipeB {
        folds: vec![Vec::new(); folds.len()],
        no_fold: Vec::new(),
        dropped: Vec::new(),
        vocabulary: HashMap::new(),
    };
    let folds: Vec<HashSet<&str>> =
        folds.iter().map(|fold| fold.iter().map(String::as_str).collect()).collect();
    for key in labels.keys() {
        let [said, seen, heard] = [words, vision, audio].map(|sequence| sequence.read(key));
        let (said, seen, heard) = (said?, seen?, heard?);
        let lengths = [&said, &seen, &heard].map(|entry| entry.features.n_rows());
        if lengths.iter().any(|len| *len != lengths[0]) {
            result.dropped.push((key.clone(), lengths));
            continue;
        }
        let said = texts(roles.words, key, &said)?;
        let kept: Vec<usize> = (0..said.len()).filter(|row| said[*row] != PAUSE).collect();
        let said: Vec<String> = kept.iter().map(|row| said[*row].clone()).collect();
        let vocabulary = &mut result.vocabulary;
        let word_ids = said.iter().map(|word| {
            let next = N_SPECIAL + vocabulary.len();
            *vocabulary.entry(word.clone()).or_insert(next)
        });
        let sample = SampleB {
            key: key.clone(),
            word_ids: word_ids.collect(),
            words: said,
            vision: normalised(roles.vision, key, &seen, &kept)?,
            audio: normalised(roles.audio, key, &heard, &kept)?,
            labels: finite(&labels.read(key)?.features),
        };
        let fold = folds.iter().position(|fold| fold.contains(video_of(key)));
        match fold.and_then(|idx| result.folds.get_mut(idx)) {
            Some(fold) => fold.push(sample),
            None => result.no_fold.push(sample),
        }
    }
    Ok(result)
}

/// The first column.
fn texts(sequence: &str, key: &str, entry: &CsdEntry) -> Result<Vec<String>, AlignError> {
    let texts = entry.features.as_text().ok_or_else(|| AlignError::Type {
        sequence: sequence.into(),
        key: key.into(),
        expected: "words",
    })?;
    Ok(texts.values.rows().into_iter().filter_map(|row| row.first().cloned()).collect())
}

fn normalised(
    sequence: &str,
    key: &str,
    entry: &CsdEntry,
    rows: &[usize],
) -> Result<Features, AlignError> {
    match finite(&entry.features).select(rows) {
        Features::Float64(values) => Ok(Features::Float64(normal_f64(values))),
        Features::Float32(values) => Ok(Features::Float32(normal_f32(values))),
        Features::Text(_) => Err(AlignError::Type {
            sequence: sequence.into(),
            key: key.into(),
            expected: "numbers",
        }),
    }
}

/// NumPy's `nan_to_num`.
fn finite(features: &Features) -> Features {
    match features {
        Features::Float64(values) => Features::Float64(values.mapv(|value| match value {
            value if value.is_nan() => 0.0,
            value => value.clamp(f64::MIN, f64::MAX),
        })),
        Features::Float32(values) => Features::Float32(values.mapv(|value| match value {
            value if value.is_nan() => 0.0,
            value => value.clamp(f32::MIN, f32::MAX),
        })),
        Features::Text(texts) => Features::Text(texts.clone()),
    }
}

/// Subtracts the mean of each column and divides by its standard deviation over all rows, in the width of
/// the values: what overflows there becomes 0.
macro_rules! normal {
    ($name:ident, $number:ty) => {
        fn $name(mut values: Array2<$number>) -> Array2<$number> {
            let n_rows = values.nrows() as $number;
            for mut column in values.axis_iter_mut(Axis(1)) {
                let mean = column.iter().sum::<$number>() / n_rows;
                let squares = column.iter().map(|value| (value - mean) * (value - mean));
                let deviation = (squares.sum::<$number>() / n_rows).sqrt();
                let divisor = LEAST_DEVIATION as $number + deviation;
                column.mapv_inplace(|value| match (value - mean) / divisor {
                    value if value.is_nan() => 0.0,
                    value => value.clamp(<$number>::MIN, <$number>::MAX),
                });
            }
            values
        }
    };
}

normal!(normal_f64, f64);
normal!(normal_f32, f32);
