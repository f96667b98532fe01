//! Calls of libtorch that `tch` does not offer, through the C++ files beside this one.
//!
//! Foreign calls are `unsafe`; each has its reason. But for the graphs of [`cuda`], nothing here keeps
//! a pointer beyond the call.

#![allow(unsafe_code)]

pub mod cuda;
pub mod modes;

use std::ffi::{CStr, c_char};

use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn almt_free_message(message: *mut c_char);
    fn almt_adamw_step(
        parameters: *const *mut C_tensor,
        averages: *const *mut C_tensor,
        squares: *const *mut C_tensor,
        steps: *const *mut C_tensor,
        n: usize,
        lr: *mut C_tensor,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        eps: f64,
    ) -> *mut c_char;
    fn almt_drop_gradients(parameters: *const *mut C_tensor, n: usize);
    fn almt_frame_attention(
        inputs: *const *mut C_tensor,
        outputs: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn almt_use_deterministic_algorithms() -> *mut c_char;
    fn almt_keep_freed_memory();
    fn almt_libtorch_version() -> *const c_char;
}

/// Turns the shim's answer, null or a message, into a result.
fn answer(message: *mut c_char) -> Result<(), tch::TchError> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: the shim answers with null or with a message made by `strdup`, which ends in a zero
    // and belongs to the caller, who frees it once.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        almt_free_message(message);
        text
    };
    // The rest is where in libtorch it happened.
    Err(tch::TchError::Torch(text.lines().next().unwrap_or_default().to_owned()))
}

/// Parameters with what AdamW remembers of each, all four of one length.
pub struct AdamwState<'a> {
    /// Changed where they have a gradient.
    pub parameters: &'a [Tensor],
    /// First moments, of the parameters' shapes.
    pub averages: &'a [Tensor],
    /// Second moments, of the parameters' shapes.
    pub squares: &'a [Tensor],
    /// Steps done, float32 scalars.
    pub steps: &'a [Tensor],
}

/// The constants of AdamW.
#[derive(Debug, Clone, Copy)]
pub struct AdamwConstants {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
}

/// One step of AdamW by ATen's fused kernel, which then drops all gradients. `lr` is a scalar, float64
/// on the CPU, or float32 on the GPU where the parameters are.
///
/// # Errors
/// libtorch fails.
///
/// # Panics
/// If the lists differ in length.
pub fn adamw_step(
    state: &AdamwState<'_>,
    lr: &Tensor,
    constants: AdamwConstants,
) -> Result<(), tch::TchError> {
    let AdamwState { parameters, averages, squares, steps } = state;
    let n = parameters.len();
    assert!([averages.len(), squares.len(), steps.len()] == [n; 3], "a state per parameter");
    let (parameters, averages) = (pointers(parameters), pointers(averages));
    let (squares, steps) = (pointers(squares), pointers(steps));
    // SAFETY: each list holds `n` pointers to tensors that live until the end of this call, and
    // the shim keeps none. The tensors' shapes are libtorch's to check. A tensor is a counted
    // reference to memory that Rust never borrows, so that changing it through a shared reference
    // breaks no promise to the compiler; `tch` does the same.
    let message = unsafe {
        almt_adamw_step(
            parameters.as_ptr(),
            averages.as_ptr(),
            squares.as_ptr(),
            steps.as_ptr(),
            n,
            lr.as_ptr().cast_mut(),
            constants.beta1,
            constants.beta2,
            constants.weight_decay,
            constants.eps,
        )
    };
    answer(message)
}

/// Drops the gradients of tensors.
pub fn drop_gradients(parameters: &[Tensor]) {
    let pointers = pointers(parameters);
    // SAFETY: as many pointers as are said, to tensors that live until the end of this call.
    unsafe { almt_drop_gradients(pointers.as_ptr(), pointers.len()) }
}

fn pointers(tensors: &[Tensor]) -> Vec<*mut C_tensor> {
    tensors.iter().map(|tensor| tensor.as_ptr().cast_mut()).collect()
}

/// What [`frame_attention`] works on: float32 tensors on the CPU.
#[derive(Debug)]
pub struct FrameAttention<'a> {
    /// `[n_queries, heads, n_tokens]`.
    pub token_scores: &'a Tensor,
    /// What a score has of a frame's place, `[n_queries, heads, n_frames]`.
    pub frame_scores: &'a Tensor,
    /// What a score takes from a frame's features, `[n_queries, heads, feat_dim]`.
    pub feature_queries: &'a Tensor,
    /// What a frame's score and value are multiplied with, `[batch, n_frames]`.
    pub scale: &'a Tensor,
    /// `[batch, n_frames, feat_dim]`; gets no gradient.
    pub frames: &'a Tensor,
    /// `[heads, n_tokens, dim_head]`.
    pub token_values: &'a Tensor,
    /// What a value has of a frame's place, `[heads, n_frames, dim_head]`.
    pub frame_values: &'a Tensor,
}

/// Attention of queries that are the same for all samples, in one pass forward and one backward
/// which keep their intermediate values in the cache. With the weights `p` that softmax makes of
/// `token_scores` and `(frame_scores + feature_queries frames^T) * scale`: the values
/// `p token_values + (p * scale) frame_values`, `[batch, n_queries, heads, dim_head]`, and the
/// features `(p * scale) frames`, `[batch, n_queries, heads, feat_dim]`.
///
/// # Errors
/// libtorch fails, as it does where shapes do not fit.
pub fn frame_attention(input: &FrameAttention<'_>) -> Result<(Tensor, Tensor), tch::TchError> {
    let inputs = [
        input.token_scores,
        input.frame_scores,
        input.feature_queries,
        input.scale,
        input.frames,
        input.token_values,
        input.frame_values,
    ]
    .map(|tensor| tensor.as_ptr().cast_mut());
    let mut outputs = [std::ptr::null_mut(); 2];
    // SAFETY: the shim reads seven pointers, to tensors that live until the end of this call, and
    // copies the references that it keeps. It writes two pointers, or returns a message.
    answer(unsafe { almt_frame_attention(inputs.as_ptr(), outputs.as_mut_ptr()) })?;
    // SAFETY: without a message both are new tensors, each of which belongs to the caller.
    let [values, features] = outputs.map(|output| unsafe { Tensor::from_ptr(output) });
    Ok((values, features))
}

/// Makes operations that have no deterministic form fail, for the whole process.
///
/// # Errors
/// libtorch fails.
pub fn use_deterministic_algorithms() -> Result<(), tch::TchError> {
    // SAFETY: a call without arguments that sets a flag of libtorch.
    answer(unsafe { almt_use_deterministic_algorithms() })
}

/// Lets the allocator keep what is freed, for the whole process: for a program that trains.
pub fn keep_freed_memory() {
    // SAFETY: a call without arguments that sets two parameters of the C library's allocator.
    unsafe { almt_keep_freed_memory() }
}

/// The version of libtorch, such as `2.11.0`.
pub fn libtorch_version() -> String {
    // SAFETY: the shim answers with a constant text that ends in a zero.
    unsafe { CStr::from_ptr(almt_libtorch_version()) }.to_string_lossy().into_owned()
}
