//! Options of the commands that make a store: which values it may have, and of which type.

use clap::Args;

use crate::store::{FeatureDtype, NonFinite, OnOverflow};

#[derive(Args)]
pub struct ValueArgs {
    /// How to handle NaN, +inf and -inf: `loaders` replaces -inf by 0, as the published data loaders
    /// do, and rejects NaN and +inf; `zero` replaces all by 0, `mean` by the mean of the feature in the
    /// training split; `drop-segment` drops the affected segments; `keep` copies the values; `error`
    /// rejects them
    #[arg(
        long,
        default_value_t = NonFinite::Loaders,
        value_name = "loaders|zero|mean|drop-segment|keep|error",
        hide_possible_values = true
    )]
    pub on_nonfinite: NonFinite,
    /// How to handle finite values outside the range of `--dtype`: `error` rejects them; `clip`
    /// replaces them by the largest value of that type, keeping the sign, `zero` by 0, `mean` by the
    /// mean of the feature in the training split; `drop-segment` drops the affected segments
    #[arg(
        long,
        default_value_t = OnOverflow::Error,
        value_name = "error|clip|zero|mean|drop-segment",
        hide_possible_values = true
    )]
    pub on_overflow: OnOverflow,
    /// Element type of stored features: float32, or float16 for half the size (11 significant bits,
    /// values up to 65504). Training reads both as float32
    #[arg(long, default_value_t = FeatureDtype::Float32, value_name = "float32|float16")]
    #[arg(hide_possible_values = true)]
    pub dtype: FeatureDtype,
}
