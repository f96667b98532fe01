//! libtorch functions that `tch` lacks, called through the neighbouring C++ files.
//!
//! Foreign calls are `unsafe`; each gives its reason. Except for the graphs of [`cuda`], nothing here
//! keeps a pointer beyond the call.

#![allow(unsafe_code)]

pub mod cuda;
pub mod modes;

use std::ffi::{CStr, c_char, c_int};

use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn almt_free_message(message: *mut c_char);
    fn almt_adam_step(
        parameters: *const *mut C_tensor,
        averages: *const *mut C_tensor,
        squares: *const *mut C_tensor,
        largest: *const *mut C_tensor,
        steps: *const *mut C_tensor,
        n: usize,
        lr: *mut C_tensor,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        eps: f64,
        decoupled: bool,
    ) -> *mut c_char;
    fn almt_drop_gradients(parameters: *const *mut C_tensor, n: usize);
    fn almt_frame_attention(
        inputs: *const *mut C_tensor,
        eps: f64,
        outputs: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn almt_token_attention(
        q: *const C_tensor,
        k: *const C_tensor,
        v: *const C_tensor,
        heads: i64,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn almt_grouped_linear(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn almt_gather_rows(
        x: *const C_tensor,
        queries: *const C_tensor,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn almt_mask(
        like: *const C_tensor,
        key: u64,
        n_dropped: u32,
        kept: f32,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn almt_seed_gpu(device: c_int, seed: u64) -> *mut c_char;
    #[cfg(test)]
    fn almt_use_portable_loops(portable: bool);
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
    // The other lines give the location in libtorch.
    Err(tch::TchError::Torch(text.lines().next().unwrap_or_default().to_owned()))
}

/// The result of some work of this thread with the loops for any processor.
#[cfg(test)]
pub(crate) fn with_portable_loops<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: sets a flag of this thread.
    unsafe { almt_use_portable_loops(true) };
    let done = work();
    // SAFETY: as above.
    unsafe { almt_use_portable_loops(false) };
    done
}

/// Parameters with Adam's state, all lists of the same length.
pub struct AdamState<'a> {
    /// Updated if they have a gradient.
    pub parameters: &'a [Tensor],
    /// First moments, of the parameters' shapes.
    pub averages: &'a [Tensor],
    /// Second moments, of the parameters' shapes.
    pub squares: &'a [Tensor],
    /// The largest second moments so far, of the parameters' shapes, with AMSGrad.
    pub largest: Option<&'a [Tensor]>,
    /// Steps done, float32 scalars.
    pub steps: &'a [Tensor],
}

/// Constants of Adam.
#[derive(Debug, Clone, Copy)]
pub struct AdamConstants {
    /// Decay of the first and of the second moment.
    pub betas: [f64; 2],
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether the decay is separate from the moments, as in AdamW.
    pub is_decoupled: bool,
    /// Added to the root of the second moment.
    pub eps: f64,
}

/// One step of Adam by ATen's fused kernel, which then clears all gradients. `lr` is a scalar: float64
/// on the CPU, or float32 on the GPU of the parameters.
///
/// # Errors
/// libtorch fails.
///
/// # Panics
/// If the lists differ in length.
pub fn adam_step(
    state: &AdamState<'_>,
    lr: &Tensor,
    constants: AdamConstants,
) -> Result<(), tch::TchError> {
    let AdamState { parameters, averages, squares, largest, steps } = state;
    let n = parameters.len();
    let n_largest = largest.map_or(n, <[Tensor]>::len);
    assert!(
        [averages.len(), squares.len(), n_largest, steps.len()] == [n; 4],
        "a state per parameter"
    );
    let (parameters, averages) = (pointers(parameters), pointers(averages));
    let (squares, largest, steps) = (pointers(squares), largest.map(pointers), pointers(steps));
    let AdamConstants { betas: [beta1, beta2], weight_decay, is_decoupled, eps } = constants;
    // SAFETY: each list holds `n` pointers to tensors that live until the end of this call, or is null,
    // and the shim keeps none. The tensors' shapes are libtorch's to check. A tensor is a counted
    // reference to memory that Rust never borrows, so that changing it through a shared reference
    // breaks no promise to the compiler; `tch` does the same.
    let message = unsafe {
        almt_adam_step(
            parameters.as_ptr(),
            averages.as_ptr(),
            squares.as_ptr(),
            largest.as_ref().map_or(std::ptr::null(), Vec::as_ptr),
            steps.as_ptr(),
            n,
            lr.as_ptr().cast_mut(),
            beta1,
            beta2,
            weight_decay,
            eps,
            is_decoupled,
        )
    };
    answer(message)
}

/// Clears the gradients of tensors.
pub fn drop_gradients(parameters: &[Tensor]) {
    let pointers = pointers(parameters);
    // SAFETY: as many pointers as are said, to tensors that live until the end of this call.
    unsafe { almt_drop_gradients(pointers.as_ptr(), pointers.len()) }
}

fn pointers(tensors: &[Tensor]) -> Vec<*mut C_tensor> {
    tensors.iter().map(|tensor| tensor.as_ptr().cast_mut()).collect()
}

/// Input of [`frame_attention`]: float32 tensors on the CPU.
#[derive(Debug)]
pub struct FrameAttention<'a> {
    /// A score's term from a token or a frame's position, `[n_queries, heads, n_tokens + n_frames]`.
    pub scores: &'a Tensor,
    /// A score's term from a frame's features, `[n_queries, heads, feat_dim]`.
    pub feature_queries: &'a Tensor,
    /// Term of a frame's variance, `[feat_dim, feat_dim]`.
    pub gram: &'a Tensor,
    /// Term of a frame's variance, `[n_frames, feat_dim]`.
    pub cross: &'a Tensor,
    /// Term of a frame's variance, `[n_frames]`.
    pub rest: &'a Tensor,
    /// Added to a variance.
    pub eps: f64,
    /// `[batch, n_frames, feat_dim]`; gets no gradient.
    pub frames: &'a Tensor,
    /// The values of tokens, and a value's term from a frame's position, `[heads, n_tokens + n_frames,
    /// dim_head]`.
    pub values: &'a Tensor,
}

/// Attention of sample-independent queries, in one forward and one backward pass that keep their
/// intermediate values in the cache.
///
/// A frame `f` has the scale `1 / sqrt(max(f (gram f + cross) + rest, 0) + eps)`, a token 1. With
/// the weights `p` that softmax makes of `scores * scale`, where a frame adds `feature_queries f` to
/// its score, the results are the values `(p * scale) values`, `[batch, heads, n_queries, dim_head]`,
/// and the features `(p * scale) frames`, `[batch, heads, n_queries, feat_dim]`.
///
/// # Errors
/// libtorch fails, also if shapes do not fit.
pub fn frame_attention(input: &FrameAttention<'_>) -> Result<(Tensor, Tensor), tch::TchError> {
    let inputs = [
        input.scores,
        input.feature_queries,
        input.gram,
        input.cross,
        input.rest,
        input.frames,
        input.values,
    ]
    .map(|tensor| tensor.as_ptr().cast_mut());
    let mut outputs = [std::ptr::null_mut(); 2];
    // SAFETY: the shim reads seven pointers, to tensors that live until the end of this call, and
    // copies the references that it keeps. It writes two pointers, or returns a message.
    answer(unsafe { almt_frame_attention(inputs.as_ptr(), input.eps, outputs.as_mut_ptr()) })?;
    // SAFETY: without a message both are new tensors, each of which belongs to the caller.
    let [values, features] = outputs.map(|output| unsafe { Tensor::from_ptr(output) });
    Ok((values, features))
}

/// `softmax(q k^T / sqrt(dim_head)) v` of every head, of float32 tensors on the CPU, for few tokens: q
/// `[batch, n_queries, heads * dim_head]`, k and v `[batch, n_keys, heads * dim_head]` to the shape of q.
/// `dim_head` is a multiple of 8.
///
/// # Errors
/// libtorch fails, also if shapes do not fit.
pub fn token_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: i64,
) -> Result<Tensor, tch::TchError> {
    new_tensor(|output| {
        // SAFETY: the shim reads three pointers, to tensors that live until the end of this call, and
        // copies the references that it keeps. It writes one pointer, or returns a message.
        unsafe { almt_token_attention(q.as_ptr(), k.as_ptr(), v.as_ptr(), heads, output) }
    })
}

