//! Options of the commands that make a store: the labels of a dataset of one's own.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use super::closed::AnyDataset;
use crate::corpus::Dataset;
use crate::corpus::scale::{BinsFile, ClosedEnd, OwnScale, ScaleFile};

/// Heading of the options in help texts.
const HEADING: &str = "Labels of your own dataset";

#[derive(Args)]
pub struct ScaleArgs {
    /// Range of the labels, such as 1,5 or -1,1: the store is of no published dataset then
    #[arg(help_heading = HEADING, long, value_name = "LOW,HIGH", value_parser = range, allow_hyphen_values = true)]
    #[arg(conflicts_with = "label_scale")]
    label_range: Option<[f64; 2]>,
    /// Label between negative and positive, for the accuracies over two classes [default: none]
    #[arg(help_heading = HEADING, long, value_name = "LABEL", requires = "label_range", allow_hyphen_values = true, value_parser = neutral)]
    label_neutral: Option<f64>,
    /// Divide the labels into classes at these limits, each of which belongs to the class above it:
    /// `stars=1.5,2.5,3.5,4.5` is the accuracy `acc_stars`; repeatable
    #[arg(help_heading = HEADING, long, value_name = "NAME=LIMIT,...", requires = "label_range", value_parser = bins)]
    label_bins: Vec<(String, Vec<f64>)>,
    /// TOML file that describes the labels instead: range, neutral label, classes by limits, or names of
    /// classes; `almt-data schema label-scale` prints what it may have
    #[arg(help_heading = HEADING, long, value_name = "TOML")]
    label_scale: Option<PathBuf>,
}

impl ScaleArgs {
    /// The description of the labels of one's own, if there is one, beside the dataset that was `told`.
    ///
    /// # Errors
    /// The description cannot be read or contradicts itself, or a published dataset was told; `wrong`
    /// makes the failure of a wrong call.
    pub fn scale(
        &self,
        told: Option<AnyDataset>,
        wrong: impl Fn(&str) -> Failure,
    ) -> Result<Option<OwnScale>, Failure> {
        let scale = match (&self.label_scale, self.label_range) {
            (Some(path), _) => OwnScale::read(path)?,
            (None, Some(range)) => OwnScale::new(self.file(range)).map_err(|it| wrong(&it))?,
            (None, None) => return Ok(None),
        };
        match told {
            Some(AnyDataset(dataset)) if dataset != Dataset::Own => Err(wrong(&format!(
                "`--dataset {dataset}` has labels of its own: omit it, or `--label-range` and \
                 `--label-scale`"
            ))),
            _ => Ok(Some(scale)),
        }
    }

    fn file(&self, range: [f64; 2]) -> ScaleFile {
        let bins = self.label_bins.iter().map(|(name, edges)| {
            let (edges, closed, names) = (edges.clone(), ClosedEnd::Left, Vec::new());
            (name.clone(), BinsFile { edges, closed, names })
        });
        ScaleFile {
            range: Some(range),
            neutral: self.label_neutral,
            bins: bins.collect(),
            ..ScaleFile::default()
        }
    }
}

fn numbers(text: &str) -> Option<Vec<f64>> {
    text.split(',').map(|number| number.trim().parse().ok()).collect()
}

fn neutral(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "expected a number, such as 0 or 3".into())
}

fn range(text: &str) -> Result<[f64; 2], String> {
    let range = numbers(text).and_then(|numbers| <[f64; 2]>::try_from(numbers).ok());
    range.ok_or_else(|| format!("expected LOW,HIGH such as -1,1, found `{text}`"))
}

fn bins(text: &str) -> Result<(String, Vec<f64>), String> {
    let pair = text.split_once('=').and_then(|(name, limits)| Some((name, numbers(limits)?)));
    let (name, limits) = pair.ok_or_else(|| {
        format!("expected NAME=LIMIT,... such as stars=1.5,2.5,3.5,4.5, found `{text}`")
    })?;
    Ok((name.to_owned(), limits))
}
