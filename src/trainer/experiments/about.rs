//! How figures came about, in the words that stand on every page.

use super::reproduction::Reproduction;
use crate::reproduce::Experiment;
use crate::run::preset::Preset;

/// What the published model's number of parameters is, beside Table 8.
const PAPERS_SIZE: &str = "The paper has 2.50 million of ALMT on CMU-MOSI, which are 2,504,449 with \
     the 50 steps of its aligned features; every further step of audio or vision adds 128. \
     MISA has 1.14 million on CMU-MOSI in the configuration of MMSA, without its text encoder. The paper's \
     figures are of CMU-MOSI; accuracies of these models on this store are in Tables 1 and 2.";

impl Reproduction {
    /// Of what runs are.
    pub(super) fn about_runs(&self) -> String {
        let counted = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        format!(
            "{}, store digest `{}`; {} of {} per model",
            self.dataset.title(),
            self.samples.store().manifest().digest,
            counted(self.options.seeds.len(), "run"),
            counted(self.preset.training.epochs, "epoch"),
        )
    }

    /// And of the test split.
    pub(super) fn about_test(&self) -> String {
        format!("{}; test split, epoch of the best validation MAE.", self.about_runs())
    }

    /// Of a table beside the paper's.
    pub(super) fn about_metrics(&self, experiment: &Experiment) -> String {
        format!(
            "{} Figures of the paper beside ours are of its own data and text encoder.{}{}",
            self.about_test(),
            about_others(experiment, self.options.steps_remainder),
            self.about_encoder(experiment)
        )
    }

    /// Of the models of an experiment that work inside a text encoder.
    fn about_encoder(&self, experiment: &Experiment) -> String {
        let own = self.encoder.as_ref().map(|encoder| encoder.pretrained.name());
        let is_inside = |model: &str| {
            Preset::published(model, self.dataset).is_some_and(|it| it.model.needs().pooler)
        };
        let inside: Vec<&str> = experiment
            .rows
            .iter()
            .filter(|row| row.model.as_deref().is_some_and(is_inside))
            .map(|row| &*row.name)
            .collect();
        match own.filter(|_| !inside.is_empty()) {
            Some(encoder) => {
                format!(" {} fine-tunes the text encoder {encoder}.", inside.join(" and "))
            }
            None => String::new(),
        }
    }

    /// Of numbers of parameters.
    pub(super) fn about_sizes(&self) -> String {
        format!(
            "Parameters of each model and of its parts, for the inputs of {}. {PAPERS_SIZE}",
            self.samples.store().path().display()
        )
    }
}

/// Of models other than ALMT, where an experiment has any.
pub(super) fn about_others(experiment: &Experiment, steps_remainder: bool) -> String {
    if experiment.rows.iter().all(|row| row.model.is_none()) {
        return String::new();
    }
    let remainder = match steps_remainder {
        true => {
            " Batches left over at the end of an epoch take a step, which the released trainers of MulT, \
             MISA and Self-MM drop."
        }
        false => "",
    };
    format!(
        " Models other than ALMT are trained on text features by their own presets: they may stop early, and \
         their epoch is that of the best validation loss.{remainder}"
    )
}
