//! Writes a synthetic pickle in the MMSA layout.

use std::io::{self, BufWriter, Write};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use super::recipe::Recipe;
use super::segment::{Segment, tokens};
use super::signal::Signal;
use crate::corpus::{Dataset, SplitName};
use crate::pickle::{ArrayDtype, Writer};

/// Writes the pickle of a recipe: `n_segments` in train, valid and test, drawn from `seed`.
pub(super) fn write(
    recipe: &Recipe,
    n_segments: [usize; 3],
    seed: u64,
    out: impl Write,
) -> io::Result<()> {
    let shapes = &recipe.shapes;
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let directions =
        [shapes.text[1], shapes.audio[1], shapes.vision[1]].map(|feat_dim| -> Vec<f32> {
            (0..feat_dim).map(|_| StandardNormal.sample(&mut rng)).collect()
        });
    let mut writer = Writer::new(BufWriter::new(out))?;
    writer.begin_dict()?;
    let mut n_before = 0;
    for (split, n_samples) in SplitName::ALL.into_iter().zip(n_segments) {
        let segments: Vec<Segment> =
            (0..n_samples).map(|i| Segment::draw(recipe, n_before + i, split, &mut rng)).collect();
        n_before += n_samples;
        writer.key(split.name())?;
        write_split(&mut writer, recipe, &segments, &directions, &mut rng)?;
    }
    writer.end_dict()?;
    writer.finish()?.flush()
}

fn write_split<W: Write>(
    writer: &mut Writer<W>,
    recipe: &Recipe,
    segments: &[Segment],
    directions: &[Vec<f32>; 3],
    rng: &mut ChaCha12Rng,
) -> io::Result<()> {
    let Recipe { dataset, shapes, complementary } = recipe;
    let n_samples = segments.len();
    let signal = |modality: usize, shape: [usize; 2]| Signal {
        modality,
        shape,
        direction: &directions[modality],
        // Text has many weakly informative features. A part of the label is smaller than the label, and
        // with distractors, fewer values carry it.
        strength: match (modality, complementary) {
            (0, _) => 0.15,
            (_, false) => 0.3,
            (_, true) => 0.8,
        },
        distracted: *complementary && modality != 0,
    };
    writer.begin_dict()?;
    writer.key("raw_text")?;
    writer.str_list(segments.iter().map(|segment| segment.words.as_str()))?;
    writer.key("id")?;
    writer.str_list(segments.iter().map(|segment| segment.id.as_str()))?;
    writer.key("text")?;
    let text = signal(0, shapes.text);
    text.write(writer, ArrayDtype::F32, segments, |s| 0..s.n_words + 2, rng)?;
    writer.key("text_bert")?;
    writer.array_i64(&[n_samples, 3, shapes.text[0]], &tokens(segments, shapes.text[0]))?;
    // Aligned files have zeros at [CLS], where no word is spoken.
    let first = usize::from(shapes.aligned);
    writer.key("audio")?;
    let audio = signal(1, shapes.audio);
    audio.write(writer, ArrayDtype::F64, segments, |s| first..s.n_audio - first, rng)?;
    writer.key("vision")?;
    let vision = signal(2, shapes.vision);
    vision.write(writer, ArrayDtype::F64, segments, |s| first..s.n_vision - first, rng)?;
    if !shapes.aligned {
        writer.key("audio_lengths")?;
        writer.int_list(segments.iter().map(|segment| segment.n_audio as i64))?;
        writer.key("vision_lengths")?;
        writer.int_list(segments.iter().map(|segment| segment.n_vision as i64))?;
    }
    let class = |label: f32| 1 + i64::from(label > 0.0) - i64::from(label < 0.0);
    writer.key("annotations")?;
    writer.str_list(
        segments
            .iter()
            .map(|segment| ["Negative", "Neutral", "Positive"][class(segment.label) as usize]),
    )?;
    writer.key("classification_labels")?;
    let classes: Vec<i64> = segments.iter().map(|segment| class(segment.label)).collect();
    writer.array_i64(&[n_samples], &classes)?;
    let labels: Vec<f32> = segments.iter().map(|segment| segment.label).collect();
    let suffixes: &[&str] = match dataset {
        Dataset::Mosi | Dataset::Mosei | Dataset::Own => &[""],
        Dataset::Sims | Dataset::Simsv2 => &["", "_T", "_A", "_V"],
    };
    for suffix in suffixes {
        writer.key(&format!("regression_labels{suffix}"))?;
        writer.array_f32(&[n_samples], &labels)?;
    }
    writer.end_dict()
}
