//! From files of sequences to a store, in one call.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::collect::entries_of;
use super::error::AlignError;
use super::homes::{FoldsChoice, Homes};
use super::options::{AlignOptions, Cut};
use super::sdk::{self, Collapse, RecipeB, Roles, SampleB};
use super::sequence::{CsdSequence, SequenceSet};
use super::spool::{Spool, SpooledRows};
use super::store_error::AlignedStoreError;
use super::timed::{Segment, Tally, Timed, VideoKeys};
use super::vectors::Vectors;
use crate::corpus::check::Finding;
use crate::corpus::features::FeatureSet;
use crate::corpus::manifest::{ALIGNED_BY, Manifest};
use crate::corpus::names::{FeatureNames, FeatureValues};
use crate::corpus::scale::OwnScale;
use crate::corpus::segment::video_of;
use crate::corpus::spec::recognise;
use crate::corpus::{
    Corpus, CorpusSplit, Dataset, FeatureBlock, Modality, NarrowedLabel, RegressionLabels,
    SplitName,
};
use crate::csd::{SequenceFile, video_of as video_of_entry};
use crate::intervals::Pooling;
use crate::map::Bytes;
use crate::name::named;
use crate::paths::{same_file, size_on_disk};
use crate::progress::{Progress, Stage};
use crate::store::{
    self, NonFinite, OnOverflow, OutputOptions, SourceInfo, StoreError, WriteOptions,
};
use crate::words::{count, plural};

/// Layout of a store that was made of computational sequences.
const SEQUENCES: &str = "csd";

/// Videos that a thread aligns before their segments are written: fewer, and threads wait for each other.
const VIDEOS_PER_THREAD: usize = 8;

/// A published sequence of the SDK's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// That of the SDK's examples: [`sdk::recipe_a`]. The reference holds numbers, such as word vectors.
    Examples,
    /// That of a tutorial, which MISA, BBFN and MMIM follow: [`sdk::recipe_b`]. The reference holds words.
    Tutorial,
}

impl Recipe {
    /// Both.
    pub const ALL: [Recipe; 2] = [Recipe::Examples, Recipe::Tutorial];

    /// The name on the command line and in stores.
    pub fn name(self) -> &'static str {
        match self {
            Recipe::Examples => "examples",
            Recipe::Tutorial => "tutorial",
        }
    }
}

named!(Recipe);

/// The files to align.
#[derive(Debug, Clone)]
pub struct AlignInputs {
    /// The sequence whose rows are the steps of a segment: words, or vectors of words.
    pub reference: PathBuf,
    /// The sequence whose rows are the segments.
    pub labels: PathBuf,
    /// Features, one file per modality.
    pub sequences: BTreeMap<Modality, PathBuf>,
    /// Vectors of the words, as text features.
    pub vectors: Option<PathBuf>,
}

/// How sequences become segments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// By the time of overlap, with these policies.
    Overlap(AlignOptions),
    /// As the SDK does it. Without a recipe, the one that fits the reference.
    Sdk {
        /// The recipe.
        recipe: Option<Recipe>,
        /// Number of rows beyond which segments of a modality are cut: the first rows of
        /// [`Recipe::Tutorial`] are kept, and the last of [`Recipe::Examples`].
        max_len: BTreeMap<Modality, usize>,
    },
}

impl Default for Mode {
    fn default() -> Mode {
        Mode::Overlap(AlignOptions::default())
    }
}

/// Options for making a store of sequences.
#[derive(Debug, Clone)]
pub struct AlignedStoreOptions {
    /// How to align.
    pub mode: Mode,
    /// The dataset; `None` to infer it from its videos or labels.
    pub dataset: Option<Dataset>,
    /// What the labels are, of a dataset of one's own, which the store is then of.
    pub label_scale: Option<OwnScale>,
    /// Which video belongs to which split.
    pub folds: FoldsChoice,
    /// Whether to leave out unlabelled segments of splits that have labels.
    pub drop_unlabelled: bool,
    /// Policy for values that are NaN or infinite.
    pub on_nonfinite: NonFinite,
    /// Policy for finite values beyond the range of `dtype`.
    pub on_overflow: OnOverflow,
    /// Element type of the features in the store.
    pub dtype: store::FeatureDtype,
    /// Form of the store.
    pub output: OutputOptions,
}

