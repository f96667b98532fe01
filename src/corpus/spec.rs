//! Expected properties of each published dataset, read from `schemas/datasets/*.toml`, and recognition of a
//! corpus's dataset.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::sharing::SharedVideos;
use super::{Corpus, CorpusSplit, Dataset, Modality, SplitName};
use crate::name::named;

/// Expected properties of one dataset.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// Smallest and largest label.
    pub label_range: [f32; 2],
    /// A label is an average over one of these numbers of annotators: a multiple of 1/n for one such n.
    pub label_denominators: Vec<u8>,
    /// Units that must not appear in two splits.
    pub split_by: SplitBy,
    /// The videos that the published splits share; absent where none is in two splits.
    #[serde(default)]
    pub published_videos: Option<SharedVideos>,
    /// Publication of the dataset.
    pub publication: Publication,
    /// The known builds of the feature files.
    pub builds: Vec<Build>,
}

/// Publication of a dataset.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// The paper to cite.
    pub cite_as: String,
    /// Web page of the paper.
    pub url: String,
    /// Creator of the dataset.
    pub creator: String,
    /// Year of the paper.
    pub year: u16,
}

/// What the splits of a dataset were drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SplitBy {
    /// Whole videos: one in two splits is leakage.
    Video,
    /// Single segments: a video may span splits.
    Segment,
}

impl SplitBy {
    /// Both.
    pub const ALL: [SplitBy; 2] = [SplitBy::Video, SplitBy::Segment];

    /// The name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            SplitBy::Video => "video",
            SplitBy::Segment => "segment",
        }
    }
}

named!(SplitBy);

/// One public build of a dataset's features.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Its publisher and features.
    pub name: String,
    /// Samples per split.
    pub counts: BTreeMap<SplitName, usize>,
    /// Audio `feat_dim`.
    pub audio: usize,
    /// Vision `feat_dim`.
    pub vision: usize,
}

impl Build {
    fn feat_dim(&self, modality: Modality) -> Option<usize> {
        match modality {
            Modality::Text => None,
            Modality::Audio => Some(self.audio),
            Modality::Vision => Some(self.vision),
        }
    }

    /// Whether the given feature dimensions match this build. Text dimensions depend on the encoder and
    /// are not compared.
    pub fn matches(&self, feat_dims: &BTreeMap<Modality, usize>) -> bool {
        feat_dims.iter().all(|(modality, dim)| self.feat_dim(*modality).is_none_or(|d| d == *dim))
    }
}

impl DatasetSpec {
    /// The expectations for `dataset`; `None` for one that is not published.
    pub fn of(dataset: Dataset) -> Option<&'static DatasetSpec> {
        static SPECS: LazyLock<BTreeMap<Dataset, DatasetSpec>> = LazyLock::new(|| {
            [
                (Dataset::Mosi, include_str!("../../schemas/datasets/mosi.toml")),
                (Dataset::Mosei, include_str!("../../schemas/datasets/mosei.toml")),
                (Dataset::Sims, include_str!("../../schemas/datasets/sims.toml")),
                (Dataset::Simsv2, include_str!("../../schemas/datasets/simsv2.toml")),
            ]
            .map(|(dataset, text)| {
                (dataset, toml::from_str(text).expect("the embedded dataset files are tested"))
            })
            .into()
        });
        SPECS.get(&dataset)
    }

    /// Whether the dataset's annotators can give a label as an average.
    pub fn is_average(&self, label: f32) -> bool {
        // Tables print averages with as few as two digits.
        const TOLERANCE: f32 = 0.004;
        self.label_denominators.iter().any(|denominator| {
            let denominator = f32::from(*denominator);
            (label - (label * denominator).round() / denominator).abs() < TOLERANCE
        })
    }
}

/// Feature dimensions of the first split that has each modality.
fn feat_dims(splits: &[CorpusSplit]) -> BTreeMap<Modality, usize> {
    let blocks = splits.iter().rev().flat_map(|split| &split.features);
    blocks.map(|(modality, block)| (*modality, block.shape[2])).collect()
}

/// How well a corpus matches a known build of a dataset.
#[derive(Debug, Serialize)]
pub struct Candidate {
    /// The dataset.
    pub dataset: Dataset,
    /// Its best-matching build; serialized as its name.
    #[serde(serialize_with = "build_name")]
    pub build: &'static Build,
    /// Number of matching feature dimensions; none contradicts.
    pub n_dims: usize,
    /// Number of splits whose size is within 2% of the build's.
    pub n_sizes: usize,
}

fn build_name<S: Serializer>(build: &Build, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&build.name)
}

