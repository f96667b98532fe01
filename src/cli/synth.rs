//! `almt-data synth`: a small pickle in the MMSA layout, with something to learn in it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use super::Failure;
use crate::corpus::{Dataset, SplitName};
use crate::pickle::{ArrayDtype, Writer};
use crate::publish::Draft;
use crate::words::human_bytes;

/// Variance of the label that each modality carries with `--complementary`: text, audio, vision.
const SHARES: [f32; 3] = [0.5, 0.25, 0.25];

/// Standard deviation of a complementary label, as a share of its largest value: few are clipped.
const SPREAD: f32 = 0.5;

/// Write a synthetic pickle in the MMSA layout, learnable from all three modalities
#[derive(Args)]
pub struct SynthArgs {
    /// Dataset whose shapes, types and label grid it has: mosi, mosei, sims or simsv2
    #[arg(long, default_value = "mosi")]
    dataset: Dataset,
    /// Each modality at its own rate, as the unaligned files of CMU-MOSI and CMU-MOSEI have them;
    /// those of CH-SIMS always have
    #[arg(long)]
    unaligned: bool,
    /// Each modality carries a part of the label that the others lack: text half of its variance,
    /// audio and vision a quarter each. Half of the features of audio and vision, and about half of
    /// their frames, are distractors that carry none [default: each modality carries all of it]
    #[arg(long)]
    complementary: bool,
    /// Segments in the training split; validation has a quarter, test a half of it
    #[arg(long, default_value_t = 192, value_parser = super::number::within::<u32>(4, 100_000))]
    samples: u32,
    /// Seed of all values
    #[arg(long, default_value_t = 1, value_parser = super::number::from::<u64>(0))]
    seed: u64,
    /// Where the pickle goes; the default is `DATASET.pkl` in the current folder
    #[arg(short, long, value_name = "PICKLE")]
    output: Option<PathBuf>,
    /// Replace an existing output
    #[arg(long)]
    overwrite: bool,
}

/// Steps and features of the three modalities, as the public files have them.
struct Shapes {
    text: [usize; 2],
    audio: [usize; 2],
    vision: [usize; 2],
    /// Every modality has a step per word, and no lengths are recorded.
    aligned: bool,
}

fn shapes(dataset: Dataset, unaligned: bool) -> Shapes {
    let (text, audio, vision, aligned) = match (dataset, unaligned) {
        (Dataset::Mosi, false) => ([50, 768], [50, 5], [50, 20], true),
        (Dataset::Mosi, true) => ([50, 768], [375, 5], [500, 20], false),
        (Dataset::Mosei, false) => ([50, 768], [50, 74], [50, 35], true),
        (Dataset::Mosei, true) => ([50, 768], [500, 74], [500, 35], false),
        (Dataset::Sims, _) => ([39, 768], [400, 33], [55, 709], false),
        (Dataset::Simsv2, _) => ([50, 768], [925, 25], [232, 177], false),
    };
    Shapes { text, audio, vision, aligned }
}

/// What a pickle is made by.
struct Recipe {
    dataset: Dataset,
    shapes: Shapes,
    complementary: bool,
}

/// One segment before its features are drawn.
struct Segment {
    id: String,
    label: f32,
    /// What text, audio and vision say of the label.
    parts: [f32; 3],
    n_words: usize,
    words: String,
    n_audio: usize,
    n_vision: usize,
}

/// Writes one pickle.
pub fn synth(args: SynthArgs) -> Result<ExitCode, Failure> {
    let output = args.output.unwrap_or_else(|| format!("{}.pkl", args.dataset).into());
    if output.exists() && !args.overwrite {
        return Err(Failure::at(&output, "exists already").hint("`--overwrite` replaces it"));
    }
    let failed = |error: io::Error| Failure::io(&output, "write", &error);
    let draft = Draft::new(&output, args.overwrite).map_err(failed)?;
    File::options()
        .write(true)
        .open(draft.path())
        .and_then(|file| {
            let (dataset, complementary) = (args.dataset, args.complementary);
            let shapes = shapes(dataset, args.unaligned);
            let recipe = Recipe { dataset, shapes, complementary };
            write(&recipe, args.samples as usize, args.seed, &file)
        })
        .and_then(|()| draft.publish())
        .map_err(failed)?;
    let size = output.metadata().map_or(0, |meta| meta.len());
    outln!(
        "{}  {} shapes, synthetic, {}",
        output.display(),
        args.dataset.title(),
        human_bytes(size)
    );
    Ok(ExitCode::SUCCESS)
}

