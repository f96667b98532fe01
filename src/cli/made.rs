//! What `convert`, `build` and `align` report of the store that they made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{output, stores};
use crate::corpus::check::{Finding, Rule, Severity};
use crate::corpus::column::ColumnKind;
use crate::corpus::known::KnownFeatures;
use crate::corpus::manifest::{Manifest, Source, SplitManifest};
use crate::corpus::scale::OwnScale;
use crate::corpus::{Dataset, Modality, SplitName};
use crate::signature::archive::shown;
use crate::words::{human_bytes, quoted_path};

/// A new store.
#[derive(Serialize)]
pub struct NewStore {
    #[serde(serialize_with = "output::path")]
    output: PathBuf,
    dataset: Dataset,
    /// What the labels are, of a dataset of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    label_scale: Option<OwnScale>,
    layout: String,
    splits: Vec<NewSplit>,
    /// What is known of the features of each modality.
    features: Vec<KnownFeatures>,
    notes: Vec<String>,
    findings: Vec<Finding>,
    sources: Vec<Source>,
    digest: String,
    n_bytes: u64,
    /// Calls to continue with, which only people need.
    #[serde(skip)]
    next: String,
}

/// A split of a new store.
#[derive(Serialize)]
struct NewSplit {
    name: SplitName,
    n_segments: usize,
    /// `[seq_len, feat_dim]` of each modality.
    shapes: BTreeMap<Modality, Vec<usize>>,
}

impl NewStore {
    /// The report of the store at `output`, of that size.
    pub fn new(
        output: PathBuf,
        manifest: Manifest,
        findings: Vec<Finding>,
        n_bytes: u64,
    ) -> NewStore {
        let next = next(&output, &manifest, &findings);
        let features = KnownFeatures::of(&manifest);
        let splits = manifest.splits.iter().map(|split| NewSplit::new(split, &manifest)).collect();
        let Manifest { dataset, label_scale, layout, notes, sources, digest, .. } = manifest;
        NewStore {
            output,
            dataset,
            label_scale,
            layout,
            splits,
            features,
            notes,
            findings,
            sources,
            digest,
            n_bytes,
            next,
        }
    }

    /// Prints it. `has_releases` says whether its sources are of a kind that has official releases.
    pub fn print(&self, has_releases: bool) {
        outln!("{}", self.output.display());
        let title = self.label_scale.as_ref().map_or(self.dataset.title(), OwnScale::title);
        outln!("  dataset  {title} ({} layout)", self.layout);
        for NewSplit { name, n_segments, shapes } in &self.splits {
            let shapes = shapes.iter().map(|(modality, shape)| format!("{modality} {shape:?}"));
            let shapes = shapes.collect::<Vec<String>>().join("  ");
            outln!("  {}", format!("{name:<7}  {n_segments} segments  {shapes}").trim_end());
        }
        for known in self.features.iter().filter(|known| !known.is_likely_only) {
            outln!("  {:<7}  {known}", known.modality);
        }
        for note in &self.notes {
            outln!("  note     {note}");
        }
        for finding in &self.findings {
            outln!("  {finding}");
        }
        for source in &self.sources {
            outln!("  source   {} sha256 {}", source.file_name, source.sha256);
            if let Some(entry) = &source.entry {
                outln!("           holds {} sha256 {}", shown(&entry.name), entry.sha256);
            }
            match &source.release {
                Some(release) => outln!("           {release}, official release"),
                None if has_releases => {
                    outln!("           not the digest of a known official release");
                }
                None => {}
            }
        }
        outln!("  digest   blake3 {}", self.digest);
        outln!("  size     {}", human_bytes(self.n_bytes));
        output::next(&self.next);
    }
}

impl NewSplit {
    fn new(split: &SplitManifest, manifest: &Manifest) -> NewSplit {
        let shapes = manifest.columns_of(split.name).filter_map(|column| match column.id.kind {
            ColumnKind::Features(modality) => Some((modality, column.shape.get(1..)?.to_vec())),
            _ => None,
        });
        NewSplit { name: split.name, n_segments: split.ids.len(), shapes: shapes.collect() }
    }
}

/// Calls to continue with.
fn next(output: &Path, manifest: &Manifest, findings: &[Finding]) -> String {
    let store = quoted_path(output);
    let is_valid = !findings.iter().any(|found| found.severity == Severity::Error);
    let has_text = !findings.iter().any(|found| found.rule == Rule::NoText.id());
    let is_unordered = manifest.label_scale.as_ref().is_some_and(OwnScale::is_unordered);
    let validate = format!("`almt-data validate {store}`");
    match (is_valid, has_text) {
        (false, _) => validate,
        // No model can be trained on classes without values, or predict them.
        (true, _) if is_unordered => format!("{validate}, `almt-data labels {store}`"),
        (true, false) => {
            format!("{validate}, `almt-data encode {store} --bert FOLDER -o with-text.h5`")
        }
        (true, true) => format!("{validate}, {}", stores::toward_training(output, manifest)),
    }
}
