//! Predicts texts that are in no store: they become a store, whose text is read or encoded as in training.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tch::Device;

use super::encode::{EncodeOptions, EncodeProgress, encode};
use super::error::{FileProblem, TrainerError};
use super::evaluation::{EvaluationOptions, Predictions, WeightSource, predict};
use super::note::Note;
use super::tokens::encoder_folder;
use crate::corpus::clips::CLIPS;
use crate::corpus::{Corpus, CorpusSplit, Modality, RegressionLabels, SplitName};
use crate::pretrained::TextSource;
use crate::run::folder::io;
use crate::run::settings::TokenChoice;
use crate::store::{self, FeatureDtype, NonFinite, OnOverflow, OutputOptions, Store, WriteOptions};
use crate::train::checkpoint::{self, CheckpointInfo};

/// The store of the texts in messages.
const SHOWN: &str = "--text";

/// Number of texts to encode at a time.
const BATCH_SIZE: usize = 32;

/// Predicts texts with a checkpoint whose model takes text alone. Rows are in the order of the texts.
///
/// # Errors
/// The model takes other modalities too, or the folder of its text encoder is not known or not the one
/// of training; the texts do not belong to its vocabulary; the files cannot be read.
pub fn predict_texts(
    texts: &[String],
    path: &Path,
    device: Device,
    options: &EvaluationOptions,
    note: &mut dyn FnMut(Note),
) -> Result<Predictions, TrainerError> {
    let info = checkpoint::described(path)?;
    let inputs = &info.config.inputs.0;
    let others: Vec<Modality> =
        inputs.keys().copied().filter(|modality| *modality != Modality::Text).collect();
    if !others.is_empty() {
        return Err(TrainerError::file(path, FileProblem::NotTextAlone { others }));
    }
    let folder = tempfile::tempdir().map_err(io(&std::env::temp_dir()))?;
    let [plain, encoded] = ["texts.h5", "encoded.h5"].map(|name| folder.path().join(name));
    let mut pass_on =
        |words: Note| words.about(folder.path(), SHOWN).into_iter().for_each(&mut *note);
    let mut predicted = || {
        write(texts, &info, &plain)?;
        let encoder = options.encoder.as_deref();
        let encoder = match (&info.config.bert, &info.tokens) {
            (Some(_), TokenChoice::RawText { .. }) => None,
            (Some(_), TokenChoice::TextBert) => {
                let unknown = || TrainerError::file(path, FileProblem::NoTokenizer);
                Some(encoder_folder(path, encoder).ok_or_else(unknown)?)
            }
            (None, _) => {
                let text = info.data_schema.as_ref();
                let text = text.and_then(|schema| schema.modalities.get(&Modality::Text));
                let name = text.and_then(|text| Some(text.encoder.as_ref()?.to_string()));
                let unknown = || TrainerError::file(path, FileProblem::NoEncoderOfTexts { name });
                Some(encoder.ok_or_else(unknown)?.to_owned())
            }
        };
        let read = match encoder {
            None => &plain,
            Some(encoder) => {
                let seq_len = inputs.get(&Modality::Text).map(|text| text.seq_len);
                let options = EncodeOptions {
                    encoder,
                    source: Some(TextSource::RawText),
                    max_len: seq_len.and_then(|seq_len| usize::try_from(seq_len).ok()),
                    batch_size: BATCH_SIZE,
                    force: options.force,
                    n_threads: options.n_threads,
                    output: output(),
                };
                let made =
                    encode(&Store::open(&plain)?, &encoded, &options, &mut Silent, &mut pass_on)?;
                if made.n_cut > 0 {
                    let n_tokens = options.max_len.unwrap_or_default();
                    pass_on(Note::TextsCut { split: None, n_texts: made.n_cut, n_tokens });
                }
                &encoded
            }
        };
        let source = WeightSource::Checkpoint(path.into());
        predict(Store::open(read)?, &source, &[SplitName::Test], device, options, &mut pass_on)
    };
    predicted().map_err(|error| match error {
        TrainerError::Unfit { store, cause } if store.starts_with(folder.path()) => {
            TrainerError::Unfit { store: SHOWN.into(), cause }
        }
        error => error,
    })
}

/// Writes a store of texts alone.
fn write(texts: &[String], info: &CheckpointInfo, target: &Path) -> Result<(), TrainerError> {
    let split = CorpusSplit {
        name: SplitName::Test,
        ids: (1..=texts.len()).map(|number| format!("text$_${number}")).collect(),
        raw_text: Some(texts.to_vec()),
        annotations: None,
        intervals: None,
        features: BTreeMap::new(),
        text_bert: None,
        words: None,
        lengths: BTreeMap::new(),
        regression_labels: RegressionLabels::default(),
        classification_labels: None,
        emotion_labels: None,
        narrowed_labels: Vec::new(),
    };
    let corpus = Corpus {
        layout: CLIPS,
        splits: vec![split],
        notes: Vec::new(),
        feature_names: BTreeMap::new(),
        build: None,
    };
    let options = WriteOptions {
        dataset: info.dataset,
        label_scale: info.label_scale.clone(),
        on_nonfinite: NonFinite::Error,
        on_overflow: OnOverflow::Error,
        dtype: FeatureDtype::Float32,
        output: output(),
    };
    store::write(&corpus, &[], target, &options, &|_| ())?;
    Ok(())
}

/// The form of a store that lives as long as the call.
fn output() -> OutputOptions {
    OutputOptions { sync: false, ..OutputOptions::default() }
}

/// Texts that are encoded in a moment.
struct Silent;

impl EncodeProgress for Silent {
    fn begin(&mut self, _: usize) -> Arc<dyn Fn(u64) + Send + Sync> {
        Arc::new(|_| ())
    }
}
