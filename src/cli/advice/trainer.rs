//! Hints about training and encoders.

use crate::advice::TrainerAdvice;
use crate::words::quoted_path;

/// The hint for an advice about training or encoding.
pub(super) fn hint(advice: &TrainerAdvice) -> String {
    let words = match advice {
        TrainerAdvice::EncodeText => {
            "`almt-data encode` makes features of a store's tokens or texts"
        }
        TrainerAdvice::MakeTokens => "`--text-from raw_text` makes them of its texts",
        TrainerAdvice::MakeTokensAnew => {
            "the tokens were made with the vocabulary of another encoder; `--text-from raw_text` \
             makes them anew"
        }
        TrainerAdvice::EncodeForModel { store, encoder, is_forcible } => {
            let force = if *is_forcible { "; `--force` continues anyway" } else { "" };
            return format!(
                "the tokens belong to another vocabulary: `almt-data encode {} --bert {} --text-from \
                 raw_text -o encoded.h5` makes a store with those of the model's encoder{force}",
                quoted_path(store),
                quoted_path(encoder)
            );
        }
        TrainerAdvice::TokensOfModel => {
            "the tokens were made with the vocabulary of another encoder than the model's"
        }
        TrainerAdvice::ModelOfLanguage => {
            "the texts are in another language than the model's encoder: use a model for that \
             language; `--force` continues anyway"
        }
        TrainerAdvice::ModelOfWeights { model } => {
            return format!("`--model {model}` trains the model of these weights");
        }
        TrainerAdvice::ModalitiesOfWeights { modalities } => {
            return format!("`--modalities {}` chooses the same", modalities.join(","));
        }
        TrainerAdvice::OtherPlan { store } => {
            return format!(
                "without `--manifest` the store's own splits are used; `almt-data split {} --ratio \
                 0.7,0.1,0.2 -o splits.json` makes a manifest with all three",
                quoted_path(store)
            );
        }
        TrainerAdvice::StepAtEnd => {
            "`--set remainder=step` takes the step at the end of the epoch; a smaller \
             `--batch-size` makes more batches"
        }
        TrainerAdvice::OrderClasses => {
            "if the classes have an order, list them in it with `values = [1, 2, …]` in the label scale, \
             and make the store again"
        }
        TrainerAdvice::TrainWithEncoder => "`--text bert --bert FOLDER` adds one",
        TrainerAdvice::ConvertFinite => {
            "convert the source again with `--on-nonfinite zero`, `mean` or `drop-segment`"
        }
        TrainerAdvice::DropUnlabelled => {
            "`--drop-unlabelled` of `convert`, `build` and `align` leaves them out; `almt-data predict` \
             needs no labels"
        }
        TrainerAdvice::LowerRate => "a lower `--lr` often helps",
        TrainerAdvice::LowerRateAfterBest => {
            "the checkpoint of the best epoch before it is kept; a lower `--lr` often helps"
        }
        TrainerAdvice::ReadFromDisk => "`--cache disk` reads each batch from the store",
        TrainerAdvice::SmallerStep => {
            "a smaller `--batch-size` takes less, and `--cache disk` leaves the features on the \
             disk"
        }
        TrainerAdvice::SmallerBatch => "a smaller `--batch-size` takes less",
        TrainerAdvice::MoreMemory => {
            "it needs more free memory; a call that has `--cache` takes less with `--cache disk`"
        }
        TrainerAdvice::GiveEncoder => {
            "`--bert FOLDER` names that of the encoder, as for `almt-data train`; its weights are \
             not used"
        }
        TrainerAdvice::FolderOfEncoder => {
            "the folder of an encoder holds `config.json`, `model.safetensors`, and \
             `tokenizer.json` or `vocab.txt`"
        }
        TrainerAdvice::SaveSafetensors { folder } => {
            return format!(
                "in Python, with transformers, \
                 `AutoModel.from_pretrained(\"{folder}\").save_pretrained(\"NEW_FOLDER\")` writes \
                 a `model.safetensors`"
            );
        }
        TrainerAdvice::SaveOneFile => {
            "in Python, with transformers, `save_pretrained(\"NEW_FOLDER\", \
             max_shard_size=\"100GB\")` writes one"
        }
        TrainerAdvice::WeightsDamaged => {
            "the weights are damaged, or beyond the range of their type"
        }
        TrainerAdvice::TextsInPlaceOfTokens => "`--text-from raw_text` makes them",
        TrainerAdvice::FeaturesOfModel => {
            "`almt-data inspect` shows what a store holds; a model needs the features that it was \
             trained on, by the same extractors"
        }
        TrainerAdvice::DataOfModel => {
            "`almt-data inspect RUN` shows the data of training: make the store in the same way; \
             `--force` continues anyway"
        }
        TrainerAdvice::PredictStore => {
            "`almt-data build` makes a store of clips with all modalities, for `--store` in place of \
             `--text`"
        }
        TrainerAdvice::EncoderOfFeatures => {
            "`--bert FOLDER` names the encoder that computed the features of the training store"
        }
        TrainerAdvice::ConvertTogether => "convert files from the same feature extraction together",
        TrainerAdvice::FitLengths => {
            "`--fit-lengths` truncates them; the number is reported and recorded"
        }
        TrainerAdvice::NameModality => "include it in `--modalities`",
        TrainerAdvice::OtherModels => "`almt-data models` shows which models do not need it",
        TrainerAdvice::AlignedFile => {
            "convert the aligned file of the dataset, such as `aligned_50.pkl`"
        }
        TrainerAdvice::MendStore { advice, store, can_be_forced } => {
            let store = quoted_path(store);
            return match can_be_forced {
                false => format!("{advice}; `almt-data validate {store}` shows all"),
                true => format!(
                    "{advice}; `almt-data validate {store}` shows all, `--force` trains on it \
                     anyway"
                ),
            };
        }
        TrainerAdvice::DrawValid { store } => {
            return format!(
                "`--valid-fraction 0.1` draws one from the training split; `almt-data split {} --from \
                 train --ratio 0.9,0.1 -o splits.json` writes it to a file, for `train --manifest`",
                quoted_path(store)
            );
        }
        TrainerAdvice::UseOwnValid => "without `--valid-fraction`, the store's own is used",
        TrainerAdvice::DrawSplits { store } => {
            return format!(
                "convert the files of all splits together; `almt-data split {} --ratio 0.7,0.1,0.2 \
                 -o splits.json` draws all three from the existing segments, for `train \
                 --manifest`",
                quoted_path(store)
            );
        }
        TrainerAdvice::AddText { chosen } => {
            return format!("`--modalities text,{}` has it", chosen.join(","));
        }
        TrainerAdvice::ConvertText => {
            "the store has no text to encode either: convert a file with text features, tokens \
             or transcripts"
        }
        TrainerAdvice::OtherVocabulary => {
            "the tokens belong to another vocabulary: `--text-from raw_text` tokenizes the texts \
             with this one; `--force` continues anyway"
        }
        TrainerAdvice::OtherLanguage => {
            "the texts are in another language than the encoder: use an encoder for that \
             language; `--force` continues anyway"
        }
        TrainerAdvice::NameEncoder => "`--bert` names its new path",
        TrainerAdvice::NameStore => "`--store` names the store's current path",
        TrainerAdvice::OtherFolder => {
            "choose another `--out` to keep it, or remove the folder to train again"
        }
        TrainerAdvice::EmptyFolder => "choose a new or empty folder with `--out`",
        TrainerAdvice::CompleteRun { run } => {
            return format!("`almt-data resume {}` completes it", quoted_path(run));
        }
        TrainerAdvice::ResumeTogether => {
            "the `train --seeds` call that started them resumes all of them"
        }
        TrainerAdvice::CudaLibrary { library, version } => {
            return format!(
                "{library} of version {version} is needed: it comes with `pip install \
                 torch=={version}`, and with `cargo xtask setup --cuda`; `--libtorch` names its folder"
            );
        }
    };
    words.into()
}
