//! The file that a command writes: never one that it reads.

use std::path::Path;

use super::Failure;
use super::advice::hint;
use crate::advice::StoreAdvice;
use crate::paths::same_file;

/// Refuses an output that is one of the inputs, whatever may be replaced; or that exists and may not be.
pub fn check_output(
    output: &Path,
    overwrite: bool,
    inputs: impl IntoIterator<Item = impl AsRef<Path>>,
) -> Result<(), Failure> {
    if inputs.into_iter().any(|input| same_file(input.as_ref(), output)) {
        return Err(Failure::at(output, "the output would replace the input")
            .hint(hint(&StoreAdvice::OtherOutput.into())));
    }
    if output.exists() && !overwrite {
        let advice = hint(&StoreAdvice::Overwrite.into());
        return Err(Failure::at(output, "exists already").hint(advice));
    }
    Ok(())
}
