//! Modes of libtorch that affect a thread's operations during a guard's lifetime.

use std::ffi::c_char;
use std::marker::PhantomData;

use tch::{Device, Kind, TchError, Tensor};

use super::answer;

unsafe extern "C" {
    fn almt_allow_tf32(allowed: bool) -> *mut c_char;
    fn almt_autocast(on_gpu: bool, enabled: bool) -> *mut c_char;
    fn almt_is_autocast_enabled() -> bool;
    fn almt_pause_autocast_on_cpu() -> bool;
    fn almt_resume_autocast_on_cpu();
    #[cfg(test)]
    fn almt_count_begin();
    #[cfg(test)]
    fn almt_count_end() -> usize;
}

/// Makes float32 products and recurrent layers on a GPU use float32, which is not libtorch's default
/// for all of them.
///
/// # Errors
/// libtorch fails.
pub fn forbid_tf32() -> Result<(), TchError> {
    // SAFETY: sets flags of libtorch.
    answer(unsafe { almt_allow_tf32(false) })
}

/// During its lifetime, float32 products and recurrent layers on a GPU may use TF32, in the whole
/// process: also in the threads of a backward pass.
#[derive(Debug)]
pub struct Tf32(());

impl Tf32 {
    /// Enters the mode.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn begin() -> Result<Tf32, TchError> {
        // SAFETY: sets flags of libtorch.
        answer(unsafe { almt_allow_tf32(true) })?;
        Ok(Tf32(()))
    }
}

impl Drop for Tf32 {
    fn drop(&mut self) {
        // A failure leaves nothing to do.
        let _ = forbid_tf32();
    }
}

/// During its lifetime, this thread's operations on one device use bfloat16 where that is safe
/// (PyTorch's autocast).
#[derive(Debug)]
pub struct Autocast {
    on_gpu: bool,
    /// Must stay on its thread.
    _here: PhantomData<*const ()>,
}

impl Autocast {
    /// Enters the mode.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn begin(device: Device) -> Result<Autocast, TchError> {
        let on_gpu = device.is_cuda();
        // SAFETY: sets flags of this thread.
        answer(unsafe { almt_autocast(on_gpu, true) })?;
        Ok(Autocast { on_gpu, _here: PhantomData })
    }

    /// Ends the mode for tensors on the CPU as long as the value lives, for operations whose kernels in
    /// bfloat16 not every processor has.
    pub fn pause_on_cpu() -> AutocastPause {
        // SAFETY: reads and sets flags of this thread.
        let was_on = unsafe { almt_pause_autocast_on_cpu() };
        AutocastPause { was_on, _here: PhantomData }
    }

    /// Whether this thread's operations use bfloat16.
    pub fn is_on() -> bool {
        // SAFETY: reads flags of this thread.
        unsafe { almt_is_autocast_enabled() }
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: as above. A failure leaves nothing to do.
        let _ = answer(unsafe { almt_autocast(self.on_gpu, false) });
    }
}

/// See [`Autocast::pause_on_cpu`].
#[derive(Debug)]
#[must_use]
pub struct AutocastPause {
    was_on: bool,
    /// Must stay on its thread.
    _here: PhantomData<*const ()>,
}

impl Drop for AutocastPause {
    fn drop(&mut self) {
        if self.was_on {
            // SAFETY: sets flags of this thread.
            unsafe { almt_resume_autocast_on_cpu() }
        }
    }
}

/// A tensor in autocast's precision for the operands of a product, for functions unknown to autocast.
pub fn lowered(x: &Tensor) -> Tensor {
    match Autocast::is_on() {
        true => x.to_kind(Kind::BFloat16),
        false => x.shallow_clone(),
    }
}

/// Number of operations in some work of this thread: those that give a device work, without nested
/// ones.
#[cfg(test)]
pub(crate) fn operations(work: impl FnOnce()) -> usize {
    // SAFETY: adds an observer of this thread's operations.
    unsafe { almt_count_begin() };
    work();
    // SAFETY: removes it.
    unsafe { almt_count_end() }
}
