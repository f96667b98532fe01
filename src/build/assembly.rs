//! The corpus of a table of clips and the files of their features.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::BuildError;
use super::frames::MOST_VALUES;
use super::named::{header_notes, names};
use super::options::{BuildOptions, LengthRule, Reading};
use super::reconcile::{self, Reconciled, first};
use super::rows::{ClipRow, ClipRows};
use super::source::ModalityFiles;
use super::spoken::Spoken;
use super::steps::n_steps;
use super::survey::Surveyed;
use super::transcripts::Transcripts;
use crate::corpus::clips::{BuildRecord, BuiltFeatures, CLIPS, FailedFaces};
use crate::corpus::labels::{Field, LabelRow, LabelTable};
use crate::corpus::scale::NO_CLASS;
use crate::corpus::subset::unlabelled_note;
use crate::corpus::{Corpus, CorpusSplit, FeatureBlock, Modality, RegressionLabels, SplitName};
use crate::words::{count, counted};

/// What a corpus is made of.
pub(super) struct Assembly<'a> {
    pub(super) table: &'a LabelTable,
    /// The rows of the table.
    pub(super) rows: Vec<&'a LabelRow>,
    /// Ids of the clips in the store, in the order of the table.
    pub(super) ids: &'a [String],
    pub(super) sources: &'a [ModalityFiles],
    pub(super) words: Option<&'a Transcripts>,
    pub(super) options: &'a BuildOptions,
}

/// The features of one modality, of all clips that are stored.
struct Features<'a> {
    source: &'a ModalityFiles,
    /// The words, if each of them is a step.
    words: Option<&'a Spoken<'a>>,
    reading: Reading,
    feat_dim: usize,
    seq_len: usize,
}

