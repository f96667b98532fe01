//! Files that are shortened while arrays lie in them.
//!
//! The kernel signals SIGBUS at an access beyond the new end of a mapped file, which ends a process. Within
//! the maps of this module the handler puts zeros there and behind it instead, and makes Python raise
//! `FileChangedError` at its next instruction; every other SIGBUS goes to the handler that was there
//! before.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::ffi::PyErr_SetInterruptEx;
use pyo3::prelude::*;

use crate::errors::FileChangedError;

/// Maps at a time. A handler cannot take a lock, so their places are in a table of fixed size; a file
/// beyond it is read into memory.
const MOST_MAPS: usize = 4096;

struct Range {
    /// 0 in an unused place.
    start: AtomicUsize,
    end: AtomicUsize,
    /// From here on there are zeros in place of the file; `end` as long as it is whole.
    cut: AtomicUsize,
}

static RANGES: [Range; MOST_MAPS] = [const {
    Range { start: AtomicUsize::new(0), end: AtomicUsize::new(0), cut: AtomicUsize::new(0) }
}; MOST_MAPS];

/// How often the end of a shortened file was met.
static N_CUTS: AtomicUsize = AtomicUsize::new(0);

/// Places that were ever used; the handler looks at no others.
static N_USED: AtomicUsize = AtomicUsize::new(0);

/// Serialises changes of the table and of the handler.
static CHANGES: Mutex<()> = Mutex::new(());

static mut PREVIOUS: MaybeUninit<libc::sigaction> = MaybeUninit::uninit();

/// Set if Python has no handler that could raise, because the first map was made outside the main thread.
static IS_MUTE: AtomicBool = AtomicBool::new(true);

/// A guarded range of addresses.
pub struct Guard(usize);

impl Guard {
    /// Guards a range; `None` if there are too many.
    pub fn new(start: *const u8, len: usize) -> Option<Guard> {
        let _changing = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        let idx = RANGES.iter().position(|range| range.start.load(Ordering::Relaxed) == 0)?;
        let range = &RANGES[idx];
        range.cut.store(start as usize + len, Ordering::Relaxed);
        range.end.store(start as usize + len, Ordering::Relaxed);
        range.start.store(start as usize, Ordering::Release);
        N_USED.fetch_max(idx + 1, Ordering::Release);
        Some(Guard(idx))
    }
}

/// How often the end of a shortened file was met so far. What was read meanwhile may be zeros.
pub fn n_cuts() -> usize {
    N_CUTS.load(Ordering::Relaxed)
}

/// Guards the maps of the library, too.
pub fn watch_maps() {
    // Beyond the table's size, a map has no guard.
    almt_data::map::watch(|map| Box::new(Guard::new(map.as_ptr(), map.len())));
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _changing = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        RANGES[self.0].start.store(0, Ordering::Release);
    }
}

/// Python's part of the handler, which Python calls between two of its instructions.
#[pyfunction]
fn raise_changed(_signal: i32, _frame: &Bound<'_, PyAny>) -> PyResult<()> {
    Err(changed())
}

/// The exception for a shortened file.
pub fn changed() -> PyErr {
    FileChangedError::new_err("a file was shortened while arrays lay in it: what they read is lost")
}

/// Installs the handler, unless it is there.
pub fn install(py: Python<'_>) -> PyResult<()> {
    let mut found = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action, `sigaction` only fills in the current one.
    let found = unsafe {
        libc::sigaction(libc::SIGBUS, ptr::null(), found.as_mut_ptr());
        found.assume_init()
    };
    let is_ours = found.sa_sigaction == handle as *const () as usize;
    if is_ours && !IS_MUTE.load(Ordering::Relaxed) {
        return Ok(());
    }
    // Only the main thread may set Python's handler. It replaces ours, which is set again below.
    let signal = py.import("signal")?;
    let raise = wrap_pyfunction!(raise_changed, py)?;
    if signal.call_method1("signal", (libc::SIGBUS, raise)).is_ok() {
        IS_MUTE.store(false, Ordering::Relaxed);
    }
    let _changing = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the action is filled in completely. `handle` is a handler with three arguments, as
    // SA_SIGINFO asks for, and calls only what a handler may call. PREVIOUS is written before the handler
    // that reads it is installed, or holds what it would be written again.
    unsafe {
        if !is_ours {
            (&raw mut PREVIOUS).write(MaybeUninit::new(found));
        }
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(libc::SIGBUS, &action, ptr::null_mut());
    }
    Ok(())
}

/// Handles SIGBUS.
extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid `info`, whose address is set for SIGBUS.
    let address = unsafe { (*info).si_addr() } as usize;
    let n_used = N_USED.load(Ordering::Acquire);
    let range = RANGES[..n_used].iter().find(|range| {
        let start = range.start.load(Ordering::Acquire);
        start != 0 && (start..range.end.load(Ordering::Relaxed)).contains(&address)
    });
    match range {
        Some(range) if cut(range, address) => {
            N_CUTS.fetch_add(1, Ordering::Relaxed);
            if IS_MUTE.load(Ordering::Relaxed) {
                const TEXT: &[u8] =
                    b"almt_data: a file was shortened while arrays lay in it: they read zeros\n";
                // SAFETY: the buffer is valid for its length; `write` may be called by a handler.
                unsafe { libc::write(2, TEXT.as_ptr().cast(), TEXT.len()) };
            } else {
                // SAFETY: this function is documented as safe in a handler and without the lock.
                unsafe { PyErr_SetInterruptEx(signal) };
            }
        }
        _ => pass_on(signal, info, context),
    }
}

/// Replaces the pages of a range by zeros, from that of an address on. All in one map: the system allows a
/// process only some 65,000.
fn cut(range: &Range, address: usize) -> bool {
    // SAFETY: `sysconf` and `mmap` are system calls that touch no state of this process but the pages,
    // which belong to a map of ours that is alive: a thread just accessed it. What was put behind `end`
    // before stays. `errno` is restored.
    unsafe {
        let errno = *libc::__errno_location();
        let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        let at = address & !(page - 1);
        let end = range.cut.fetch_min(at, Ordering::AcqRel);
        if at >= end {
            // Another thread is about to replace this page.
            return true;
        }
        let len = end.next_multiple_of(page) - at;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
        let mapped = libc::mmap(at as *mut c_void, len, protection, flags, -1, 0);
        *libc::__errno_location() = errno;
        mapped as usize == at
    }
}

/// Calls the handler that was there before, or restores the default, which ends the process when the
/// instruction is run again.
fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: PREVIOUS was written before this handler was installed. The kernel called this handler with
    // the arguments that the previous one expects.
    unsafe {
        let previous = (&raw const PREVIOUS).read().assume_init();
        match previous.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {
                libc::sigaction(signal, &previous, ptr::null_mut());
            }
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: extern "C" fn(c_int) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}
