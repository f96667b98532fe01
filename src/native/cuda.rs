//! Loads libtorch's CUDA part only if a GPU is requested, so that one program serves machines with and
//! without one; and GPU functions that `tch` lacks.

use std::error::Error;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};
use tch::TchError;

use super::answer;

/// `cuda.cpp` as a library; empty if CUDA's headers were absent at build time.
const SHIM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libalmt_cuda.so"));

/// Functions of [`SHIM`].
struct Shim {
    own_stream: unsafe extern "C" fn(c_int) -> *mut c_char,
    begin: unsafe extern "C" fn(*mut *mut c_void) -> *mut c_char,
    end: unsafe extern "C" fn(*mut c_void) -> *mut c_char,
    replay: unsafe extern "C" fn(*mut c_void) -> *mut c_char,
    drop: unsafe extern "C" fn(*mut c_void),
    count: unsafe extern "C" fn(*mut c_int) -> *mut c_char,
    describe: unsafe extern "C" fn(c_int, *mut c_char, usize, *mut usize) -> *mut c_char,
}

static LOADED: OnceLock<Shim> = OnceLock::new();

/// Why a library could not be loaded, in the system loader's words, which name what is missing.
#[derive(Debug)]
pub enum LoadError {
    /// Loading the library failed.
    Library(String),
    /// The library was loaded but does not satisfy the shim.
    Shim(String),
}

/// Loads `libtorch_cuda.so` with its dependencies into this process, permanently, and then the shim.
///
/// # Errors
/// The library, or the shim over it, cannot be loaded.
pub fn load(library: &Path) -> Result<(), LoadError> {
    if LOADED.get().is_some() {
        return Ok(());
    }
    // SAFETY: the library's initialisers register its kernels with libtorch, which is what they are
    // for; whoever asks for a library runs its code. It stays loaded until the process ends.
    let cuda = unsafe { Library::open(Some(library), RTLD_NOW | RTLD_GLOBAL) };
    std::mem::forget(cuda.map_err(|error| LoadError::Library(cause(&error)))?);
    if SHIM.is_empty() {
        return Ok(());
    }
    let shim = shim().map_err(|error| LoadError::Shim(cause(&*error)))?;
    let _ = LOADED.set(shim);
    Ok(())
}

/// The innermost cause of an error.
fn cause(error: &(dyn Error + 'static)) -> String {
    match error.source() {
        Some(source) => cause(source),
        None => error.to_string(),
    }
}

fn shim() -> Result<Shim, Box<dyn Error>> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(SHIM)?;
    // SAFETY: our own library, without initialisers of its own. It stays loaded until the process ends,
    // though its file goes.
    let library = unsafe { Library::open(Some(file.path()), RTLD_NOW | RTLD_LOCAL) }?;
    // SAFETY: the types are those of `cuda.cpp`, which was compiled with this.
    let shim = unsafe {
        Shim {
            own_stream: *library.get(b"almt_cuda_own_stream\0")?,
            begin: *library.get(b"almt_cuda_begin\0")?,
            end: *library.get(b"almt_cuda_end\0")?,
            replay: *library.get(b"almt_cuda_replay\0")?,
            drop: *library.get(b"almt_cuda_drop\0")?,
            count: *library.get(b"almt_cuda_count\0")?,
            describe: *library.get(b"almt_cuda_describe\0")?,
        }
    };
    std::mem::forget(library);
    Ok(shim)
}

fn loaded() -> Result<&'static Shim, TchError> {
    LOADED.get().ok_or_else(|| TchError::Torch("this build knows no CUDA".into()))
}

/// Number of GPUs.
///
/// # Errors
/// There is none; with the reason.
pub fn count() -> Result<usize, TchError> {
    let Ok(shim) = loaded() else {
        return match tch::Cuda::device_count() {
            n if n > 0 => Ok(n as usize),
            _ => Err(TchError::Torch("libtorch finds no GPU".into())),
        };
    };
    let mut count = 0;
    // SAFETY: writes one number, or returns a message.
    answer(unsafe { (shim.count)(&mut count) })?;
    Ok(count.max(0) as usize)
}

/// The name of a GPU and the bytes of its memory.
///
/// # Errors
/// CUDA fails, or this build has no shim.
pub fn describe(index: usize) -> Result<(String, usize), TchError> {
    let shim = loaded()?;
    let (mut name, mut memory) = ([0; 256], 0);
    // SAFETY: writes at most as many bytes as there are, the last of which is zero, and one number.
    answer(unsafe { (shim.describe)(index as c_int, name.as_mut_ptr(), name.len(), &mut memory) })?;
    // SAFETY: it ends in a zero, as above.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
    Ok((name, memory))
}

/// Moves this thread's GPU work to its own stream from now on: work on the default stream cannot be
/// recorded.
///
/// # Errors
/// CUDA fails, or this build has no shim.
pub fn use_own_stream(index: usize) -> Result<(), TchError> {
    // SAFETY: sets this thread's stream.
    answer(unsafe { (loaded()?.own_stream)(index as c_int) })
}

/// Recorded GPU work that can be replayed as a whole (a CUDA graph). It reads and writes the same
/// memory as during recording.
#[derive(Debug)]
pub struct Graph {
    graph: *mut c_void,
}

impl Graph {
    /// Records the GPU work of `work` without running it. [`replay`](Graph::replay) then computes the
    /// values of what `work` returns.
    ///
    /// # Errors
    /// `work` fails, or does something that cannot be recorded.
    pub fn record<T, E: From<TchError>>(
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Graph, T), E> {
        let shim = loaded()?;
        let mut graph = Graph { graph: std::ptr::null_mut() };
        // SAFETY: writes the pointer to a new graph, or returns a message.
        answer(unsafe { (shim.begin)(&mut graph.graph) })?;
        let outcome = crate::caught::caught(work);
        // SAFETY: a graph that was begun, and ends whatever became of the work.
        let ended = answer(unsafe { (shim.end)(graph.graph) });
        let output = outcome??;
        ended?;
        Ok((graph, output))
    }

    /// Replays the recorded work.
    ///
    /// # Errors
    /// CUDA fails.
    pub fn replay(&self) -> Result<(), TchError> {
        // SAFETY: a graph that was recorded to its end.
        answer(unsafe { (loaded()?.replay)(self.graph) })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if let (Ok(shim), false) = (loaded(), self.graph.is_null()) {
            // SAFETY: made by the shim, and dropped once.
            unsafe { (shim.drop)(self.graph) }
        }
    }
}
