//! Hints about stores and files made from them.

use crate::advice::{StoreAdvice, UnfitValues};

/// The hint for an advice about a store.
pub(super) fn hint(advice: &StoreAdvice) -> String {
    let words = match advice {
        StoreAdvice::MakePlan => "`almt-data split STORE --k-fold 5 -o cv.json` makes one",
        StoreAdvice::TranslatePlan => {
            "`almt-data split STORE --from-manifest` adapts it to a store with the same segments"
        }
        StoreAdvice::DrawAllSplits => {
            "without `--from`, `--ratio 0.7,0.1,0.2` redraws all three splits"
        }
        StoreAdvice::DrawSegments => "`--by segment` draws segments regardless of their video",
        StoreAdvice::Overwrite => "`--overwrite` replaces it",
        StoreAdvice::OtherOutput => "choose another path with `-o`",
        StoreAdvice::CopyOrConvert => "copy it again, or convert the source again",
        StoreAdvice::ConvertOrOldProgram => {
            "convert the source again, or use the program that wrote it"
        }
        StoreAdvice::PredictOnly => {
            "`almt-data predict` needs none; for anything else, convert a file that has \
             `regression_labels`"
        }
        StoreAdvice::KeepSegments(values) => {
            let option = match values {
                UnfitValues::NonFinite => "--on-nonfinite",
                UnfitValues::Overflow => "--on-overflow",
            };
            return format!("`{option} zero` or `mean` replaces the values and keeps the segments");
        }
        StoreAdvice::ReplaceNonFinite => {
            "`--on-nonfinite zero` or `mean` replaces them, `drop-segment` drops their segments, \
             `keep` copies them, but training refuses such a store"
        }
        StoreAdvice::ReplaceOverflow { dtype } => {
            return format!(
                "`--on-overflow clip` replaces them by the largest {dtype} value, `zero` by 0 \
                 and `mean` by the feature's mean; `drop-segment` drops their segments"
            );
        }
        StoreAdvice::StoreAsFloat32 => "`--dtype float32` stores them unchanged",
        StoreAdvice::EncodeAsFloat32 => {
            "the store has float16 features: convert its source with `--dtype float32`, and encode \
             that store"
        }
        StoreAdvice::CorrectLabel => {
            "labels are never replaced: correct it in the source, or drop the segment with \
             `--on-overflow drop-segment`"
        }
        StoreAdvice::BuildWithParquet => "build it with the cargo feature `parquet`",
        StoreAdvice::OneReportEach => "make one report per dataset",
        StoreAdvice::OverwriteRun => "`--overwrite` replaces the run in it",
    };
    words.into()
}