/// `x W^T + b` of several groups, of one type on any device: x `[groups, n_rows, n_in]`, W `[groups,
/// n_out, n_in]`, b `[groups, n_out]` to `[groups, n_rows, n_out]`.
///
/// # Errors
/// libtorch fails, also if shapes do not fit.
pub fn grouped_linear(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor, tch::TchError> {
    let bias = bias.map_or(std::ptr::null(), Tensor::as_ptr);
    new_tensor(|output| {
        // SAFETY: the shim reads two pointers, and a third where it is not null, to tensors that live
        // until the end of this call, and copies the references that it keeps. It writes one pointer,
        // or returns a message.
        unsafe { almt_grouped_linear(x.as_ptr(), weight.as_ptr(), bias, output) }
    })
}

/// Values that queries gather from each sample's rows, which are both keys and values: `P^T x` with `P
/// = softmax(x Q^T)` over the rows, of one type on any device: x `[groups, batch, n_rows, dim]`, Q
/// `[groups, n_queries, dim]` to `[groups, batch, n_queries, dim]`.
///
/// # Errors
/// libtorch fails, also if shapes do not fit.
pub fn gather_rows(x: &Tensor, queries: &Tensor) -> Result<Tensor, tch::TchError> {
    new_tensor(|output| {
        // SAFETY: the shim reads two pointers, to tensors that live until the end of this call, and
        // copies the references that it keeps. It writes one pointer, or returns a message.
        unsafe { almt_gather_rows(x.as_ptr(), queries.as_ptr(), output) }
    })
}

/// A float32 mask of the shape of `like`, on the CPU: 0 where 16 bits of the counter-based generator
/// Philox4x32-10 with this key are below `n_dropped`, else `kept`. It does not depend on the number of
/// threads.
///
/// # Errors
/// libtorch fails.
pub fn mask(like: &Tensor, key: u64, n_dropped: u32, kept: f32) -> Result<Tensor, tch::TchError> {
    new_tensor(|output| {
        // SAFETY: the shim reads the shape of a tensor that lives until the end of this call. It writes
        // one pointer, or returns a message.
        unsafe { almt_mask(like.as_ptr(), key, n_dropped, kept, output) }
    })
}

/// Sets the random seed of a GPU's generator, which recorded work also draws from.
///
/// # Errors
/// The GPU does not exist, or something is being recorded.
pub fn seed_gpu(index: usize, seed: u64) -> Result<(), tch::TchError> {
    // SAFETY: sets the state of a generator of libtorch.
    answer(unsafe { almt_seed_gpu(index as c_int, seed) })
}

/// The tensor whose pointer a call of the shim writes, unless it returns a message; the caller owns it.
fn new_tensor(
    call: impl FnOnce(*mut *mut C_tensor) -> *mut c_char,
) -> Result<Tensor, tch::TchError> {
    let mut output = std::ptr::null_mut();
    answer(call(&raw mut output))?;
    // SAFETY: without a message it is a new tensor, which belongs to the caller.
    Ok(unsafe { Tensor::from_ptr(output) })
}

/// Makes operations without a deterministic form fail, in the whole process.
///
/// # Errors
/// libtorch fails.
pub fn use_deterministic_algorithms() -> Result<(), tch::TchError> {
    // SAFETY: a call without arguments that sets a flag of libtorch.
    answer(unsafe { almt_use_deterministic_algorithms() })
}

/// Lets the allocator keep freed memory, in the whole process: for a program that trains.
pub fn keep_freed_memory() {
    // SAFETY: a call without arguments that sets two parameters of the C library's allocator.
    unsafe { almt_keep_freed_memory() }
}

/// The version of libtorch, such as `2.11.0`.
pub fn libtorch_version() -> String {
    // SAFETY: the shim answers with a constant text that ends in a zero.
    unsafe { CStr::from_ptr(almt_libtorch_version()) }.to_string_lossy().into_owned()
}