impl Default for AlignedStoreOptions {
    fn default() -> AlignedStoreOptions {
        AlignedStoreOptions {
            mode: Mode::default(),
            dataset: None,
            label_scale: None,
            folds: FoldsChoice::Standard,
            drop_unlabelled: false,
            on_nonfinite: NonFinite::Loaders,
            on_overflow: OnOverflow::Error,
            dtype: store::FeatureDtype::Float32,
            output: OutputOptions::default(),
        }
    }
}

/// A store made of sequences.
#[derive(Debug)]
pub struct AlignedStore {
    /// The dataset.
    pub dataset: Dataset,
    /// The store's manifest. Its notes record all options and everything left out.
    pub manifest: Manifest,
    /// Findings of the data checks, errors first.
    pub findings: Vec<Finding>,
    /// Size of the store on disk, in bytes.
    pub n_bytes: u64,
}

/// Aligns sequences and writes their segments to a store at `output`, which appears only when complete.
///
/// Memory holds one video per thread (of [`Mode::Sdk`], all segments); aligned features wait in a file
/// without a name in the folder for temporary files.
///
/// # Errors
/// A file cannot be read, sequences do not fit together, no video is in all of them, the dataset or the
/// folds are unknown, a value is not allowed by the policies, or the store cannot be written. Nothing is
/// left behind then.
pub fn build(
    inputs: &AlignInputs,
    output: &Path,
    options: &AlignedStoreOptions,
    progress: &dyn Progress,
) -> Result<AlignedStore, AlignedStoreError> {
    let paths = [&inputs.reference, &inputs.labels].into_iter().chain(inputs.sequences.values());
    let paths: Vec<&PathBuf> = paths.chain(&inputs.vectors).collect();
    if paths.iter().any(|path| same_file(path, output)) {
        return Err(StoreError::OutputIsInput { path: output.into() }.into());
    }
    if output.exists() && !options.output.overwrite {
        return Err(StoreError::Exists { path: output.into() }.into());
    }
    let told = match &options.label_scale {
        Some(own) if own.is_unordered() => {
            return Err(AlignedStoreError::NamedClasses { path: inputs.labels.clone() });
        }
        Some(_) => Some(Dataset::Own),
        None if options.dataset == Some(Dataset::Own) => {
            return Err(AlignedStoreError::NoScale { path: inputs.labels.clone() });
        }
        None => options.dataset,
    };
    let files = Files::open(inputs)?;
    progress.begin(Stage::Aligning, files.n_bytes());
    let mut gathered = Gathered::new(&options.mode)?;
    let videos = files.common_videos(&mut gathered.notes)?;
    let homes = Homes::of(&options.folds, told, &videos)?;
    match &options.mode {
        Mode::Overlap(policies) => {
            by_overlap(&files, inputs, policies, &videos, progress, &mut gathered)?;
        }
        Mode::Sdk { recipe, .. } => by_sdk(&files, *recipe, &videos, progress, &mut gathered)?,
    }
    let widths = gathered.spools.iter().map(|(modality, (_, width))| (*modality, *width)).collect();
    let mut corpus = gathered.corpus(&options.mode, &homes)?;
    corpus.feature_names = files.feature_names(&options.mode, &widths, inputs.vectors.is_some());
    if options.drop_unlabelled {
        corpus = corpus.without_unlabelled();
    }
    let dataset = told.or(homes.dataset).or_else(|| recognise(&corpus));
    let dataset =
        dataset.ok_or_else(|| AlignedStoreError::UnknownDataset { path: inputs.labels.clone() })?;
    let bytes = paths
        .iter()
        .map(|path| {
            let io = |cause| StoreError::Io { path: path.to_path_buf(), action: "read", cause };
            Bytes::map(path).map_err(io)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<SourceInfo<'_>> = paths
        .iter()
        .zip(&bytes)
        .map(|(path, bytes)| SourceInfo {
            file_name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: bytes.bytes(),
            entry: None,
        })
        .collect();
    let writing = WriteOptions {
        dataset,
        label_scale: options.label_scale.clone(),
        on_nonfinite: options.on_nonfinite,
        on_overflow: options.on_overflow,
        dtype: options.dtype,
        output: options.output.clone(),
    };
    let blocks = corpus.splits.iter().flat_map(|split| split.features.values());
    let n_bytes: u64 = blocks.map(|it| it.shape.iter().product::<usize>() as u64 * 4).sum();
    progress.begin(Stage::Converting, n_bytes * writing.n_passes());
    let advance = |n_bytes| progress.advance(n_bytes);
    let store::Outcome { manifest, findings } =
        store::write(&corpus, &sources, output, &writing, &advance)?;
    Ok(AlignedStore { dataset, manifest, findings, n_bytes: size_on_disk(output) })
}

/// The open files.
struct Files {
    reference: CsdSequence,
    labels: CsdSequence,
    others: BTreeMap<Modality, CsdSequence>,
    handles: Vec<Arc<SequenceFile>>,
}

impl Files {
    fn open(inputs: &AlignInputs) -> Result<Files, AlignedStoreError> {
        let mut handles = Vec::new();
        let mut open = |name: String, path: &Path| {
            let file = Arc::new(SequenceFile::open(path).map_err(AlignError::from)?);
            handles.push(file.clone());
            Ok::<_, AlignedStoreError>(CsdSequence::of_file(name, file))
        };
        let name = |path: &Path| path.display().to_string();
        let reference = open(name(&inputs.reference), &inputs.reference)?;
        let labels = open(name(&inputs.labels), &inputs.labels)?;
        let others = inputs
            .sequences
            .iter()
            .map(|(modality, path)| Ok((*modality, open(name(path), path)?)))
            .collect::<Result<_, AlignedStoreError>>()?;
        Ok(Files { reference, labels, others, handles })
    }

    fn n_bytes(&self) -> u64 {
        self.handles.iter().map(|file| file.size()).sum()
    }

    fn all(&self) -> impl Iterator<Item = &CsdSequence> {
        [&self.reference, &self.labels].into_iter().chain(self.others.values())
    }

    /// Names of the features that the files have, of the modalities with these widths. With `has_vectors`, text features
    /// are not the rows of the reference.
    fn feature_names(
        &self,
        mode: &Mode,
        widths: &BTreeMap<Modality, usize>,
        has_vectors: bool,
    ) -> BTreeMap<Modality, FeatureNames> {
        let of_pooled = match mode {
            Mode::Overlap(AlignOptions { pooling: Pooling::None | Pooling::Max, .. }) => {
                FeatureValues::Frames
            }
            Mode::Overlap(_) | Mode::Sdk { .. } => FeatureValues::Averaged,
        };
        let of_modality = |(modality, width): (&Modality, &usize)| {
            let (sequence, values) = match self.others.get(modality) {
                Some(sequence) => (sequence, of_pooled),
                None if *modality == Modality::Text && !has_vectors => {
                    (&self.reference, FeatureValues::Frames)
                }
                None => return None,
            };
            let names = sequence.dimension_names().filter(|names| names.len() == *width)?;
            Some((*modality, FeatureSet::named(*modality, names, values)))
        };
        widths.iter().filter_map(of_modality).collect()
    }

    /// Videos that all sequences have, in the order of the labels; notes name the others.
    fn common_videos(&self, notes: &mut Vec<String>) -> Result<Vec<String>, AlignedStoreError> {
        let sets: Vec<HashSet<&str>> = self
            .all()
            .map(|sequence| sequence.keys().iter().map(|key| video_of_entry(key)).collect())
            .collect();
        let mut all: Vec<&str> = sets.iter().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        for (sequence, set) in self.all().zip(&sets) {
            let absent: Vec<&str> = all.iter().filter(|it| !set.contains(*it)).copied().collect();
            if !absent.is_empty() {
                let name = sequence.name().rsplit('/').next().unwrap_or_default();
                notes.push(format!(
                    "{name}: {} not in it, and left out: {}",
                    match absent.len() {
                        1 => "1 video is".into(),
                        n => format!("{} videos are", count(n)),
                    },
                    listed(&absent)
                ));
            }
        }
        let mut seen = HashSet::new();
        let videos: Vec<String> = self
            .labels
            .keys()
            .iter()
            .map(|key| video_of_entry(key))
            .filter(|video| sets.iter().all(|set| set.contains(video)) && seen.insert(*video))
            .map(str::to_owned)
            .collect();
        match videos.is_empty() {
            true => {
                let names = self.all().map(|sequence| sequence.name().to_owned()).collect();
                Err(AlignError::NothingInCommon { names }.into())
            }
            false => Ok(videos),
        }
    }

    /// A note on the videos that all sequences have, and that the SDK removes by a prefix of their name.
    fn purged(&self, videos: &[String]) -> Option<String> {
        let unified = sdk::unify(SequenceSet::new(self.all().cloned()));
        let keys = unified.sequences.first().map(CsdSequence::keys).unwrap_or_default();
        let kept: HashSet<&str> = keys.iter().map(|key| video_of_entry(key)).collect();
        let purged: Vec<&str> =
            videos.iter().map(String::as_str).filter(|video| !kept.contains(video)).collect();
        (!purged.is_empty()).then(|| {
            format!(
                "left out by the SDK, because their name begins like a video that is left out: {}",
                listed(&purged)
            )
        })
    }
}

/// The first few of several names.
fn listed(names: &[&str]) -> String {
    const N_LISTED: usize = 10;
    let shown = names.iter().take(N_LISTED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(N_LISTED) {
        0 => shown,
        more => format!("{shown} and {} more", count(more)),
    }
}

/// Segments, with their features in files.
struct Gathered {
    ids: Vec<String>,
    texts: Vec<Option<String>>,
    labels: Vec<Vec<f64>>,
    intervals: Vec<Option<[f64; 2]>>,
    spools: BTreeMap<Modality, (Spool, usize)>,
    notes: Vec<String>,
}

impl Gathered {
    fn new(mode: &Mode) -> Result<Gathered, AlignedStoreError> {
        let json = serde_json::to_string(mode)
            .map_err(|cause| AlignedStoreError::Spool { cause: std::io::Error::other(cause) })?;
        Ok(Gathered {
            ids: Vec::new(),
            texts: Vec::new(),
            labels: Vec::new(),
            intervals: Vec::new(),
            spools: BTreeMap::new(),
            notes: vec![format!("{ALIGNED_BY}{json}")],
        })
    }

    fn push(&mut self, segment: Segment) -> Result<(), AlignedStoreError> {
        let spool = |cause| AlignedStoreError::Spool { cause };
        for (modality, rows) in &segment.rows {
            let (to, feat_dim) = match self.spools.entry(*modality) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert((Spool::new().map_err(spool)?, rows.ncols()))
                }
            };
            if rows.ncols() != *feat_dim {
                let (expected, found) = (*feat_dim, rows.ncols());
                let (modality, id) = (*modality, segment.id.clone());
                return Err(AlignedStoreError::Width { modality, id, expected, found });
            }
            to.push(rows).map_err(spool)?;
        }
        self.ids.push(segment.id);
        self.texts.push(segment.text);
        self.labels.push(segment.label);
        self.intervals.push(segment.interval);
        Ok(())
    }

    fn corpus(self, mode: &Mode, homes: &Homes) -> Result<Corpus, AlignedStoreError> {
        let (max_len, keeps_last) = match mode {
            Mode::Overlap(options) => (&options.max_len, options.cut == Cut::Front),
            Mode::Sdk { recipe, max_len } => {
                let has_text = self.texts.iter().any(Option::is_some);
                let recipe = recipe.unwrap_or(fitting(has_text));
                (max_len, recipe == Recipe::Examples)
            }
        };
        let mut notes = self.notes;
        let mut spooled = BTreeMap::new();
        for (modality, (spool, feat_dim)) in self.spools {
            let lengths: Vec<usize> = spool.lengths().collect();
            let longest = lengths.iter().copied().max().unwrap_or_default();
            let seq_len = max_len.get(&modality).map_or(longest, |most| longest.min(*most));
            let n_cut = lengths.iter().filter(|len| **len > seq_len).count();
            if n_cut > 0 {
                let kept = if keeps_last { "last" } else { "first" };
                notes.push(format!(
                    "{modality}: {} cut to the {kept} {}",
                    plural(n_cut, "segment"),
                    plural(seq_len, "row")
                ));
            }
            let all = Arc::new(spool.finish().map_err(|cause| AlignedStoreError::Spool { cause })?);
            spooled.insert(modality, (all, lengths, seq_len, feat_dim));
        }
        let mut by_split: BTreeMap<SplitName, Vec<usize>> = BTreeMap::new();
        let mut no_fold = Vec::new();
        for (idx, id) in self.ids.iter().enumerate() {
            match homes.split_of(video_of(id)) {
                Some(split) => by_split.entry(split).or_default().push(idx),
                None => no_fold.push(&**id),
            }
        }
        if !no_fold.is_empty() {
            notes.push(format!(
                "{} of videos in no fold, left out: {}",
                plural(no_fold.len(), "segment"),
                listed(&no_fold)
            ));
        }
        if by_split.is_empty() {
            return Err(AlignedStoreError::NoSegment { n_segments: self.ids.len() });
        }
        notes.extend(homes.note.clone());
        let n_labels = self.labels.first().map_or(0, Vec::len);
        if ![1, 7].contains(&n_labels) {
            notes.push(format!(
                "labels: the first of {} is stored, the others are left out",
                plural(n_labels, "column")
            ));
        }
        let split = |(name, segments): (SplitName, Vec<usize>)| {
            let features = spooled.iter().map(|(modality, (all, _, seq_len, feat_dim))| {
                let rows = SpooledRows {
                    all: all.clone(),
                    segments: segments.clone(),
                    seq_len: *seq_len,
                    feat_dim: *feat_dim,
                    keeps_last,
                };
                let shape = [segments.len(), *seq_len, *feat_dim];
                (*modality, FeatureBlock { shape, rows: Arc::new(rows) })
            });
            let lengths = spooled.iter().map(|(modality, (_, lengths, seq_len, _))| {
                let of =
                    |idx: &usize| i32::try_from(lengths[*idx].min(*seq_len)).unwrap_or(i32::MAX);
                (*modality, segments.iter().map(of).collect())
            });
            let (labels, narrowed_labels) = labels_of(&self.labels, &segments);
            let texts = segments.iter().map(|idx| self.texts[*idx].clone());
            CorpusSplit {
                name,
                ids: segments.iter().map(|idx| self.ids[*idx].clone()).collect(),
                raw_text: texts.collect(),
                annotations: None,
                features: features.collect(),
                text_bert: None,
                words: None,
                lengths: lengths.collect(),
                regression_labels: RegressionLabels {
                    overall: Some(labels.column(0).to_vec()),
                    by_modality: BTreeMap::new(),
                },
                classification_labels: None,
                emotion_labels: (n_labels == 7)
                    .then(|| labels.slice(ndarray::s![.., 1..]).to_owned()),
                intervals: segments.iter().map(|idx| self.intervals[*idx]).collect(),
                narrowed_labels,
            }
        };
        let splits = by_split.into_iter().map(split).collect();
        Ok(Corpus { layout: SEQUENCES, splits, notes, feature_names: BTreeMap::new(), build: None })
    }
}

/// Labels of segments as float32, and those that this changes.
fn labels_of(all: &[Vec<f64>], segments: &[usize]) -> (Array2<f32>, Vec<NarrowedLabel>) {
    let n_labels = segments.first().map_or(1, |idx| all[*idx].len().max(1));
    let mut narrowed = Vec::new();
    let labels = Array2::from_shape_fn((segments.len(), n_labels), |(row, column)| {
        let wide = all[segments[row]].get(column).copied().unwrap_or(f64::NAN);
        let name = if column == 0 { "regression_labels" } else { "emotion_labels" };
        narrowed.extend(NarrowedLabel::of(name, row, wide, wide as f32));
        wide as f32
    });
    (labels, narrowed)
}

fn fitting(has_words: bool) -> Recipe {
    if has_words { Recipe::Tutorial } else { Recipe::Examples }
}

/// The different words of a sequence; empty if it holds numbers.
fn words_of(sequence: &CsdSequence) -> Result<HashSet<String>, AlignError> {
    let mut words = HashSet::new();
    for key in sequence.keys() {
        let entry = sequence.read(key)?;
        let Some(texts) = entry.features.as_text() else { return Ok(HashSet::new()) };
        words.extend(texts.values.iter().cloned());
    }
    Ok(words)
}

fn by_overlap(
    files: &Files,
    inputs: &AlignInputs,
    options: &AlignOptions,
    videos: &[String],
    progress: &dyn Progress,
    gathered: &mut Gathered,
) -> Result<(), AlignedStoreError> {
    let vectors = match &inputs.vectors {
        Some(path) => Some(Vectors::read(path, &words_of(&files.reference)?)?),
        None => None,
    };
    let timed = Timed {
        reference: &files.reference,
        labels: &files.labels,
        others: &files.others,
        options,
        vectors: vectors.as_ref(),
    };
    let (references, labels) = (entries_of(&files.reference), entries_of(&files.labels));
    let others: BTreeMap<Modality, HashMap<&str, Vec<&str>>> =
        files.others.iter().map(|(modality, it)| (*modality, entries_of(it))).collect();
    let mut tally = Tally::default();
    let share = files.n_bytes() / videos.len().max(1) as u64;
    // As many videos in memory as there are threads, and the segments of a few more.
    for videos in videos.chunks(VIDEOS_PER_THREAD * rayon::current_num_threads().max(1)) {
        let aligned: Vec<_> = videos
            .par_iter()
            .map(|video| {
                let keys = VideoKeys {
                    reference: keys_of(&references, video),
                    labels: keys_of(&labels, video),
                    others: others.iter().map(|(it, keys)| (*it, keys_of(keys, video))).collect(),
                };
                timed.video(video, &keys)
            })
            .collect();
        for one in aligned {
            let (segments, of_video) = one?;
            tally.add(of_video);
            segments.into_iter().try_for_each(|segment| gathered.push(segment))?;
            progress.advance(share);
        }
    }
    gathered.notes.extend(tally.notes(options));
    Ok(())
}

fn keys_of<'a>(keys: &'a HashMap<&'a str, Vec<&'a str>>, video: &str) -> &'a [&'a str] {
    keys.get(video).map(Vec::as_slice).unwrap_or_default()
}

