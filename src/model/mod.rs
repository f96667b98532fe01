//! ALMT, and nothing of where its inputs come from: this module knows no store and no files.

mod almt;
mod layers;

pub use almt::{Almt, AlmtConfig, AlmtSizes, Input, Residual, Sequence, Trace};
pub use layers::Init;
