//! Modes of libtorch that change what a thread's operations do, each for as long as a guard lives.

use std::ffi::c_char;
use std::marker::PhantomData;

use tch::{Device, TchError, Tensor};
use torch_sys::C_tensor;

use super::answer;

unsafe extern "C" {
    fn almt_allow_tf32(allowed: bool) -> *mut c_char;
    fn almt_autocast(on_gpu: bool, enabled: bool) -> *mut c_char;
    fn almt_is_autocast_enabled() -> bool;
    fn almt_vmap_begin(size: i64) -> *mut c_char;
    fn almt_vmap_end() -> *mut c_char;
    fn almt_vmap_add(tensor: *mut C_tensor, output: *mut *mut C_tensor) -> *mut c_char;
    fn almt_vmap_remove(tensor: *mut C_tensor, output: *mut *mut C_tensor) -> *mut c_char;
    fn almt_is_vmapped(tensor: *mut C_tensor) -> bool;
    #[cfg(test)]
    fn almt_count_begin();
    #[cfg(test)]
    fn almt_count_end() -> usize;
}

/// Says whether float32 products on a GPU may be made of TF32, for the whole process.
///
/// # Errors
/// libtorch fails.
pub fn allow_tf32(allowed: bool) -> Result<(), TchError> {
    // SAFETY: sets flags of libtorch.
    answer(unsafe { almt_allow_tf32(allowed) })
}

/// While it lives, this thread's operations on one device choose bfloat16 where that is safe
/// (PyTorch's autocast).
#[derive(Debug)]
pub struct Autocast {
    on_gpu: bool,
    /// Not for another thread.
    _here: PhantomData<*const ()>,
}

impl Autocast {
    /// Begins.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn begin(device: Device) -> Result<Autocast, TchError> {
        let on_gpu = device.is_cuda();
        // SAFETY: sets flags of this thread.
        answer(unsafe { almt_autocast(on_gpu, true) })?;
        Ok(Autocast { on_gpu, _here: PhantomData })
    }

    /// Whether this thread's operations choose bfloat16.
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

/// While it lives, this thread's operations on tensors that [`hide`](HiddenAxis::hide) made work along
/// their first axis as if it were not there (PyTorch's `vmap`).
#[derive(Debug)]
pub struct HiddenAxis {
    /// Not for another thread.
    _here: PhantomData<*const ()>,
}

impl HiddenAxis {
    /// Begins, for axes of an extent.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn begin(extent: i64) -> Result<HiddenAxis, TchError> {
        // SAFETY: adds to a list of this thread what the guard removes from it.
        answer(unsafe { almt_vmap_begin(extent) })?;
        Ok(HiddenAxis { _here: PhantomData })
    }

    /// A tensor `[extent, ..]` without its first axis.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn hide(&self, tensor: &Tensor) -> Result<Tensor, TchError> {
        let mut output = std::ptr::null_mut();
        // SAFETY: reads a tensor that lives until the end of this call, and writes one pointer or
        // returns a message.
        answer(unsafe { almt_vmap_add(tensor.as_ptr().cast_mut(), &mut output) })?;
        // SAFETY: without a message it is a new tensor, which belongs to the caller.
        Ok(unsafe { Tensor::from_ptr(output) })
    }

    /// The tensor with the axis as its first one, `[extent, ..]`.
    ///
    /// # Errors
    /// The tensor comes from none with a hidden axis.
    pub fn show(&self, tensor: &Tensor) -> Result<Tensor, TchError> {
        let mut output = std::ptr::null_mut();
        // SAFETY: as in `hide`.
        answer(unsafe { almt_vmap_remove(tensor.as_ptr().cast_mut(), &mut output) })?;
        // SAFETY: as in `hide`.
        Ok(unsafe { Tensor::from_ptr(output) })
    }

    /// Whether a tensor has a hidden axis.
    pub fn is_in(tensor: &Tensor) -> bool {
        // SAFETY: reads a tensor that lives until the end of this call.
        unsafe { almt_is_vmapped(tensor.as_ptr().cast_mut()) }
    }
}

impl Drop for HiddenAxis {
    fn drop(&mut self) {
        // SAFETY: as in `begin`. A failure leaves nothing to do.
        let _ = answer(unsafe { almt_vmap_end() });
    }
}

/// How many operations some work of this thread is: of those that give a device something to do, and
/// not of what they are made of.
#[cfg(test)]
pub(crate) fn operations(work: impl FnOnce()) -> usize {
    // SAFETY: adds an observer of this thread's operations.
    unsafe { almt_count_begin() };
    work();
    // SAFETY: removes it.
    unsafe { almt_count_end() }
}
