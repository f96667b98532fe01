//! The text encoder of models that work inside one.

use crate::model::Sequence;
use crate::pretrained::{Pretrained, TextSource};
use crate::run::preset::Preset;
use crate::run::settings::{EncoderChoice, TokenChoice};
use crate::train::{DataError, encoder};
use crate::trainer::error::TrainerError;
use crate::trainer::note::Note;
use crate::trainer::options::EncoderOptions;
use crate::trainer::samples::Samples;
use crate::trainer::session::encoder_choice;
use crate::trainer::suits;

/// An encoder for the models that work inside one.
pub(super) struct ModelEncoder {
    pub(super) pretrained: Pretrained,
    source: TextSource,
    /// With the rate of a recipe that does not train it.
    choice: EncoderChoice,
}

impl ModelEncoder {
    /// Opens an encoder.
    ///
    /// # Errors
    /// Its folder cannot be read.
    pub(super) fn open(
        options: &EncoderOptions,
        preset: &Preset,
    ) -> Result<ModelEncoder, TrainerError> {
        let pretrained = Pretrained::open(&options.folder)?;
        let choice = encoder_choice(&pretrained, options, preset)?;
        Ok(ModelEncoder { pretrained, source: options.source, choice })
    }

    /// Checks that a store has what the encoder reads.
    ///
    /// # Errors
    /// The store has no tokens, or they hardly belong to the encoder's vocabulary and `force` is not set.
    pub(super) fn check(&self, samples: &Samples, force: bool) -> Result<Vec<Note>, TrainerError> {
        let store = samples.store();
        if self.source == TextSource::TextBert && samples.n_tokens().is_none() {
            return Err(TrainerError::unfit(store.path(), DataError::NoTokens));
        }
        let mut notes: Vec<Note> =
            self.pretrained.notes().iter().cloned().map(Note::Encoder).collect();
        notes.extend(suits::check(
            store,
            suits::Reader::new(&self.pretrained, self.source),
            force,
        )?);
        Ok(notes)
    }

    /// What a run with a recipe records of it.
    pub(super) fn choice(&self, recipe: &Preset) -> EncoderChoice {
        let lr = encoder::lrs(recipe).into_iter().fold(0.0, f64::max);
        EncoderChoice { lr, ..self.choice.clone() }
    }

    /// Extents of its output.
    pub(super) fn text(&self, samples: &Samples) -> Sequence {
        let n_tokens = match &self.choice.tokens {
            TokenChoice::RawText { max_len, .. } => *max_len,
            TokenChoice::TextBert => samples.n_tokens().unwrap_or_default(),
        };
        let seq_len = i64::try_from(n_tokens).unwrap_or(i64::MAX);
        Sequence { seq_len, feat_dim: self.pretrained.config().hidden_size }
    }
}
