//! Hints of the trainer, and about encoders.

use crate::advice::TrainerAdvice;

/// The hint that an advice about training or encoding is.
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
        TrainerAdvice::ConvertFinite => {
            "convert the source again with `--on-nonfinite zero`, `mean` or `drop-segment`"
        }
        TrainerAdvice::DropUnlabelled => {
            "`almt-data convert --drop-unlabelled` leaves them out; `almt-data predict` needs no \
             labels"
        }
        TrainerAdvice::LowerRate => {
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
        TrainerAdvice::CudaLibrary { library, version } => {
            return format!(
                "{library} of version {version} is needed: it comes with `pip install \
                 torch=={version}`, and with `cargo xtask setup --cuda`; `--libtorch` names its \
                 folder"
            );
        }
    };
    words.into()
}
