//! What experiments come to.

use std::path::PathBuf;

use crate::reproduce::noise::{NoiseLine, NoisySample};
use crate::reproduce::{
    AverageAttention, Convergence, ExperimentTable, GapLine, MapPoint, ModelSize, RobustnessPoint,
};

/// An experiment that is done.
#[derive(Debug, Clone)]
pub struct ExperimentResult {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// What it came to.
    pub findings: Findings,
    /// The page about it, in Markdown.
    pub page: String,
    /// All files that were written: tables, pictures, and the page as the last one.
    pub files: Vec<PathBuf>,
}

/// What an experiment comes to.
#[derive(Debug, Clone)]
pub enum Findings {
    /// Metrics of its models, beside the paper's.
    Metrics(ExperimentTable),
    /// Parameters of all models.
    Sizes(Vec<ModelSize>),
    /// What language attends to.
    Attention(AverageAttention),
    /// How much of that is left when noise is added.
    Noise(NoiseFindings),
    /// What the model makes of segments on the way.
    Representations(RepresentationFindings),
    /// The error over the epochs.
    Convergence(Convergence),
    /// The error on inputs made worse, of every seed.
    Robustness(Vec<RobustnessPoint>),
}

/// What noise does to attention.
#[derive(Debug, Clone)]
pub struct NoiseFindings {
    /// Over all segments of the test split, the mean of all seeds.
    pub lines: Vec<NoiseLine>,
    /// Of one segment, by the model of the first seed.
    pub samples: Vec<NoisySample>,
    /// That segment.
    pub id: String,
    /// Segments of the test split.
    pub n_segments: usize,
    /// Seeds.
    pub n_runs: usize,
}

/// Where representations of segments are.
#[derive(Debug, Clone)]
pub struct RepresentationFindings {
    /// A map of those of the first seed's model; or why there is none, in a sentence.
    pub map: Result<Vec<MapPoint>, String>,
    /// How far apart they are, of every seed.
    pub gaps: Vec<GapLine>,
    /// Segments that were looked at.
    pub n_segments: usize,
}