impl Candidate {
    /// A dimension counts more than all sizes.
    fn score(&self) -> usize {
        10 * self.n_dims + self.n_sizes
    }
}

/// The possible datasets of a corpus, by label range and feature dimensions, best first.
pub fn candidates(corpus: &Corpus) -> Vec<Candidate> {
    let dims = feat_dims(&corpus.splits);
    let splits = corpus.splits.iter();
    let all = splits.filter_map(|split| split.regression_labels.overall.as_ref()).flatten();
    let labels: Vec<f32> = all.copied().filter(|label| label.is_finite()).collect();
    // Without labels, only feature dimensions identify the dataset.
    let narrow = (!labels.is_empty()).then(|| labels.iter().all(|label| label.abs() <= 1.0));
    let mut candidates: Vec<Candidate> = Dataset::ALL
        .into_iter()
        .filter(|dataset| {
            let spec = DatasetSpec::of(*dataset);
            let is_narrow = spec.map(|spec| spec.label_range[1] <= 1.0);
            narrow.is_none_or(|narrow| is_narrow == Some(narrow))
        })
        .filter_map(|dataset| {
            let builds = DatasetSpec::of(dataset)?.builds.iter().filter(|b| b.matches(&dims));
            let candidates = builds.map(|build| candidate(dataset, build, corpus, &dims));
            candidates.max_by_key(Candidate::score)
        })
        .collect();
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.score()));
    candidates
}

/// The dataset of a corpus, from its feature dimensions, label range and sample counts, or else from
/// the possible averages of annotators; `None` if these do not decide.
pub fn recognise(corpus: &Corpus) -> Option<Dataset> {
    match best(corpus)[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// Like [`recognise`]; if several datasets match equally well, the one that a file name contains as a
/// word, such as `mosei_senti_train`.
pub fn recognise_by_name<'a>(
    corpus: &Corpus,
    file_stems: impl IntoIterator<Item = &'a str>,
) -> Option<Dataset> {
    let mut possible = best(corpus);
    let names: Vec<String> = file_stems.into_iter().map(str::to_lowercase).collect();
    // `simsv2s` is a build of `simsv2`, not of `sims`.
    possible.sort_by_key(|dataset| std::cmp::Reverse(dataset.name().len()));
    let has_word = |dataset: &Dataset| {
        let is_word = |word: &str| word.starts_with(dataset.name());
        names.iter().any(|name| name.split(|c: char| !c.is_alphanumeric()).any(is_word))
    };
    possible.iter().copied().find(has_word)
}

/// The datasets that match a corpus best; empty if nothing matches.
fn best(corpus: &Corpus) -> Vec<Dataset> {
    let candidates = candidates(corpus);
    let Some(highest) = candidates.first().map(Candidate::score).filter(|score| *score > 0) else {
        return Vec::new();
    };
    let equal = candidates.iter().filter(|candidate| candidate.score() == highest);
    let equal: Vec<Dataset> = equal.map(|candidate| candidate.dataset).collect();
    let labels = || {
        let splits = corpus.splits.iter();
        splits.filter_map(|split| split.regression_labels.overall.as_ref()).flatten()
    };
    let fits = |dataset: &Dataset| {
        let is_average =
            |label: f32| DatasetSpec::of(*dataset).is_some_and(|it| it.is_average(label));
        labels().filter(|label| label.is_finite()).all(|label| is_average(*label))
    };
    let fitting: Vec<Dataset> = equal.iter().copied().filter(fits).collect();
    if fitting.is_empty() { equal } else { fitting }
}

fn candidate(
    dataset: Dataset,
    build: &'static Build,
    corpus: &Corpus,
    dims: &BTreeMap<Modality, usize>,
) -> Candidate {
    let n_dims = dims.keys().filter(|modality| build.feat_dim(**modality).is_some()).count();
    let sizes = corpus.splits.iter().filter(|split| {
        let expected = build.counts.get(&split.name).copied().unwrap_or(0);
        50 * split.ids.len().abs_diff(expected) <= expected
    });
    Candidate { dataset, build, n_dims, n_sizes: sizes.count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dataset_file_is_readable_and_names_all_splits() {
        for dataset in Dataset::ALL {
            let spec = DatasetSpec::of(dataset).unwrap();
            assert!(spec.label_range[0] < spec.label_range[1], "{dataset}");
            assert!(spec.is_average(0.0) && !spec.is_average(0.05), "{dataset}");
            for build in &spec.builds {
                assert_eq!(build.counts.len(), 3, "{dataset}: {}", build.name);
            }
        }
    }
}
