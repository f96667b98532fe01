//! Split plans: which of a store's segments are used for training, validation and testing, instead of
//! the store's own splits. A plan contains the digest of its store and is refused for any other.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::{Finding, check_drawn};
use super::labels::SegmentKey;
use super::manifest::Manifest;
use super::spec::SplitBy;
use super::{Dataset, SplitName};
use crate::advice::{Advice, Advise, StoreAdvice};
use crate::chain::tried;
use crate::encoding::Encoding;

/// The version of the plan format, and the only one that is read.
pub const PLAN_VERSION: u32 = 1;

/// How a plan was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "name", deny_unknown_fields)]
pub enum Method {
    /// Cross-validation: each part is tested on once, the next one is validated on.
    KFold {
        /// Number of parts, and of folds.
        k: usize,
        /// What is kept together.
        by: SplitBy,
    },
    /// One fold by shares.
    Ratio {
        /// Shares of train, valid and test.
        shares: [f64; 3],
        /// What is kept together.
        by: SplitBy,
    },
    /// One fold: the training split by shares, and the store's own test split. A validation split of the
    /// store, which has no labels then, is left out.
    FromTrain {
        /// Shares of train and valid.
        shares: [f64; 2],
        /// What is kept together.
        by: SplitBy,
    },
    /// The folds of another store of the same segments.
    FromManifest {
        /// Digest of the other store.
        store_digest: String,
    },
}

/// Segment ids per split.
pub type Fold = BTreeMap<SplitName, Vec<String>>;

/// Which segments of a store belong to which split, in one or several folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitPlan {
    /// Version of the form of this file.
    pub version: u32,
    /// The dataset of the store.
    pub dataset: Dataset,
    /// Digest of the store that it belongs to.
    pub store_digest: String,
    /// Seed of what was left to chance.
    pub seed: u64,
    /// How it was made.
    pub method: Method,
    /// The folds. A segment in no split of a fold is left out of it.
    pub folds: Vec<Fold>,
}

/// The version alone.
#[derive(Deserialize)]
struct Version {
    version: Option<u32>,
}

/// A row of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreRow {
    /// Split of the store that holds it.
    pub split: SplitName,
    /// Index within that split.
    pub row_idx: usize,
}

/// Why a plan was not created or not read.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file system refused.
    #[error("{path}: {}", tried("read", cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: std::io::Error,
    },
    /// The file is not a plan.
    #[error("{path}: is not a split manifest")]
    Json {
        /// The file.
        path: PathBuf,
        /// The problem, with line and column.
        #[source]
        cause: serde_json::Error,
    },
    /// The file is JSON of another form.
    #[error(
        "{path}: is not a split manifest: expected a JSON object with `version`, `dataset`, \
         `store_digest`, `seed`, `method` and `folds`, found {found}"
    )]
    NotAnObject {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The file is not text, and therefore not a plan.
    #[error("{path}: is not a split manifest (a JSON file): it is not text")]
    Binary {
        /// The file.
        path: PathBuf,
    },
    /// A plan without a fold.
    #[error("{path}: the split manifest has no folds")]
    NoFolds {
        /// The file.
        path: PathBuf,
    },
    /// A plan of another version.
    #[error("{path}: version {found} is not supported, this program reads version {PLAN_VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version of the file.
        found: u32,
    },
    /// The plan names the store by its digest, and another dataset than the store's.
    #[error("{path}: is of {}, the store holds {}", found.title(), expected.title())]
    OtherDataset {
        /// The file.
        path: PathBuf,
        /// The store's dataset.
        expected: Dataset,
        /// The dataset in the plan.
        found: Dataset,
    },
    /// The plan belongs to another store.
    #[error("{path}: belongs to another store: expected digest {expected}, found {found}")]
    OtherStore {
        /// The file.
        path: PathBuf,
        /// Digest of the store.
        expected: String,
        /// Digest in the plan.
        found: String,
    },
    /// The fold does not exist.
    #[error("fold {found} does not exist: the split manifest has folds 0 to {last}")]
    Fold {
        /// The requested fold.
        found: usize,
        /// The last fold.
        last: usize,
    },
    /// A segment that the other side lacks.
    #[error("segment `{id}` is not in the {place}")]
    UnknownSegment {
        /// The segment.
        id: String,
        /// Where it was expected.
        place: &'static str,
    },
    /// A duplicate segment in a fold.
    #[error("segment `{id}` appears more than once in fold {fold}")]
    Twice {
        /// The segment.
        id: String,
        /// The fold.
        fold: usize,
    },
    /// The store already has a validation split with labels.
    #[error("the store already has a validation split of {n_segments} segments")]
    HasValid {
        /// Its segments.
        n_segments: usize,
    },
    /// Fewer groups than parts.
    #[error(
        "{n_groups} {by}{} cannot fill {n_parts} parts",
        if *n_groups == 1 { "" } else { "s" }
    )]
    TooFew {
        /// What is kept together.
        by: SplitBy,
        /// Number of videos or segments.
        n_groups: usize,
        /// Number of parts, none of which may be empty.
        n_parts: usize,
    },
}

