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
use crate::tree::human_bytes;

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
    /// Segments in the training split; validation has a quarter, test a half of it
    #[arg(long, default_value_t = 192, value_parser = clap::value_parser!(u32).range(4..=100_000))]
    samples: u32,
    /// Seed of all values
    #[arg(long, default_value_t = 1)]
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

/// One segment before its features are drawn.
struct Segment {
    id: String,
    label: f32,
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
    let failed = |error: io::Error| Failure::at(&output, format!("cannot write: {error}"));
    let draft = Draft::new(&output, args.overwrite).map_err(failed)?;
    File::options()
        .write(true)
        .open(draft.path())
        .and_then(|file| {
            let shapes = shapes(args.dataset, args.unaligned);
            write(args.dataset, &shapes, args.samples as usize, args.seed, &file)
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

fn write(
    dataset: Dataset,
    shapes: &Shapes,
    n_train: usize,
    seed: u64,
    file: &File,
) -> io::Result<()> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let directions =
        [shapes.text[1], shapes.audio[1], shapes.vision[1]].map(|feat_dim| -> Vec<f32> {
            (0..feat_dim).map(|_| StandardNormal.sample(&mut rng)).collect()
        });
    let mut writer = Writer::new(BufWriter::new(file))?;
    writer.begin_dict()?;
    let mut n_before = 0;
    for (split, n_samples) in SplitName::ALL.into_iter().zip([n_train, n_train / 4, n_train / 2]) {
        let segments: Vec<Segment> = (0..n_samples)
            .map(|i| segment(dataset, shapes, n_before + i, split, &mut rng))
            .collect();
        n_before += n_samples;
        writer.key(split.name())?;
        write_split(&mut writer, dataset, shapes, &segments, &directions, &mut rng)?;
    }
    writer.end_dict()?;
    writer.finish()?.flush()
}

const NEGATIVE: [&str; 4] = ["awful", "boring", "weak", "dull"];
const NEUTRAL: [&str; 6] = ["the", "movie", "scene", "was", "that", "actor"];
const POSITIVE: [&str; 4] = ["great", "moving", "funny", "lovely"];

fn segment(
    dataset: Dataset,
    shapes: &Shapes,
    index: usize,
    split: SplitName,
    rng: &mut ChaCha12Rng,
) -> Segment {
    // A label on the dataset's grid: CMU-MOSI and CH-SIMS average five annotators, CMU-MOSEI three.
    let (n_steps, n_annotators) = match dataset {
        Dataset::Mosi => (15, 5),
        Dataset::Mosei => (9, 3),
        Dataset::Sims | Dataset::Simsv2 => (5, 5),
    };
    let label = rng.random_range(-n_steps..=n_steps) as f32 / n_annotators as f32;
    let n_words = rng.random_range(4..=shapes.text[0] - 2);
    let share = (label.abs() * n_annotators as f32 / n_steps as f32).clamp(0.0, 1.0);
    let charged = if label < 0.0 { NEGATIVE } else { POSITIVE };
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
        n_words,
        words: words.join(" "),
        n_audio: if shapes.aligned { n_words + 2 } else { rng.random_range(8..=shapes.audio[0]) },
        n_vision: if shapes.aligned { n_words + 2 } else { rng.random_range(8..=shapes.vision[0]) },
    }
}

fn write_split<W: Write>(
    writer: &mut Writer<W>,
    dataset: Dataset,
    shapes: &Shapes,
    segments: &[Segment],
    directions: &[Vec<f32>; 3],
    rng: &mut ChaCha12Rng,
) -> io::Result<()> {
    let n_samples = segments.len();
    writer.begin_dict()?;
    writer.key("raw_text")?;
    writer.str_list(segments.iter().map(|segment| segment.words.as_str()))?;
    writer.key("id")?;
    writer.str_list(segments.iter().map(|segment| segment.id.as_str()))?;
    writer.key("text")?;
    let text = Signal { shape: shapes.text, direction: &directions[0], strength: 0.15 };
    text.write(writer, ArrayDtype::F32, segments, |s| 0..s.n_words + 2, rng)?;
    writer.key("text_bert")?;
    writer.array_i64(&[n_samples, 3, shapes.text[0]], &tokens(segments, shapes.text[0]))?;
    // Aligned files have zeros at [CLS], where no word is spoken.
    let first = usize::from(shapes.aligned);
    writer.key("audio")?;
    let audio = Signal { shape: shapes.audio, direction: &directions[1], strength: 0.3 };
    audio.write(writer, ArrayDtype::F64, segments, |s| first..s.n_audio - first, rng)?;
    writer.key("vision")?;
    let vision = Signal { shape: shapes.vision, direction: &directions[2], strength: 0.3 };
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

/// Noise, and the label along one direction.
struct Signal<'a> {
    shape: [usize; 2],
    direction: &'a [f32],
    strength: f32,
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
            for frame in 0..seq_len {
                for direction in self.direction {
                    let noise: f32 = StandardNormal.sample(rng);
                    let value = match frames.contains(&frame) {
                        true => noise + self.strength * segment.label * direction,
                        false => 0.0,
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
