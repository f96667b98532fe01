//! Segments of one video: rows of the reference and of every other sequence, by their times.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::collect::{check_times, collect, joined};
use super::error::AlignError;
use super::options::AlignOptions;
use super::sequence::CsdSequence;
use super::share::shares;
use super::vectors::Vectors;
use crate::corpus::Modality;
use crate::csd::{CsdEntry, Features};
use crate::intervals::{EPSILON, Missing, Pauses, Pooling, pool};

/// Features of one segment, `[n_rows, feat_dim]` each.
type FeaturesByModality = BTreeMap<Modality, Array2<f64>>;

/// A pause among the words.
pub(super) const PAUSE: &str = "sp";

/// The sequences to align, and their keys by video.
pub(super) struct Timed<'a> {
    pub(super) reference: &'a CsdSequence,
    pub(super) labels: &'a CsdSequence,
    pub(super) others: &'a BTreeMap<Modality, CsdSequence>,
    pub(super) options: &'a AlignOptions,
    /// Vectors of the reference's words, as text features.
    pub(super) vectors: Option<&'a Vectors>,
}

/// One segment.
pub(super) struct Segment {
    /// `VIDEO[i]`, where `i` counts the rows of the labels as stored.
    pub(super) id: String,
    /// Words without pauses; `None` where the reference has none.
    pub(super) text: Option<String>,
    /// The row of the labels.
    pub(super) label: Vec<f64>,
    /// Start and end of that row, where it is known.
    pub(super) interval: Option<[f64; 2]>,
    /// `[n_rows, feat_dim]` of each modality.
    pub(super) rows: BTreeMap<Modality, Array2<f64>>,
}

/// What happened in a video.
#[derive(Default)]
pub(super) struct Tally {
    /// Rows of the reference for which a sequence has nothing.
    pub(super) n_missing: BTreeMap<Modality, usize>,
    /// Segments in which a sequence has nothing at all, or no word.
    pub(super) empty: Vec<String>,
    /// Segments left out by [`Missing::DropSegment`].
    pub(super) dropped: Vec<String>,
    /// Segments whose interval is shorter than [`EPSILON`].
    pub(super) short: Vec<String>,
    /// Rows of the reference in no segment.
    pub(super) n_outside: usize,
    /// Rows of the reference in several segments.
    pub(super) n_shared: usize,
    /// Words without a vector.
    pub(super) n_unknown: usize,
    /// Pauses that were left out.
    pub(super) n_pauses: usize,
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        other.n_missing.into_iter().for_each(|(modality, n)| {
            *self.n_missing.entry(modality).or_default() += n;
        });
        self.empty.extend(other.empty);
        self.dropped.extend(other.dropped);
        self.short.extend(other.short);
        self.n_outside += other.n_outside;
        self.n_shared += other.n_shared;
        self.n_unknown += other.n_unknown;
        self.n_pauses += other.n_pauses;
    }
}