impl Tally {
    /// What became of what does not fit, one sentence each.
    fn notes(&self, options: &AlignOptions) -> Vec<String> {
        let mut notes = Vec::new();
        let mut list = |ids: &[String], what: &str| {
            if !ids.is_empty() {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                notes.push(format!("{} {what}: {}", plural(ids.len(), "segment"), listed(&ids)));
            }
        };
        list(&self.short, "shorter than 0.00001 s, left out");
        list(&self.empty, "without a row in some sequence, left out");
        list(&self.dropped, "left out, because a sequence has nothing for one of its rows");
        for (modality, n) in &self.n_missing {
            notes.push(format!(
                "{modality}: nothing for {} of the reference (policy `{}`)",
                plural(*n, "row"),
                options.missing
            ));
        }
        let mut number = |n: usize, one: &str, several: &str| {
            if n > 0 {
                notes.push(format!("{} {}", count(n), if n == 1 { one } else { several }));
            }
        };
        number(
            self.n_outside,
            "row of the reference lies in no segment",
            "rows of the reference lie in no segment",
        );
        number(
            self.n_shared,
            "row of the reference lies in several segments",
            "rows of the reference lie in several segments",
        );
        number(self.n_pauses, "pause was left out", "pauses were left out");
        number(
            self.n_unknown,
            "word has no vector: its text features are zeros",
            "words have no vector: their text features are zeros",
        );
        notes
    }
}

