//! A folder of computational sequences (`.csd`), which the CMU SDK and `almt-data align` read.
//!
//! ```text
//! NAME.sequences/
//!   text.csd, audio.csd, vision.csd   an entry `VIDEO[n]` per segment, its rows without recorded padding
//!   words.csd                         an entry per video: the words of the texts
//!   labels.csd                        an entry per video: row n is the segment `VIDEO[n]`
//!   classes.csd                       the same of class labels: the index of the class, -1 for none
//!   folds.json                        the videos of each split, unless a video is in two
//! ```
//!
//! `n` is the number of the clip in its id. Numbers between those of the segments, which other segments
//! have, are rows of no length in `labels.csd`: an alignment skips them, and so gives the segments their
//! own names again. Where clips have no numbers, they are counted in order from 0. Without labels of either
//! kind, `labels.csd` has the times of the segments, and NaN.
//!
//! A store has no times of its steps. They follow one another evenly, within the times of their segment if
//! these are recorded, or else in one second each, one segment after another; `intervals` in the metadata
//! of each file says which.
//!
//! ```text
//! timeline   number and time of each segment
//! ```

mod timeline;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ndarray::{Array1, Array2, Axis};
use serde_json::{Value, json};

use super::ExportError;
use crate::chain::chain;
use crate::corpus::column::ColumnKind;
use crate::corpus::scale::{NO_CLASS, OwnScale};
use crate::corpus::{Modality, SplitName};
use crate::csd::{CsdEntry, CsdError, Features, SequenceWriter, Texts};
use crate::store::Store;
use timeline::{Segment, Timeline, even};

const FOLDS: &str = "folds.json";

/// Names of the columns of `labels.csd`.
const LABELS: [&str; 7] =
    ["sentiment", "happiness", "sadness", "anger", "surprise", "disgust", "fear"];

/// Whether a folder contains only such an export, and so may be replaced.
pub(super) fn is_ours(folder: &Path) -> bool {
    let names = |name: &str| name == FOLDS || name.ends_with(".csd");
    let entries = fs::read_dir(folder).map(|entries| {
        entries.map(|entry| entry.is_ok_and(|it| it.file_name().to_str().is_some_and(names)))
    });
    entries.is_ok_and(|mut entries| entries.all(|is_one| is_one))
}

/// Writes the whole store into an empty folder, one segment at a time, and returns what is not as in the
/// store, in sentences. `advance` receives the bytes of every stretch done.
///
/// # Errors
/// The store cannot be read or differs from its digests, the folder cannot be written to, or a video has
/// a name that HDF5 cannot store.
pub fn csd(
    store: &Store,
    folder: &Path,
    advance: &dyn Fn(u64),
) -> Result<Vec<String>, ExportError> {
    let segments = segments(store)?;
    let timeline = Timeline::of(&segments);
    let export = Export { store, folder, segments: &segments, timeline: &timeline };
    for modality in Modality::ALL {
        let has_it = |split: &SplitName| column_of(store, *split, modality).is_some();
        let splits: Vec<SplitName> = splits(store).filter(has_it).collect();
        if !splits.is_empty() {
            export.features(modality, &splits, advance)?;
        }
    }
    if segments.iter().any(|segment| segment.words.is_some()) {
        export.words()?;
    }
    let mut notes = Vec::new();
    let has_classes = segments.iter().any(|segment| segment.class.is_some());
    if has_classes {
        export.classes()?;
    }
    let has_label = |segment: &Segment| !segment.label.is_nan() || segment.emotions.is_some();
    if !has_classes || segments.iter().any(has_label) {
        export.labels()?;
        let n_unlabelled = segments.iter().filter(|segment| segment.label.is_nan()).count();
        if n_unlabelled > 0 {
            notes.push(format!(
                "labels.csd: segments that have no label, and NaN in its place: {n_unlabelled}"
            ));
        }
    }
    let n_without_class = segments.iter().filter(|it| it.class == Some(NO_CLASS)).count();
    if n_without_class > 0 {
        notes.push(format!(
            "classes.csd: segments that have no class, and {NO_CLASS} in its place: {n_without_class}"
        ));
    }
    if !export.folds()? {
        notes.push("splits are not written, as folds are of whole videos and one is in two".into());
    }
    notes.extend(left_out(store));
    Ok(notes)
}

