//! Hints about stores, and about what is made of them.

use crate::advice::{StoreAdvice, UnfitValues};

/// The hint that an advice about a store is.
pub(super) fn hint(advice: &StoreAdvice) -> String {
    let words = match advice {
        StoreAdvice::MakePlan => "`almt-data split STORE --k-fold 5 -o cv.json` makes one",
        StoreAdvice::TranslatePlan => {
            "`almt-data split STORE --from-manifest` makes one for a store of the same segments"
        }
        StoreAdvice::DrawAllSplits => {
            "without `--from`, `--ratio 0.7,0.1,0.2` draws all three splits anew"
        }
        StoreAdvice::DrawSegments => "`--by segment` draws segments, whatever video they are of",
        StoreAdvice::Overwrite => "`--overwrite` replaces it",
        StoreAdvice::OtherOutput => "`-o` chooses another place",
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
            "`--on-nonfinite zero` or `mean` replaces them, `drop-segment` leaves their segments \
             out, `keep` copies them, which training refuses"
        }
        StoreAdvice::ReplaceOverflow { dtype } => {
            return format!(
                "`--on-overflow clip` makes them the largest {dtype} of their sign, `zero` or \
                 `mean` replaces them, `drop-segment` leaves their segments out"
            );
        }
        StoreAdvice::StoreAsFloat32 => "`--dtype float32` holds them as they are",
        StoreAdvice::EncodeAsFloat32 => {
            "the store has float16 features: convert its source with `--dtype float32`, and encode \
             that store"
        }
        StoreAdvice::CorrectLabel => {
            "no other label is made of one: correct it in the source, or `--on-overflow \
             drop-segment` leaves the segment out"
        }
        StoreAdvice::BuildWithParquet => "build it with the cargo feature `parquet`",
        StoreAdvice::OneReportEach => "make one report per dataset",
        StoreAdvice::OverwriteRun => "`--overwrite` replaces the run in it",
    };
    words.into()
}