impl Assembly<'_> {
    /// The corpus without incomplete clips, if these may be left out.
    ///
    /// # Errors
    /// Clips are incomplete and may not be left out, or none is left; the split of a clip is not clear,
    /// or a length is too large.
    pub(super) fn corpus(&self, reconciled: &[Reconciled]) -> Result<Corpus, BuildError> {
        let mut notes: Vec<String> = reconciled.iter().map(Reconciled::to_string).collect();
        let incomplete = self.incomplete(reconciled)?;
        let spoken = self.words.zip(self.options.words.as_ref());
        let spoken =
            spoken.map(|(words, options)| Spoken::of(words, options, self.sources, &incomplete));
        let mut left_out = incomplete.clone();
        left_out.extend(spoken.iter().flat_map(|spoken| spoken.left_out.iter().copied()));
        if left_out.len() == self.ids.len() {
            return Err(BuildError::NoWordWithFrames { path: self.table.path().into() });
        }
        let mut splits = self.splits(&left_out, &mut notes)?;
        if self.options.drop_unlabelled {
            self.drop_unlabelled(&mut splits, &mut notes);
        }
        let kept: Vec<usize> = splits.values().flatten().copied().collect();
        let mut features = Vec::new();
        let mut built = BTreeMap::new();
        let mut feature_names = BTreeMap::new();
        for source in self.sources {
            let of_modality = self.features(source, spoken.as_ref(), &kept)?;
            let record = self.record(&of_modality, &kept, &mut notes);
            built.insert(source.modality.to_string(), record);
            let Features { reading, feat_dim, .. } = &of_modality;
            let names = names(source, reading, *feat_dim, &self.options.named)?;
            feature_names.extend(names.map(|names| (source.modality, names)));
            features.push(of_modality);
        }
        let has_texts = self.table.has(Field::Text);
        let words = spoken
            .as_ref()
            .map(|spoken| spoken.record(&kept, self.ids, &self.rows, has_texts, &mut notes));
        if !incomplete.is_empty() {
            let ids = incomplete.iter().filter_map(|clip| self.ids.get(*clip));
            let n = counted(incomplete.len(), "incomplete clip is", "incomplete clips are");
            notes.push(format!("{n} not stored: {}", first(ids.map(String::as_str))));
        }
        let incomplete =
            incomplete.iter().filter_map(|clip| self.ids.get(*clip)).cloned().collect();
        let columns = self.table.columns();
        let columns = columns
            .map(|(field, name)| (field.name().to_owned(), name.trim_matches('`').to_owned()));
        let build = BuildRecord {
            columns: columns.collect(),
            features: built,
            words,
            left_out: incomplete,
        };
        let splits =
            splits.iter().map(|(name, clips)| self.split(*name, clips, &features, spoken.as_ref()));
        Ok(Corpus {
            layout: CLIPS,
            splits: splits.collect(),
            notes,
            feature_names,
            build: Some(build),
        })
    }

    /// The clips that lack features, if they may be left out.
    fn incomplete(&self, reconciled: &[Reconciled]) -> Result<BTreeSet<usize>, BuildError> {
        let usable = self.sources.iter().map(|source| source.survey.usable());
        let usable: Vec<_> = usable.chain(self.words.map(Transcripts::usable)).collect();
        let n_clips = self.ids.len();
        let incomplete = reconcile::incomplete(n_clips, &usable);
        let lacks = || {
            let lacks: Vec<String> = reconciled.iter().filter_map(Reconciled::lacks).collect();
            lacks.join("; ")
        };
        let path = self.table.path();
        match incomplete.len() {
            0 => Ok(incomplete),
            n if n == n_clips => {
                Err(BuildError::NothingLeft { path: path.into(), n_clips, lacks: lacks() })
            }
            _ if self.options.drop_incomplete => Ok(incomplete),
            n_incomplete => {
                let (path, lacks) = (path.into(), lacks());
                Err(BuildError::Incomplete { path, n_incomplete, n_clips, lacks })
            }
        }
    }

    /// The clips of each split, without those in `left_out`.
    fn splits(
        &self,
        left_out: &BTreeSet<usize>,
        notes: &mut Vec<String>,
    ) -> Result<BTreeMap<SplitName, Vec<usize>>, BuildError> {
        let has_splits = self.rows.iter().any(|row| row.split.is_some());
        let path = || self.table.path().into();
        let only = match (has_splits, self.options.split) {
            (true, Some(told)) => return Err(BuildError::SplitTold { path: path(), told }),
            (true, None) => None,
            (false, told) => {
                let usual = if self.is_labelled() { SplitName::Train } else { SplitName::Test };
                let name = told.unwrap_or(usual);
                notes.push(format!("splits: the table has none, all clips are in `{name}`"));
                Some(name)
            }
        };
        let mut splits: BTreeMap<SplitName, Vec<usize>> = BTreeMap::new();
        for (clip, row) in self.rows.iter().enumerate() {
            let Some(name) = only.or(row.split) else {
                let (line, id) = (row.line, row.id.clone());
                return Err(BuildError::NoSplit { path: path(), line, id });
            };
            if !left_out.contains(&clip) {
                splits.entry(name).or_default().push(clip);
            }
        }
        Ok(splits)
    }

    fn is_labelled(&self) -> bool {
        self.rows.iter().any(|row| row.has_label())
    }

    /// Leaves out the unlabelled clips of splits that have labels.
    fn drop_unlabelled(
        &self,
        splits: &mut BTreeMap<SplitName, Vec<usize>>,
        notes: &mut Vec<String>,
    ) {
        let is_labelled = |clip: &usize| self.rows.get(*clip).is_some_and(|row| row.has_label());
        for (name, clips) in splits {
            let unlabelled = clips.iter().filter(|clip| !is_labelled(clip));
            let ids: Vec<&str> =
                unlabelled.filter_map(|clip| self.ids.get(*clip)).map(String::as_str).collect();
            if ids.is_empty() || ids.len() == clips.len() {
                continue;
            }
            notes.push(unlabelled_note(*name, ids.into_iter()));
            clips.retain(is_labelled);
        }
    }

    /// The shape of a modality's samples.
    fn features<'s>(
        &self,
        source: &'s ModalityFiles,
        spoken: Option<&'s Spoken<'s>>,
        kept: &[usize],
    ) -> Result<Features<'s>, BuildError> {
        let reading = self.options.reading(source.modality);
        let words = spoken.filter(|spoken| spoken.has_steps(source.modality));
        let mut clips = kept.iter().filter_map(|clip| source.survey.clips.get(clip));
        let feat_dim = clips.next().map_or(0, |clip| clip.feat_dim);
        let mut features = Features { source, words, reading, feat_dim, seq_len: 0 };
        let lengths: Vec<usize> = features.lengths(kept).collect();
        features.seq_len = self.rule(source.modality).of(&lengths);
        let seq_len = features.seq_len;
        let n_values = seq_len.checked_mul(feat_dim).filter(|n_values| *n_values <= MOST_VALUES);
        if n_values.is_none() {
            let (modality, limit) = (source.modality, MOST_VALUES);
            return Err(BuildError::TooLong { modality, seq_len, feat_dim, limit });
        }
        Ok(features)
    }

    fn rule(&self, modality: Modality) -> LengthRule {
        self.options.length.get(&modality).copied().unwrap_or(LengthRule::Longest)
    }

    /// The manifest's record of a modality, and its sentences.
    fn record(
        &self,
        features: &Features<'_>,
        kept: &[usize],
        notes: &mut Vec<String>,
    ) -> BuiltFeatures {
        let Features { source, reading, seq_len, .. } = *features;
        let modality = source.modality;
        let clips: Vec<&Surveyed> =
            kept.iter().filter_map(|clip| source.survey.clips.get(clip)).collect();
        let unique = |of: fn(&Surveyed) -> &'static str| {
            let all: BTreeSet<&str> = clips.iter().map(|clip| of(clip)).collect();
            all.into_iter().map(str::to_owned).collect::<Vec<String>>()
        };
        let dtypes = unique(|clip| clip.dtype);
        if dtypes.iter().any(|dtype| dtype != "float32") {
            notes.push(format!("{modality}: {} -> float32", dtypes.join(" and ")));
        }
        notes.extend(header_notes(
            source,
            self.options.named.contains_key(&modality),
            self.options.settles_faces(),
        ));
        let lengths = || features.lengths(kept);
        if reading.pool > 1 && features.words.is_none() {
            notes.push(format!(
                "{modality}: each frame is the mean of {} consecutive ones",
                reading.pool
            ));
        }
        let n_cut = lengths().filter(|length| *length > seq_len).count();
        if n_cut > 0 {
            let longest = lengths().max().unwrap_or(0);
            let clips = counted(n_cut, "clip was", "clips were");
            notes.push(format!(
                "{modality}: {clips} cut from up to {longest} to {seq_len} frames at the {}",
                reading.cut
            ));
        }
        if lengths().any(|length| length < seq_len) {
            notes.push(format!(
                "{modality}: samples of different lengths were padded with zeros at the back"
            ));
        }
        let n_without_frames =
            features.words.map(|words| words.n_without_frames(features.source, kept));
        if let Some(n @ 1..) = n_without_frames {
            let words = counted(n, "word without a frame is", "words without a frame are");
            notes.push(format!("{modality}: {words} zeros"));
        }
        let files: Vec<(u64, blake3::Hash)> = match source.digest {
            Some(digest) => vec![digest],
            None => clips.iter().filter_map(|clip| clip.digest).collect(),
        };
        let mut digest = blake3::Hasher::new();
        files.iter().for_each(|(_, blake3)| _ = digest.update(blake3.as_bytes()));
        let times = match reading.frame_rate {
            Some(rate) => vec![format!("{rate} frames per second")],
            None => unique(|clip| clip.times.unwrap_or_default()),
        };
        let failed_faces = failed_faces(&clips, &reading);
        notes.extend(failed_faces.as_ref().and_then(|failed| failed_note(modality, failed)));
        BuiltFeatures {
            kinds: unique(|clip| clip.kind),
            n_files: files.len(),
            n_bytes: files.iter().map(|(n_bytes, _)| n_bytes).sum(),
            blake3: digest.finalize().to_hex().to_string(),
            pool: reading.pool,
            length: self.rule(modality).to_string(),
            seq_len,
            cut: reading.cut.to_string(),
            n_cut,
            padding: "back".into(),
            times: features.words.map(|_| times.join(" and ")),
            n_without_frames,
            failed_faces,
        }
    }

    fn split(
        &self,
        name: SplitName,
        clips: &[usize],
        features: &[Features<'_>],
        spoken: Option<&Spoken<'_>>,
    ) -> CorpusSplit {
        let rows: Vec<&LabelRow> =
            clips.iter().filter_map(|clip| self.rows.get(*clip).copied()).collect();
        let texts = |field: Field, of: fn(&LabelRow) -> &Option<String>| {
            let all = rows.iter().map(|row| of(row).clone().unwrap_or_default());
            self.table.has(field).then(|| all.collect::<Vec<String>>())
        };
        let overall = rows.iter().map(|row| row.label.unwrap_or(f32::NAN));
        let has_numbers = self.rows.iter().any(|row| row.label.is_some());
        let overall = has_numbers.then(|| overall.collect());
        let class = |row: &&LabelRow| {
            row.class.and_then(|class| i32::try_from(class).ok()).unwrap_or(NO_CLASS)
        };
        let has_classes = self.rows.iter().any(|row| row.class.is_some());
        let classes = has_classes.then(|| rows.iter().map(class).collect());
        let of_modality = |modality: Modality| {
            let labels = rows.iter().map(|row| row.labels_by_modality.get(&modality).copied());
            let has_some = labels.clone().any(|label| label.is_some());
            has_some.then(|| labels.map(|label| label.unwrap_or(f32::NAN)).collect())
        };
        let by_modality = Modality::ALL
            .into_iter()
            .filter_map(|modality| Some((modality, of_modality(modality)?)));
        CorpusSplit {
            name,
            ids: clips.iter().filter_map(|clip| self.ids.get(*clip)).cloned().collect(),
            raw_text: texts(Field::Text, |row| &row.text).or_else(|| {
                spoken.map(|spoken| clips.iter().map(|clip| spoken.text(*clip)).collect())
            }),
            annotations: texts(Field::Annotation, |row| &row.annotation),
            features: features
                .iter()
                .map(|features| (features.source.modality, features.block(clips)))
                .collect(),
            text_bert: None,
            words: None,
            lengths: features
                .iter()
                .map(|features| (features.source.modality, features.stored_lengths(clips)))
                .collect(),
            regression_labels: RegressionLabels { overall, by_modality: by_modality.collect() },
            classification_labels: classes,
            emotion_labels: None,
            intervals: rows.iter().map(|row| row.interval).collect(),
            narrowed_labels: Vec::new(),
        }
    }
}