/// The columns that sequences have no place for; `None` if all have one, or follow from others.
fn left_out(store: &Store) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for column in &store.manifest().columns {
        let has_place = match &column.id.kind {
            ColumnKind::Id
            | ColumnKind::RawText
            | ColumnKind::Features(_)
            | ColumnKind::Lengths(_)
            | ColumnKind::RegressionLabels
            | ColumnKind::ClassificationLabels
            | ColumnKind::EmotionLabels
            | ColumnKind::Bins(_) => true,
            ColumnKind::Annotations
            | ColumnKind::TextBert
            | ColumnKind::Words
            | ColumnKind::RegressionLabelsOf(_)
            | ColumnKind::Other(_) => false,
        };
        if !has_place && !names.contains(&column.name()) {
            names.push(column.name());
        }
    }
    let names = (!names.is_empty()).then(|| names.join(", "))?;
    Some(format!("columns that sequences have no place for are not written: {names}"))
}

fn splits(store: &Store) -> impl Iterator<Item = SplitName> {
    store.manifest().splits.iter().map(|split| split.name)
}

/// Extents of the features of a modality in a split.
fn column_of(store: &Store, split: SplitName, modality: Modality) -> Option<&[usize]> {
    let column = store.manifest().column(&ColumnKind::Features(modality).of(split))?;
    Some(&column.shape)
}

/// All segments, in the order of the store.
fn segments(store: &Store) -> Result<Vec<Segment>, ExportError> {
    let mut segments = Vec::new();
    for split in &store.manifest().splits {
        let name = split.name;
        let texts = store.strings(&ColumnKind::RawText.of(name))?;
        let labels = store.labels(name)?;
        let classes = store.numbers::<i32>(&ColumnKind::ClassificationLabels.of(name))?;
        let emotions = store.numbers::<f32>(&ColumnKind::EmotionLabels.of(name))?;
        let mut lengths = BTreeMap::new();
        for modality in Modality::ALL {
            let Some([_, seq_len, _]) = column_of(store, name, modality) else { continue };
            lengths.insert(modality, (store.lengths(name, modality)?, *seq_len));
        }
        for (row, id) in split.ids.iter().enumerate() {
            let n_rows = |(known, seq_len): &(Option<Vec<i32>>, usize)| match known {
                Some(lengths) => {
                    let length = lengths.get(row).copied().unwrap_or_default();
                    usize::try_from(length).unwrap_or_default().min(*seq_len)
                }
                None => *seq_len,
            };
            let words = |text: &String| text.split_whitespace().map(str::to_owned).collect();
            let label = labels.as_ref().and_then(|all| all.get(row)).copied();
            let of_row = |all: &ndarray::ArrayD<f32>| {
                all.outer_iter().nth(row).map(|row| row.iter().copied().collect::<Vec<f32>>())
            };
            segments.push(Segment {
                id: id.clone(),
                split: name,
                video: split.videos.get(row).cloned().unwrap_or_else(|| id.clone()),
                interval: split.intervals.as_ref().and_then(|all| all.get(row)).copied(),
                n_rows: lengths.iter().map(|(modality, it)| (*modality, n_rows(it))).collect(),
                words: texts.as_ref().and_then(|texts| texts.get(row)).map(words),
                label: label.unwrap_or(f32::NAN),
                class: classes.as_ref().and_then(|all| all.get(&[row][..])).copied(),
                emotions: emotions.as_ref().and_then(of_row),
            });
        }
    }
    Ok(segments)
}

struct Export<'a> {
    store: &'a Store,
    folder: &'a Path,
    segments: &'a [Segment],
    timeline: &'a Timeline,
}