fn by_sdk(
    files: &Files,
    recipe: Option<Recipe>,
    videos: &[String],
    progress: &dyn Progress,
    gathered: &mut Gathered,
) -> Result<(), AlignedStoreError> {
    gathered.notes.extend(files.purged(videos));
    let has_words = match files.reference.keys().first() {
        Some(key) => files.reference.read(key)?.features.as_text().is_some(),
        None => false,
    };
    let recipe = recipe.unwrap_or(fitting(has_words));
    let reference = files.reference.name().to_owned();
    let others = files.others.values().cloned();
    let dataset = SequenceSet::new(std::iter::once(files.reference.clone()).chain(others));
    match recipe {
        Recipe::Examples => {
            let aligned = sdk::recipe_a(dataset, &reference, files.labels.clone())?;
            progress.advance(files.n_bytes());
            push_examples(files, &aligned, has_words, gathered)
        }
        Recipe::Tutorial => {
            let [vision, audio] = [Modality::Vision, Modality::Audio].map(|modality| {
                let sequence = files.others.get(&modality).map(CsdSequence::name);
                sequence.ok_or(AlignedStoreError::RecipeNeeds { modality })
            });
            let (vision, audio) = (vision?, audio?);
            let labels = files.labels.name();
            let words = sdk::align(dataset, &reference, &[Collapse::Mean])?;
            let aligned = sdk::align(words.with(files.labels.clone()), labels, &[])?;
            progress.advance(files.n_bytes());
            let roles = Roles { words: &reference, vision, audio, labels };
            push_tutorial(sdk::recipe_b(aligned, roles, &[])?, gathered)
        }
    }
}