impl Advise for PlanError {
    fn advice(&self) -> Vec<Advice> {
        let advice = match self {
            PlanError::Json { .. } | PlanError::NotAnObject { .. } | PlanError::Binary { .. } => {
                StoreAdvice::MakePlan
            }
            PlanError::OtherStore { .. } => StoreAdvice::TranslatePlan,
            PlanError::TooFew { by: SplitBy::Video, .. } => StoreAdvice::DrawSegments,
            PlanError::TooFew { by: SplitBy::Segment, .. }
            | PlanError::Io { .. }
            | PlanError::NoFolds { .. }
            | PlanError::OtherDataset { .. }
            | PlanError::Version { .. }
            | PlanError::Fold { .. }
            | PlanError::UnknownSegment { .. }
            | PlanError::Twice { .. }
            | PlanError::HasValid { .. } => return Vec::new(),
        };
        vec![advice.into()]
    }
}

impl SplitPlan {
    /// Reads a plan and compares its digest and dataset with those of the store to use it on.
    ///
    /// # Errors
    /// The file cannot be read, is not a plan, is of another version, or belongs to another store.
    pub fn load_for(path: &Path, store: &Manifest) -> Result<SplitPlan, PlanError> {
        let plan = SplitPlan::load(path)?;
        let path = path.to_owned();
        if plan.store_digest != store.digest {
            let (expected, found) = (store.digest.clone(), plan.store_digest);
            return Err(PlanError::OtherStore { path, expected, found });
        }
        match (store.dataset, plan.dataset) {
            (expected, found) if expected != found => {
                Err(PlanError::OtherDataset { path, expected, found })
            }
            _ => Ok(plan),
        }
    }

    /// Reads a plan for any store.
    ///
    /// # Errors
    /// The file cannot be read, is not a plan, or is of another version.
    pub fn load(path: &Path) -> Result<SplitPlan, PlanError> {
        let bytes =
            std::fs::read(path).map_err(|cause| PlanError::Io { path: path.into(), cause })?;
        let Some(text) = Encoding::text_of_file(&bytes) else {
            return Err(PlanError::Binary { path: path.into() });
        };
        let json = |cause| PlanError::Json { path: path.into(), cause };
        // Else an error would tell of a list's length, or name a type of this program.
        if !text.trim_start().starts_with('{') {
            let found = match serde_json::from_str(&text).map_err(json)? {
                Value::Array(_) => "a list",
                Value::String(_) => "a text",
                Value::Number(_) => "a number",
                Value::Bool(_) | Value::Null | Value::Object(_) => "a value of another kind",
            };
            return Err(PlanError::NotAnObject { path: path.into(), found });
        }
        // The version first: everything else may differ in another version.
        let Version { version } = serde_json::from_str(&text).map_err(json)?;
        if let Some(found) = version.filter(|found| *found != PLAN_VERSION) {
            return Err(PlanError::Version { path: path.into(), found });
        }
        let plan: SplitPlan = serde_json::from_str(&text).map_err(json)?;
        match plan.folds.is_empty() {
            true => Err(PlanError::NoFolds { path: path.into() }),
            false => Ok(plan),
        }
    }

    /// Number of the store's segments that are in no split of a fold.
    pub fn n_left_out(&self, fold_idx: usize, manifest: &Manifest) -> usize {
        let fold = self.folds.get(fold_idx).into_iter().flat_map(BTreeMap::values).flatten();
        let named: HashSet<&str> = fold.map(String::as_str).collect();
        let ids = manifest.splits.iter().flat_map(|split| &split.ids);
        ids.filter(|id| !named.contains(id.as_str())).count()
    }

