//! Draws new splits for a store and writes them to a separate file, in one call.
//!
//! [`corpus::draw`](crate::corpus::draw) deals out segments, [`corpus::plan`](crate::corpus::plan)
//! defines the file; this module applies both to a store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::advice::{Advice, Advise, StoreAdvice};
use crate::chain::tried;
use crate::corpus::SplitName;
use crate::corpus::check::Finding;
use crate::corpus::draw::{self, Drawable};
use crate::corpus::plan::{PlanError, SplitPlan};
use crate::corpus::spec::SplitBy;
use crate::paths::same_file;
use crate::publish;
use crate::store::{Store, StoreError};

/// How splits are drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum DrawMethod {
    /// Cross-validation: each of `k` parts, 3 or more, is the test split once.
    KFold {
        /// Number of parts, and of folds.
        k: usize,
    },
    /// One fold by shares, see [`are_shares`].
    Ratio {
        /// Shares of train, valid and test.
        shares: [f64; 3],
    },
    /// The validation split of a store that has none with labels, from its training split.
    FromTrain {
        /// Shares of train and valid, see [`are_shares`].
        shares: [f64; 2],
    },
    /// The folds in a plan file for a store with the same segments. Nothing is drawn.
    FromPlan {
        /// The file.
        path: PathBuf,
    },
}

/// Options for drawing and writing splits.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitOptions {
    /// The method.
    pub method: DrawMethod,
    /// Unit that is kept together.
    pub by: SplitBy,
    /// Random seed.
    pub seed: u64,
    /// Whether to replace an existing output.
    pub overwrite: bool,
}

/// Five folds of whole videos.
impl Default for SplitOptions {
    fn default() -> SplitOptions {
        let method = DrawMethod::KFold { k: 5 };
        SplitOptions { method, by: SplitBy::Video, seed: 1, overwrite: false }
    }
}

/// The splits that were drawn.
#[derive(Debug)]
pub struct Drawn {
    /// The written plan.
    pub plan: SplitPlan,
    /// Summary of each fold.
    pub folds: Vec<Vec<DrawnSplit>>,
    /// Number of segments in the input plan that the store lacks.
    pub n_unused: usize,
    /// Number of segments of the store in no split: those of a validation split without labels, in place of
    /// which one was drawn from the training split.
    pub n_left_out: usize,
    /// What is wrong with the folds.
    pub findings: Vec<Finding>,
}

/// A split of a fold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrawnSplit {
    /// Its name.
    pub name: SplitName,
    /// Number of segments.
    pub n_segments: usize,
    /// Mean of their labels; 0 without segments, `None` without labels.
    pub mean_label: Option<f32>,
}

/// Why no splits were written.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// The output is the store, or the input plan.
    #[error("{path}: the output would replace the input")]
    OutputIsInput {
        /// The output.
        path: PathBuf,
    },
    /// The output already exists.
    #[error("{path}: already exists")]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// Invalid shares.
    #[error("shares must be between 0 and 1, the first and last above 0, and sum to 1")]
    Shares,
    /// Fewer parts than splits.
    #[error("{found} parts are too few for train, valid and test")]
    Parts {
        /// The requested number.
        found: usize,
    },
    /// The store cannot be read, or has no labels.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The input plan cannot be read.
    #[error(transparent)]
    Plan(PlanError),
    /// The store's segments cannot be split this way.
    #[error("{path}")]
    Draw {
        /// The store.
        path: PathBuf,
        /// The reason.
        #[source]
        cause: PlanError,
    },
    /// The output cannot be written.
    #[error("{path}: {}", tried("write", cause))]
    Write {
        /// The output.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: std::io::Error,
    },
}

impl Advise for SplitError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            SplitError::OutputIsInput { .. } => vec![StoreAdvice::OtherOutput.into()],
            SplitError::Exists { .. } => vec![StoreAdvice::Overwrite.into()],
            SplitError::Store(error) => error.advice(),
            SplitError::Draw { cause: PlanError::HasValid { .. }, .. } => {
                vec![StoreAdvice::DrawAllSplits.into()]
            }
            SplitError::Plan(cause) | SplitError::Draw { cause, .. } => cause.advice(),
            SplitError::Shares | SplitError::Parts { .. } | SplitError::Write { .. } => Vec::new(),
        }
    }
}

