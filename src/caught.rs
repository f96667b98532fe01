//! Turns libtorch's panics into values. When a libtorch call fails, most functions of `tch` panic;
//! running out of memory can affect any call.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use tch::TchError;

thread_local! {
    /// Nested [`caught`] calls of this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Does `work`, and returns libtorch's message if it failed there; any other panic is passed on.
///
/// State that `work` changed before is inconsistent: drop it instead of using it.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, TchError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // A caught panic becomes an error, which the caller shows once.
            if DEPTH.get() == 0 || words_of_libtorch(info.payload()).is_none() {
                usual(info);
            }
        }));
    });
    DEPTH.set(DEPTH.get() + 1);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    outcome.or_else(|payload| match words_of_libtorch(&*payload) {
        Some(words) => Err(TchError::Torch(words)),
        None => panic::resume_unwind(payload),
    })
}

/// The first line of libtorch's message, from the panic of an `unwrap` or `expect`.
fn words_of_libtorch(payload: &(dyn Any + Send)) -> Option<String> {
    let (_, words) = payload.downcast_ref::<String>()?.split_once(": Torch(\"")?;
    // The error is in `Debug` form, with line breaks as `\n`; later lines give its location in
    // libtorch.
    let words = words.split("\\n").next()?.trim_end_matches("\")");
    Some(words.replace("\\\"", "\"").replace("\\'", "'"))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn what_libtorch_says_is_a_value_and_other_panics_go_on() {
        assert_eq!(caught(|| 7).unwrap(), 7);
        let error = caught(|| Tensor::zeros([1 << 50], (Kind::Float, Device::Cpu))).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("can't allocate memory") && !text.contains('\n'), "{text}");
        let shapes = caught(|| {
            let one = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
            one.f_matmul(&one).expect("shapes fit")
        });
        assert!(shapes.unwrap_err().to_string().contains("cannot be multiplied"));
        let other = panic::catch_unwind(|| caught(|| panic!("another matter")).is_ok());
        assert_eq!(other.unwrap_err().downcast_ref::<&str>(), Some(&"another matter"));
        assert_eq!(DEPTH.get(), 0);
    }
}
