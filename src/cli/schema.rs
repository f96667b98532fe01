//! `almt-data schema`: prints the formats of the program's files, its expectations of data, and the
//! names of features.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{Failure, output};

/// Print the JSON Schema of an output, the specification of a dataset, or names of features
#[derive(Args)]
pub struct SchemaArgs {
    /// Schema, dataset or feature set; without it, list all
    name: Option<String>,
}

/// The printable texts: name, description, text.
const TEXTS: [(&str, &str, &str); 27] = [
    (
        "validation",
        "JSON Schema of `validate --json`",
        include_str!("../../schemas/validation.schema.json"),
    ),
    ("stats", "JSON Schema of `stats --json`", include_str!("../../schemas/stats.schema.json")),
    ("labels", "JSON Schema of `labels --json`", include_str!("../../schemas/labels.schema.json")),
    (
        "manifest",
        "JSON Schema of the split manifests that `split` writes",
        include_str!("../../schemas/manifest.schema.json"),
    ),
    (
        "scan",
        "JSON Schema of a line of `scan --json`",
        include_str!("../../schemas/scan.schema.json"),
    ),
    (
        "store",
        "JSON Schema of the manifest within a store",
        include_str!("../../schemas/store.schema.json"),
    ),
    (
        "label-scale",
        "JSON Schema of the TOML file of `--label-scale`",
        include_str!("../../schemas/label-scale.schema.json"),
    ),
    (
        "config",
        "JSON Schema of a run's `config.toml`",
        include_str!("../../schemas/config.schema.json"),
    ),
    (
        "result",
        "JSON Schema of a run's `result.json`",
        include_str!("../../schemas/result.schema.json"),
    ),
    (
        "epoch",
        "JSON Schema of a line of a run's `metrics.jsonl`",
        include_str!("../../schemas/epoch.schema.json"),
    ),
    (
        "attention",
        "JSON Schema of a run's `attention.json`",
        include_str!("../../schemas/attention.schema.json"),
    ),
    ("models", "JSON Schema of `models --json`", include_str!("../../schemas/models.schema.json")),
    (
        "evaluation",
        "JSON Schema of `eval --json`",
        include_str!("../../schemas/evaluation.schema.json"),
    ),
    (
        "comparison",
        "JSON Schema of `compare --json`",
        include_str!("../../schemas/comparison.schema.json"),
    ),
    ("paper", "what the paper reports of ALMT", include_str!("../../schemas/paper/almt.toml")),
    ("rules", "the rules of `validate`", include_str!("../../docs/validation.md")),
    ("mosi", "what is known of CMU-MOSI", include_str!("../../schemas/datasets/mosi.toml")),
    ("mosei", "what is known of CMU-MOSEI", include_str!("../../schemas/datasets/mosei.toml")),
    ("sims", "what is known of CH-SIMS", include_str!("../../schemas/datasets/sims.toml")),
    ("simsv2", "what is known of CH-SIMS v2", include_str!("../../schemas/datasets/simsv2.toml")),
    ("releases", "digests of official releases", include_str!("../../schemas/releases.toml")),
    (
        "covarep-74",
        "names of COVAREP's features",
        include_str!("../../schemas/features/covarep-74.toml"),
    ),
    (
        "librosa-33",
        "names of the acoustic features of CH-SIMS",
        include_str!("../../schemas/features/librosa-33.toml"),
    ),
    (
        "mosi-covarep-5",
        "origin of the five acoustic features of CMU-MOSI",
        include_str!("../../schemas/features/mosi-covarep-5.toml"),
    ),
    (
        "mosi-facet-20",
        "origin of the twenty visual features of CMU-MOSI",
        include_str!("../../schemas/features/mosi-facet-20.toml"),
    ),
    (
        "openface2-709",
        "names of OpenFace 2's features",
        include_str!("../../schemas/features/openface2-709.toml"),
    ),
    (
        "pom-covarep-43",
        "what is known of the acoustic features of POM",
        include_str!("../../schemas/features/pom-covarep-43.toml"),
    ),
];

/// One text, or the list of all.
#[derive(Serialize)]
#[serde(untagged)]
pub enum SchemaReport {
    Text { name: &'static str, text: &'static str },
    List(Vec<ListedText>),
}

/// A text that can be printed.
#[derive(Serialize)]
pub struct ListedText {
    name: &'static str,
    description: &'static str,
}

/// Finds one text, or lists all.
pub fn run(args: SchemaArgs) -> Result<SchemaReport, Failure> {
    let Some(wanted) = args.name else {
        let all = TEXTS.map(|(name, description, _)| ListedText { name, description });
        return Ok(SchemaReport::List(all.into()));
    };
    let found = TEXTS.into_iter().find(|(name, ..)| *name == wanted);
    let (name, _, text) = found.ok_or_else(|| {
        Failure::new(format!("`{wanted}` is not a known schema"))
            .hint("`almt-data schema` lists their names")
    })?;
    Ok(SchemaReport::Text { name, text })
}

/// Prints one text, or lists all.
pub fn schema(args: SchemaArgs) -> Result<ExitCode, Failure> {
    match run(args)? {
        SchemaReport::Text { text, .. } => output::write(format_args!("{text}")),
        SchemaReport::List(all) => all
            .iter()
            .for_each(|ListedText { name, description }| outln!("{name:<14}  {description}")),
    }
    Ok(ExitCode::SUCCESS)
}