impl Timed<'_> {
    /// Aligns a video.
    ///
    /// # Errors
    /// An entry cannot be read or joined; a time is not finite, or an interval ends before it starts;
    /// features are text.
    pub(super) fn video(
        &self,
        video: &str,
        keys: &VideoKeys<'_>,
    ) -> Result<(Vec<Segment>, Tally), AlignError> {
        let mut tally = Tally::default();
        let labels = stored(self.labels, video, keys.labels)?;
        let label_values = numbers(self.labels, video, labels.features)?;
        let reference = ordered(self.reference, video, keys.reference)?;
        let reference = self.without_pauses(reference, &mut tally);
        let words = shares(&reference.intervals, &labels.intervals, self.options.border);
        tally.count_places(reference.intervals.len(), &words);
        let others = self.others.iter().map(|(modality, sequence)| {
            let keys = keys.others.get(modality).copied().unwrap_or_default();
            let entry = ordered(sequence, video, keys)?;
            let rows = match (self.options.pooling, &entry.features) {
                (Pooling::None, _) => {
                    let values = numbers(sequence, video, entry.features)?;
                    let rows = shares(&entry.intervals, &labels.intervals, self.options.border);
                    Stream::Kept { values, rows }
                }
                // Without a copy in double precision.
                (_, Features::Float32(values)) => {
                    self.pooled(values.view(), &entry.intervals, &reference.intervals)
                }
                _ => {
                    let values = numbers(sequence, video, entry.features)?;
                    self.pooled(values.view(), &entry.intervals, &reference.intervals)
                }
            };
            Ok((*modality, rows))
        });
        let streams = others.collect::<Result<BTreeMap<_, _>, AlignError>>()?;
        let text = self.text_rows(video, &reference, &mut tally)?;
        let mut segments = Vec::new();
        for (idx, [start, end]) in labels.intervals.iter().enumerate() {
            let id = format!("{video}[{idx}]");
            if end - start < EPSILON {
                tally.short.push(id);
                continue;
            }
            let own = Own { id, idx, words: &words[idx], text: text.as_ref() };
            if let Some((id, kept, rows)) = self.segment(own, &streams, &mut tally) {
                let text = reference.features.as_text().map(|texts| {
                    let words =
                        kept.iter().filter_map(|row| texts.values.row(*row).first().cloned());
                    let spoken: Vec<String> = words.filter(|word| word != PAUSE).collect();
                    spoken.join(" ")
                });
                let label = label_values.row(idx).to_vec();
                segments.push(Segment { id, text, label, interval: Some([*start, *end]), rows });
            }
        }
        Ok((segments, tally))
    }

    /// One row per row of the reference.
    fn pooled<T: Copy + Into<f64>>(
        &self,
        values: ArrayView2<'_, T>,
        times: &[[f64; 2]],
        reference: &[[f64; 2]],
    ) -> Stream {
        let AlignOptions { pooling, values: which, .. } = *self.options;
        let rows = pool(values, times, reference, pooling, which);
        Stream::Pooled { feat_dim: values.ncols(), rows }
    }

    fn without_pauses(&self, reference: CsdEntry, tally: &mut Tally) -> CsdEntry {
        let Features::Text(texts) = &reference.features else { return reference };
        if self.options.pauses == Pauses::Keep {
            return reference;
        }
        let is_word = |row: &usize| texts.values.row(*row).first().is_some_and(|it| it != PAUSE);
        let kept: Vec<usize> = (0..reference.intervals.len()).filter(is_word).collect();
        tally.n_pauses += reference.intervals.len() - kept.len();
        CsdEntry {
            intervals: kept.iter().map(|row| reference.intervals[*row]).collect(),
            features: reference.features.select(&kept),
        }
    }

    /// Text features: the reference's own numbers, or the vectors of its words.
    fn text_rows(
        &self,
        video: &str,
        reference: &CsdEntry,
        tally: &mut Tally,
    ) -> Result<Option<Array2<f64>>, AlignError> {
        match (&reference.features, self.vectors) {
            (Features::Text(texts), Some(vectors)) => {
                let mut rows = Array2::zeros((texts.values.nrows(), vectors.feat_dim()));
                for (words, mut row) in texts.values.rows().into_iter().zip(rows.rows_mut()) {
                    match words.first().and_then(|word| vectors.get(word)) {
                        Some(vector) => row.iter_mut().zip(vector).for_each(|(to, from)| {
                            *to = f64::from(*from);
                        }),
                        None => tally.n_unknown += 1,
                    }
                }
                Ok(Some(rows))
            }
            (Features::Text(_), None) => Ok(None),
            (_, _) if self.others.contains_key(&Modality::Text) => Ok(None),
            (features, _) => numbers(self.reference, video, features.clone()).map(Some),
        }
    }

    /// Id, rows of the reference, and features of one segment; `None` if it is left out.
    fn segment(
        &self,
        own: Own<'_>,
        streams: &BTreeMap<Modality, Stream>,
        tally: &mut Tally,
    ) -> Option<(String, Vec<usize>, FeaturesByModality)> {
        let mut missing: BTreeMap<Modality, Vec<usize>> = BTreeMap::new();
        for (modality, stream) in streams {
            let lacks = |row: &usize| match stream {
                Stream::Pooled { rows, .. } => rows[*row].is_none(),
                Stream::Kept { .. } => false,
            };
            let rows: Vec<usize> = own.words.iter().copied().filter(lacks).collect();
            if !rows.is_empty() {
                *tally.n_missing.entry(*modality).or_default() += rows.len();
                missing.insert(*modality, rows);
            }
        }
        let mut kept = own.words.to_vec();
        if !missing.is_empty() {
            match self.options.missing {
                Missing::Zero => {}
                Missing::DropRow => {
                    kept.retain(|row| !missing.values().any(|rows| rows.contains(row)));
                }
                Missing::DropSegment => {
                    tally.dropped.push(own.id);
                    return None;
                }
            }
        }
        let has_nothing = |stream: &Stream| match stream {
            Stream::Pooled { .. } => false,
            Stream::Kept { rows, .. } => rows[own.idx].is_empty(),
        };
        if kept.is_empty() || streams.values().any(has_nothing) {
            tally.empty.push(own.id);
            return None;
        }
        let of_stream = |stream: &Stream| match stream {
            Stream::Pooled { feat_dim, rows } => {
                let mut all = Array2::zeros((kept.len(), *feat_dim));
                for (row, mut to) in kept.iter().zip(all.rows_mut()) {
                    if let Some(values) = &rows[*row] {
                        to.assign(values);
                    }
                }
                all
            }
            Stream::Kept { values, rows } => values.select(Axis(0), &rows[own.idx]),
        };
        let mut rows: BTreeMap<Modality, Array2<f64>> =
            streams.iter().map(|(modality, stream)| (*modality, of_stream(stream))).collect();
        if let Some(text) = own.text {
            rows.insert(Modality::Text, text.select(Axis(0), &kept));
        }
        Some((own.id, kept, rows))
    }
}

