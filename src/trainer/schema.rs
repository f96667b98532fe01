//! The schema of a run's data, and whether another store has the same.

use std::path::Path;

use super::error::{StoreProblem, TrainerError};
use super::note::Note;
use super::samples::Samples;
use crate::corpus::Modality;
use crate::corpus::schema::{DataSchema, EncoderSchema, ModalitySchema, Weight};
use crate::pretrained::{Pretrained, TextSource};
use crate::run::settings::{EncoderChoice, TokenChoice};
use crate::store::Store;
use crate::train::checkpoint::CheckpointInfo;

/// What a run's model sees of its store; `encoder` is the text encoder in the model.
pub fn of_run(
    samples: &Samples,
    modalities: &[Modality],
    encoder: Option<(&Pretrained, &EncoderChoice)>,
) -> DataSchema {
    let manifest = samples.store().manifest();
    let mut schema = DataSchema::of(manifest, modalities);
    if let Some((pretrained, choice)) = encoder {
        let (source, seq_len, tokenizer_blake3) = match &choice.tokens {
            TokenChoice::RawText { max_len, tokenizer_blake3 } => {
                (TextSource::RawText, *max_len, Some(tokenizer_blake3.clone()))
            }
            TokenChoice::TextBert => {
                let before = manifest.text_encoder.as_ref();
                let tokenizer = before.and_then(|encoder| encoder.tokenizer_blake3.clone());
                (TextSource::TextBert, samples.n_tokens().unwrap_or_default(), tokenizer)
            }
        };
        let encoder = EncoderSchema {
            name: pretrained.name(),
            sha256: choice.sha256.clone(),
            source: source.name().into(),
            tokenizer_blake3,
            is_in_model: true,
        };
        let feat_dim = usize::try_from(pretrained.config().hidden_size).unwrap_or_default();
        let text = ModalitySchema::of_tokens(encoder, seq_len, feat_dim);
        schema.modalities.insert(Modality::Text, text);
    }
    schema
}

/// Compares a store with the data that a checkpoint's model was trained on. Notes name what differs, or
/// that the checkpoint records nothing to compare with.
///
/// # Errors
/// The same numbers mean something else in the store, and `force` is not set.
pub fn check(
    store: &Store,
    path: &Path,
    info: &CheckpointInfo,
    force: bool,
) -> Result<Vec<Note>, TrainerError> {
    let Some(trained) = &info.data_schema else {
        return Ok(vec![Note::NoSchema { checkpoint: path.into() }]);
    };
    let modalities: Vec<Modality> = trained.modalities.keys().copied().collect();
    let differences = trained.differences(&DataSchema::of(store.manifest(), &modalities));
    let is_other = |weight: Weight| weight == Weight::Meaning && !force;
    let refused: Vec<&str> =
        differences.iter().filter(|it| is_other(it.weight)).map(|it| &*it.words).collect();
    if !refused.is_empty() {
        let problem = refused.join("; ");
        return Err(TrainerError::unfit(store.path(), StoreProblem::OtherData { problem }));
    }
    let note = |difference| Note::OtherData { store: store.path().into(), difference };
    Ok(differences.into_iter().map(note).collect())
}