/// Whether these are valid shares of train, valid and test, or of train and valid: all non-negative,
/// the first and the last positive, and their sum 1.
pub fn are_shares(shares: &[f64]) -> bool {
    let is_share = |share: &f64| (0.0..=1.0).contains(share);
    let mut ends = [shares.first(), shares.last()].into_iter();
    ends.all(|end| end.is_some_and(|end| *end > 0.0))
        && shares.iter().all(is_share)
        && (shares.iter().sum::<f64>() - 1.0).abs() <= 1e-6
}

/// Draws new splits for the store at `store`, and writes them to `output` as a split manifest.
///
/// # Errors
/// The output is an input, exists and may not be replaced or cannot be written, the store or the input
/// plan cannot be read, or the segments cannot be split this way.
pub fn split(store: &Path, output: &Path, options: &SplitOptions) -> Result<Drawn, SplitError> {
    let is_plan = match &options.method {
        DrawMethod::FromPlan { path } => same_file(path, output),
        _ => false,
    };
    if is_plan || same_file(store, output) {
        return Err(SplitError::OutputIsInput { path: output.into() });
    }
    if output.exists() && !options.overwrite {
        return Err(SplitError::Exists { path: output.into() });
    }
    let path = store;
    let store = Store::open(path)?;
    let manifest = store.manifest();
    let segments = match options.method {
        // Only the training split is dealt out: the labels of the others are for their mean alone.
        DrawMethod::FromTrain { .. } => {
            let labelled = SplitName::ALL.into_iter().filter(|split| manifest.is_labelled(*split));
            store.drawable(&labelled.collect::<Vec<_>>())?
        }
        _ => store.drawable(&SplitName::ALL)?,
    };
    let (mut n_unused, mut n_left_out) = (0, 0);
    let plan = match &options.method {
        DrawMethod::KFold { k } if *k < SplitName::ALL.len() => {
            return Err(SplitError::Parts { found: *k });
        }
        DrawMethod::Ratio { shares } if !are_shares(shares) => return Err(SplitError::Shares),
        DrawMethod::FromTrain { shares } if !are_shares(shares) => return Err(SplitError::Shares),
        DrawMethod::KFold { k } => draw::k_fold(manifest, &segments, *k, options.by, options.seed),
        DrawMethod::Ratio { shares } => {
            draw::ratio(manifest, &segments, *shares, options.by, options.seed)
        }
        DrawMethod::FromTrain { shares } => {
            let train = store.drawable(&[SplitName::Train])?;
            let plan = draw::from_train(manifest, &train, *shares, options.by, options.seed);
            n_left_out = plan.as_ref().map_or(0, |plan| plan.n_left_out(0, manifest));
            plan
        }
        DrawMethod::FromPlan { path } => {
            let other = SplitPlan::load(path).map_err(SplitError::Plan)?;
            n_unused = other.n_unused(manifest);
            SplitPlan::from_other(&other, manifest)
        }
    };
    let plan = plan.map_err(|cause| SplitError::Draw { path: path.into(), cause })?;
    let failed = |cause| SplitError::Write { path: output.into(), cause };
    let json = serde_json::to_string_pretty(&plan).map_err(|error| failed(error.into()))?;
    publish::write(output, format!("{json}\n").as_bytes()).map_err(failed)?;
    let (folds, findings) = (folds(&plan, &segments), plan.check());
    Ok(Drawn { plan, folds, n_unused, n_left_out, findings })
}

fn folds(plan: &SplitPlan, segments: &[Drawable]) -> Vec<Vec<DrawnSplit>> {
    let labels: BTreeMap<&str, f32> =
        segments.iter().map(|segment| (segment.id.as_str(), segment.label)).collect();
    let split = |name, ids: &[String]| {
        let sum: Option<f32> = ids.iter().map(|id| labels.get(id.as_str()).copied()).sum();
        let n_segments = ids.len();
        let mean_label = sum.map(|sum| sum / n_segments.max(1) as f32);
        DrawnSplit { name, n_segments, mean_label }
    };
    let folds = plan.folds.iter().map(|fold| {
        SplitName::ALL.into_iter().filter_map(|name| Some(split(name, fold.get(&name)?))).collect()
    });
    folds.collect()
}