fn write(recipe: &Recipe, n_train: usize, seed: u64, file: &File) -> io::Result<()> {
    let shapes = &recipe.shapes;
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let directions =
        [shapes.text[1], shapes.audio[1], shapes.vision[1]].map(|feat_dim| -> Vec<f32> {
            (0..feat_dim).map(|_| StandardNormal.sample(&mut rng)).collect()
        });
    let mut writer = Writer::new(BufWriter::new(file))?;
    writer.begin_dict()?;
    let mut n_before = 0;
    for (split, n_samples) in SplitName::ALL.into_iter().zip([n_train, n_train / 4, n_train / 2]) {
        let segments: Vec<Segment> =
            (0..n_samples).map(|i| segment(recipe, n_before + i, split, &mut rng)).collect();
        n_before += n_samples;
        writer.key(split.name())?;
        write_split(&mut writer, recipe, &segments, &directions, &mut rng)?;
    }
    writer.end_dict()?;
    writer.finish()?.flush()
}

const NEGATIVE: [&str; 4] = ["awful", "boring", "weak", "dull"];
const NEUTRAL: [&str; 6] = ["the", "movie", "scene", "was", "that", "actor"];
const POSITIVE: [&str; 4] = ["great", "moving", "funny", "lovely"];

fn segment(recipe: &Recipe, index: usize, split: SplitName, rng: &mut ChaCha12Rng) -> Segment {
    let Recipe { dataset, shapes, complementary } = recipe;
    // A label on the dataset's grid: CMU-MOSI and CH-SIMS average five annotators, CMU-MOSEI three.
    let (n_steps, n_annotators) = match dataset {
        Dataset::Mosi => (15, 5),
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
        // Five clips to a video, and no video in two splits.
        id: format!("synth_{}_{:04}$_${}", split.name(), index / 5, index % 5),
        label,
        parts,
        n_words,
        words: words.join(" "),
        n_audio: if shapes.aligned { n_words + 2 } else { rng.random_range(8..=shapes.audio[0]) },
        n_vision: if shapes.aligned { n_words + 2 } else { rng.random_range(8..=shapes.vision[0]) },
    }
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
        // Text has many features, each of which says little. A part of the label is smaller than the
        // label, and where there are distractors, fewer values carry it.
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
        Dataset::Mosi | Dataset::Mosei => &[""],
        Dataset::Sims | Dataset::Simsv2 => &["", "_T", "_A", "_V"],
    };
    for suffix in suffixes {
        writer.key(&format!("regression_labels{suffix}"))?;
        writer.array_f32(&[n_samples], &labels)?;
    }
    writer.end_dict()
}

/// Noise, and a modality's part of the label along one direction.
struct Signal<'a> {
    /// Which part of the label.
    modality: usize,
    shape: [usize; 2],
    direction: &'a [f32],
    strength: f32,
    /// The second half of the features has an offset that is drawn for each segment, and about half
    /// of the frames has noise alone.
    distracted: bool,
}

impl Signal<'_> {
    /// Writes `[n_samples, seq_len, feat_dim]`, zero outside each segment's frames.
    fn write<W: Write>(
        &self,
        writer: &mut Writer<W>,
        dtype: ArrayDtype,
        segments: &[Segment],
        frames: impl Fn(&Segment) -> std::ops::Range<usize>,
        rng: &mut ChaCha12Rng,
    ) -> io::Result<()> {
        let [seq_len, feat_dim] = self.shape;
        writer.begin_array(dtype, &[segments.len(), seq_len, feat_dim])?;
        let mut bytes = Vec::with_capacity(seq_len * feat_dim * dtype.item_size());
        for segment in segments {
            bytes.clear();
            let frames = frames(segment);
            let part = self.strength * segment.parts[self.modality];
            // The rest of the features have the offset.
            let (n_telling, offset): (usize, f32) = match self.distracted {
                true => (feat_dim.div_ceil(2), StandardNormal.sample(rng)),
                false => (feat_dim, 0.0),
            };
            for frame in 0..seq_len {
                let carries = !self.distracted || rng.random_range(0.0..1.0) < 0.5;
                for (feature, direction) in self.direction.iter().enumerate() {
                    let noise: f32 = StandardNormal.sample(rng);
                    let value = match feature < n_telling {
                        _ if !frames.contains(&frame) => 0.0,
                        true if carries => noise + part * direction,
                        true => noise,
                        false => noise + offset * direction,
                    };
                    match dtype {
                        ArrayDtype::F64 => bytes.extend(f64::from(value).to_le_bytes()),
                        _ => bytes.extend(value.to_le_bytes()),
                    }
                }
            }
            writer.elements(&bytes)?;
        }
        Ok(())
    }
}

/// BERT input `[n_samples, 3, seq_len]`: token ids, mask, segment ids. The ids are those of
/// [CLS] (101) and [SEP] (102) around one made-up id per word.
fn tokens(segments: &[Segment], seq_len: usize) -> Vec<i64> {
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
    use super::*;

    #[test]
    fn complementary_modalities_share_the_variance_of_the_label() {
        let dataset = Dataset::Mosi;
        let recipe = Recipe { dataset, shapes: shapes(dataset, false), complementary: true };
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let segments: Vec<Segment> =
            (0..4000).map(|idx| segment(&recipe, idx, SplitName::Train, &mut rng)).collect();
        // All have a mean of zero.
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