impl Features<'_> {
    fn block(&self, clips: &[usize]) -> FeatureBlock {
        let row = |clip: &usize| {
            let file = self.source.located.of_clips.get(clip)?.clone();
            let n_frames = self.source.survey.clips.get(clip)?.n_frames;
            let words = self.words.map(|words| words.intervals(*clip));
            Some(ClipRow { file, n_frames, words })
        };
        let rows: Arc<[ClipRow]> = clips.iter().filter_map(row).collect();
        let shape = [rows.len(), self.seq_len, self.feat_dim];
        let (reading, feat_dim) = (self.reading, self.feat_dim);
        FeatureBlock { shape, rows: Arc::new(ClipRows { clips: rows, reading, feat_dim }) }
    }

    /// Steps of each clip before it is cut or padded.
    fn lengths(&self, clips: &[usize]) -> impl Iterator<Item = usize> {
        let all = &self.source.survey.clips;
        let surveyed = clips.iter().filter_map(|clip| Some((*clip, all.get(clip)?)));
        surveyed.map(|(clip, surveyed)| match self.words {
            Some(words) => words.n_words(clip),
            None => n_steps(surveyed.n_frames, self.reading.pool),
        })
    }

    /// Steps of each clip in the store, without padding.
    fn stored_lengths(&self, clips: &[usize]) -> Vec<i32> {
        let stored = self.lengths(clips).map(|length| length.min(self.seq_len));
        stored.map(|length| i32::try_from(length).unwrap_or(i32::MAX)).collect()
    }
}