fn push_examples(
    files: &Files,
    aligned: &SequenceSet,
    has_words: bool,
    gathered: &mut Gathered,
) -> Result<(), AlignedStoreError> {
    let labels = aligned.get(files.labels.name())?;
    let numbers = |sequence: &str, key: &str| {
        let entry = aligned.get(sequence)?.read(key)?;
        entry.features.to_float64().ok_or_else(|| AlignError::Type {
            sequence: sequence.into(),
            key: key.into(),
            expected: "numbers",
        })
    };
    for key in labels.keys() {
        let mut rows = BTreeMap::new();
        if !has_words {
            rows.insert(Modality::Text, numbers(files.reference.name(), key)?);
        }
        for (modality, sequence) in &files.others {
            rows.insert(*modality, numbers(sequence.name(), key)?);
        }
        let label = numbers(labels.name(), key)?;
        let label = label.rows().into_iter().next().map(|row| row.to_vec()).unwrap_or_default();
        let interval = labels.read(key)?.intervals.first().copied();
        let interval = interval.filter(|times| times.iter().all(|time| time.is_finite()));
        gathered.push(Segment { id: key.clone(), text: None, label, interval, rows })?;
    }
    gathered.notes.push("padding of the SDK's tensors, in front, is stored behind".into());
    Ok(())
}

