//! Failures of libtorch as values. Where a call of libtorch fails, most functions of `tch` panic;
//! for lack of memory that can be any call.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use tch::TchError;

thread_local! {
    /// Calls of [`caught`] that this thread is in.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Does `work`, and returns what libtorch said where it failed in that; any other panic goes on.
///
/// What `work` had changed until then stays as it is: it is to be dropped, not used.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, TchError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // What is caught becomes an error, which is shown once, by whoever gets it.
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

/// The first line of what libtorch said, out of the panic of an `unwrap` or `expect` on it.
fn words_of_libtorch(payload: &(dyn Any + Send)) -> Option<String> {
    let (_, words) = payload.downcast_ref::<String>()?.split_once(": Torch(\"")?;
    // The error is shown as `Debug` does, with line breaks as `\n`; later lines say where in
    // libtorch it happened.
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