fn failed_faces(clips: &[&Surveyed], reading: &Reading) -> Option<FailedFaces> {
    let counts: Vec<_> = clips.iter().filter_map(|clip| clip.faces).collect();
    (!counts.is_empty()).then(|| FailedFaces {
        action: reading.failed_faces.to_string(),
        min_confidence: reading.min_confidence,
        n_frames: counts.iter().map(|count| count.n_frames).sum(),
        n_failed: counts.iter().map(|count| count.n_failed).sum(),
        n_clips: counts.iter().filter(|count| count.n_failed > 0).count(),
    })
}

fn failed_note(modality: Modality, failed: &FailedFaces) -> Option<String> {
    let FailedFaces { action, n_frames, n_failed, n_clips, .. } = failed;
    let done = match action.as_str() {
        "zero" => "their values became 0",
        "interpolate" => "their values are interpolated",
        "drop" => "they are not stored",
        _ => "their values were kept",
    };
    let number = |n: u64| count(usize::try_from(n).unwrap_or(usize::MAX));
    let clips = counted(*n_clips, "clip", "clips");
    (*n_failed > 0).then(|| {
        format!(
            "{modality}: {} of {} frames, in {clips}, have no face: {done}",
            number(*n_failed),
            number(*n_frames)
        )
    })
}