impl Export<'_> {
    fn create(&self, root: &str) -> Result<SequenceWriter, ExportError> {
        let path = self.folder.join(format!("{root}.csd"));
        SequenceWriter::create(&path, root, false).map_err(unwritten)
    }

    fn finish(
        &self,
        writer: SequenceWriter,
        description: &str,
        columns: Value,
        more: Vec<(String, Value)>,
    ) -> Result<(), ExportError> {
        let manifest = self.store.manifest();
        let mut metadata = vec![
            ("computational sequence description".to_owned(), json!(description)),
            ("dimension names".to_owned(), columns),
            ("computational sequence version".to_owned(), json!(manifest.digest)),
            ("dataset name".to_owned(), json!(manifest.dataset.title())),
            ("creator".to_owned(), json!(concat!("almt-data ", env!("CARGO_PKG_VERSION")))),
            ("intervals".to_owned(), json!(self.timeline.description())),
        ];
        metadata.extend(more);
        writer.finish(&metadata).map_err(unwritten)
    }

    /// Writes the features of one modality, an entry per segment that has rows.
    fn features(
        &self,
        modality: Modality,
        splits: &[SplitName],
        advance: &dyn Fn(u64),
    ) -> Result<(), ExportError> {
        let mut writer = self.create(modality.name())?;
        for split in splits {
            let mut places =
                (0..self.segments.len()).filter(|place| self.segments[*place].split == *split);
            let Some(&[_, seq_len, feat_dim]) = column_of(self.store, *split, modality) else {
                continue;
            };
            self.store.feature_pieces(*split, modality, |values| {
                advance(size_of_val(values) as u64);
                for sample in values.chunks_exact((seq_len * feat_dim).max(1)) {
                    let Some(place) = places.next() else { break };
                    let n_rows = self.segments[place].n_rows.get(&modality).copied();
                    let n_rows = n_rows.unwrap_or_default();
                    if n_rows == 0 {
                        continue;
                    }
                    let kept = sample.get(..n_rows * feat_dim).unwrap_or_default().to_vec();
                    let rows = Array2::from_shape_vec((n_rows, feat_dim), kept);
                    let rows = rows.map_err(|error| std::io::Error::other(error.to_string()))?;
                    let entry = CsdEntry {
                        intervals: even(self.timeline.interval(place), n_rows),
                        features: Features::Float32(rows),
                    };
                    writer.entry(self.timeline.key(place), &entry).map_err(unwritten)?;
                }
                Ok::<_, ExportError>(())
            })?;
        }
        let named = self.store.manifest().features.get(&modality);
        let columns = named.map_or(Value::Null, |named| json!(named.names));
        let description = format!("{modality} features of segments, from a store");
        self.finish(writer, &description, columns, Vec::new())
    }

    /// Writes the words of the texts, an entry per video.
    fn words(&self) -> Result<(), ExportError> {
        let mut writer = self.create("words")?;
        for (video, places) in self.timeline.videos() {
            let mut words: Vec<([f64; 2], String)> = Vec::new();
            for place in places.iter().flatten() {
                let own = self.segments[*place].words.as_deref().unwrap_or_default();
                let intervals = even(self.timeline.interval(*place), own.len());
                words.extend(intervals.into_iter().zip(own.iter().cloned()));
            }
            words.sort_by(|(one, _), (next, _)| one[0].total_cmp(&next[0]));
            if words.is_empty() {
                continue;
            }
            let width = words.iter().map(|(_, word)| word.len()).max().unwrap_or_default();
            let (intervals, words): (Vec<_>, Vec<String>) = words.into_iter().unzip();
            let values = Array2::from_shape_fn((words.len(), 1), |(row, _)| words[row].clone());
            let features = Features::Text(Texts { width, values });
            writer.entry(video, &CsdEntry { intervals, features }).map_err(unwritten)?;
        }
        self.finish(writer, "words of the texts, from a store", json!(["word"]), Vec::new())
    }

    /// Writes the labels.
    fn labels(&self) -> Result<(), ExportError> {
        let has_emotions = self.segments.iter().any(|segment| segment.emotions.is_some());
        let columns = if has_emotions { &LABELS[..] } else { &LABELS[..1] };
        let features = |places: &[Option<usize>]| {
            let mut labels = Array2::from_elem((places.len(), columns.len()), f32::NAN);
            for (place, mut row) in places.iter().zip(labels.outer_iter_mut()) {
                let Some(place) = *place else { continue };
                let segment = &self.segments[place];
                let emotions = segment.emotions.iter().flatten().copied();
                let values = std::iter::once(segment.label).chain(emotions);
                row.iter_mut().zip(values).for_each(|(to, from)| *to = from);
            }
            Features::Float32(labels)
        };
        let description = "labels of segments, from a store";
        self.of_segments("labels", features, description, json!(columns), Vec::new())
    }

    /// Writes the indices of classes, with the names of these if the store has them. They are no labels of
    /// an alignment, which takes numbers for values.
    fn classes(&self) -> Result<(), ExportError> {
        let features = |places: &[Option<usize>]| {
            let class = |place: &Option<usize>| self.segments[(*place)?].class;
            let classes = places.iter().map(|place| f64::from(class(place).unwrap_or(NO_CLASS)));
            Features::Float64(classes.collect::<Array1<f64>>().insert_axis(Axis(1)))
        };
        let scale = self.store.manifest().label_scale.as_ref();
        let names = scale.map(OwnScale::classes).filter(|names| !names.is_empty());
        let names = names.map(|names| ("class names".to_owned(), json!(names)));
        let description = "classes of segments, from a store; -1 for none";
        let names = names.into_iter().collect();
        self.of_segments("classes", features, description, json!(["class"]), names)
    }

    /// Writes what segments have as a whole, an entry per video: `features` is given the places of its segments
    /// by number, each of which is a row.
    fn of_segments(
        &self,
        root: &str,
        features: impl Fn(&[Option<usize>]) -> Features,
        description: &str,
        columns: Value,
        mut more: Vec<(String, Value)>,
    ) -> Result<(), ExportError> {
        let mut writer = self.create(root)?;
        for (video, places) in self.timeline.videos() {
            let mut last = 0.0;
            let interval = |place: &Option<usize>| {
                let interval = place.map_or([last, last], |place| self.timeline.interval(place));
                last = interval[1];
                interval
            };
            let intervals = places.iter().map(interval).collect();
            let entry = CsdEntry { intervals, features: features(places) };
            writer.entry(video, &entry).map_err(unwritten)?;
        }
        let ids = self.timeline.counted_ids(self.segments);
        more.extend((!ids.is_empty()).then(|| ("segment ids".to_owned(), json!(ids))));
        self.finish(writer, description, columns, more)
    }

    /// Writes the videos of each split, unless a video is in two.
    fn folds(&self) -> Result<bool, ExportError> {
        let mut folds: BTreeMap<SplitName, BTreeSet<&str>> = BTreeMap::new();
        for segment in self.segments {
            folds.entry(segment.split).or_default().insert(&segment.video);
        }
        let n_places: usize = folds.values().map(BTreeSet::len).sum();
        if n_places > self.timeline.videos().count() {
            return Ok(false);
        }
        let folds: BTreeMap<&str, &BTreeSet<&str>> =
            folds.iter().map(|(split, videos)| (split.name(), videos)).collect();
        let text = serde_json::to_vec_pretty(&folds).map_err(std::io::Error::from)?;
        fs::write(self.folder.join(FOLDS), text)?;
        Ok(true)
    }
}

fn unwritten(error: CsdError) -> ExportError {
    match error {
        CsdError::Io { cause, .. } => ExportError::Write(cause),
        CsdError::Name { name, problem, .. } => {
            ExportError::Unfit { place: format!("the video `{name}`"), problem }
        }
        other => ExportError::Write(std::io::Error::other(chain(&other))),
    }
}