    /// What is wrong with the videos of each fold's drawn splits.
    pub fn check(&self) -> Vec<Finding> {
        let of_fold = |(fold_idx, fold): (usize, &Fold)| {
            let drawn =
                fold.iter().filter(|(split, _)| **split != SplitName::Test || !self.keeps_test());
            let ids = drawn.map(|(split, ids)| (*split, ids.iter().map(String::as_str).collect()));
            let mut findings = check_drawn(self.dataset, &ids.collect());
            for finding in &mut findings {
                finding.message = format!("fold {fold_idx}: {}", finding.message);
            }
            findings
        };
        self.folds.iter().enumerate().flat_map(of_fold).collect()
    }

    /// Whether the test split is the store's own: only a validation split was drawn.
    pub fn keeps_test(&self) -> bool {
        matches!(self.method, Method::FromTrain { .. })
    }

    /// What was kept together when the folds were drawn; `None` if only another plan knows.
    pub fn by(&self) -> Option<SplitBy> {
        match self.method {
            Method::KFold { by, .. } | Method::Ratio { by, .. } | Method::FromTrain { by, .. } => {
                Some(by)
            }
            Method::FromManifest { .. } => None,
        }
    }

    /// Number of the plan's segments that a store lacks, in any spelling of their ids.
    pub fn n_unused(&self, manifest: &Manifest) -> usize {
        let ids = manifest.splits.iter().flat_map(|split| &split.ids);
        let there: HashSet<SegmentKey> = ids.map(|id| SegmentKey::of(id)).collect();
        let folds = self.folds.iter().flat_map(BTreeMap::values).flatten();
        let named: HashSet<SegmentKey> = folds.map(|id| SegmentKey::of(id)).collect();
        named.difference(&there).count()
    }

    /// The store's rows for each split of a fold, counted from 0; all three splits are present.
    ///
    /// # Errors
    /// The fold does not exist, names a segment that the store lacks, or contains one twice.
    pub fn rows(
        &self,
        fold_idx: usize,
        manifest: &Manifest,
    ) -> Result<BTreeMap<SplitName, Vec<StoreRow>>, PlanError> {
        let last = self.folds.len().saturating_sub(1);
        let fold = self.folds.get(fold_idx).ok_or(PlanError::Fold { found: fold_idx, last })?;
        let mut places: HashMap<&str, Vec<StoreRow>> = HashMap::new();
        for split in &manifest.splits {
            for (row_idx, id) in split.ids.iter().enumerate() {
                places.entry(id).or_default().push(StoreRow { split: split.name, row_idx });
            }
        }
        let mut seen = HashSet::new();
        let mut rows: BTreeMap<SplitName, Vec<StoreRow>> =
            SplitName::ALL.map(|name| (name, Vec::new())).into();
        for (name, ids) in fold {
            for id in ids {
                if !seen.insert(id) {
                    return Err(PlanError::Twice { id: id.clone(), fold: fold_idx });
                }
                let found = places
                    .get(id.as_str())
                    .ok_or_else(|| PlanError::UnknownSegment { id: id.clone(), place: "store" })?;
                rows.entry(*name).or_default().extend(found);
            }
        }
        Ok(rows)
    }

    /// The folds of `other` for a store with the same segments, in any spelling of their ids.
    ///
    /// # Errors
    /// A segment of the store is in no split of a fold of the other plan, or one of the plan is in two.
    pub fn from_other(other: &SplitPlan, manifest: &Manifest) -> Result<SplitPlan, PlanError> {
        let ids: Vec<&String> = manifest.splits.iter().flat_map(|split| &split.ids).collect();
        let translate = |(fold_idx, fold): (usize, &Fold)| -> Result<Fold, PlanError> {
            let mut homes: HashMap<SegmentKey, SplitName> = HashMap::new();
            for (name, ids) in fold {
                for id in ids {
                    if homes.insert(SegmentKey::of(id), *name).is_some() {
                        return Err(PlanError::Twice { id: id.clone(), fold: fold_idx });
                    }
                }
            }
            let mut found = Fold::new();
            for id in &ids {
                let name = homes.get(&SegmentKey::of(id)).ok_or_else(|| {
                    PlanError::UnknownSegment { id: id.to_string(), place: "other split manifest" }
                })?;
                found.entry(*name).or_default().push(id.to_string());
            }
            Ok(found)
        };
        Ok(SplitPlan {
            version: PLAN_VERSION,
            dataset: manifest.dataset,
            store_digest: manifest.digest.clone(),
            seed: other.seed,
            method: Method::FromManifest { store_digest: other.store_digest.clone() },
            folds: other.folds.iter().enumerate().map(translate).collect::<Result<_, _>>()?,
        })
    }

    /// The JSON Schema of a plan.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(SplitPlan)
    }
}