fn push_tutorial(result: RecipeB, gathered: &mut Gathered) -> Result<(), AlignedStoreError> {
    let RecipeB { no_fold, dropped, .. } = result;
    if !dropped.is_empty() {
        let ids: Vec<&str> = dropped.iter().map(|(key, _)| &**key).collect();
        gathered.notes.push(format!(
            "{} whose sequences differ in length, left out: {}",
            plural(ids.len(), "segment"),
            listed(&ids)
        ));
    }
    let mut only_pauses = Vec::new();
    for sample in no_fold {
        let SampleB { key, words, vision, audio, labels, .. } = sample;
        if words.is_empty() {
            only_pauses.push(key);
            continue;
        }
        let numbers = |modality: Modality, features: &crate::csd::Features| {
            features.to_float64().map(|values| (modality, values))
        };
        let rows = [numbers(Modality::Audio, &audio), numbers(Modality::Vision, &vision)];
        let label = labels.to_float64().unwrap_or_default();
        gathered.push(Segment {
            id: key,
            text: Some(words.join(" ")),
            label: label.rows().into_iter().next().map(|row| row.to_vec()).unwrap_or_default(),
            interval: None,
            rows: rows.into_iter().flatten().collect(),
        })?;
    }
    if !only_pauses.is_empty() {
        let ids: Vec<&str> = only_pauses.iter().map(String::as_str).collect();
        gathered.notes.push(format!(
            "{} without a word, left out: {}",
            plural(ids.len(), "segment"),
            listed(&ids)
        ));
    }
    Ok(())
}