/// What belongs to a segment.
struct Own<'a> {
    id: String,
    idx: usize,
    /// Its rows of the reference.
    words: &'a [usize],
    /// Text features of all rows of the reference.
    text: Option<&'a Array2<f64>>,
}

/// Keys of one video in each sequence.
pub(super) struct VideoKeys<'a> {
    pub(super) reference: &'a [&'a str],
    pub(super) labels: &'a [&'a str],
    pub(super) others: BTreeMap<Modality, &'a [&'a str]>,
}

/// Rows of a sequence in one video.
enum Stream {
    /// One per row of the reference.
    Pooled { feat_dim: usize, rows: Vec<Option<Array1<f64>>> },
    /// As they are, by segment.
    Kept { values: Array2<f64>, rows: Vec<Vec<usize>> },
}

impl Tally {
    fn count_places(&mut self, n_rows: usize, segments: &[Vec<usize>]) {
        let mut places = vec![0_usize; n_rows];
        segments.iter().flatten().for_each(|row| places[*row] += 1);
        self.n_outside += places.iter().filter(|n| **n == 0).count();
        self.n_shared += places.iter().filter(|n| **n > 1).count();
    }
}

/// Rows in order of start, none of which ends before it starts.
fn ordered(sequence: &CsdSequence, video: &str, keys: &[&str]) -> Result<CsdEntry, AlignError> {
    let entry = collect(sequence, video, keys)?;
    check_direction(sequence.name(), video, &entry.intervals)?;
    Ok(entry)
}

/// Rows as stored, whose order numbers the segments.
fn stored(sequence: &CsdSequence, video: &str, keys: &[&str]) -> Result<CsdEntry, AlignError> {
    let entry = joined(sequence, video, keys)?;
    check_times(sequence.name(), video, &entry.intervals)?;
    check_direction(sequence.name(), video, &entry.intervals)?;
    Ok(entry)
}

fn check_direction(sequence: &str, video: &str, intervals: &[[f64; 2]]) -> Result<(), AlignError> {
    match intervals.iter().position(|[start, end]| end < start) {
        None => Ok(()),
        Some(row) => {
            let [start, end] = intervals[row];
            let (sequence, video) = (sequence.to_owned(), video.to_owned());
            Err(AlignError::Reversed { sequence, video, row, start, end })
        }
    }
}

fn numbers(
    sequence: &CsdSequence,
    video: &str,
    features: Features,
) -> Result<Array2<f64>, AlignError> {
    features.into_float64().ok_or_else(|| AlignError::Type {
        sequence: sequence.name().into(),
        key: video.into(),
        expected: "numbers",
    })
}
