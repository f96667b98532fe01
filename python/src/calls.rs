//! The program's commands, in this process.

use std::any::Any;
use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use almt_data::cli::{self, Failure, Trainer};
use almt_data::progress::{Progress, Stage};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::errors::{Error, as_keywords};
use crate::fault;

/// Time between two questions whether the user pressed Ctrl-C.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs the program on arguments, without its own name; returns its exit code.
#[pyfunction]
pub fn main(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    let name = OsString::from("almt-data");
    let code = py
        .detach(|| cli::run(std::iter::once(name).chain(arguments), Trainer::new(train_elsewhere)));
    // `ExitCode` does not show its number; the program has these three.
    let known = [0_u8, 1, 2];
    Ok(known.into_iter().find(|known| ExitCode::from(*known) == code).unwrap_or(1))
}

/// Continues as the program of the package `almt-data-train`.
fn train_elsewhere(arguments: &[OsString]) -> Result<ExitCode, Failure> {
    let outcome = Python::attach(|py| {
        let arguments = PyList::new(py, arguments)?;
        py.import("almt_data._trainer")?.call_method1("run", (arguments,)).map(|_| ())
    });
    outcome
        .map(|()| ExitCode::SUCCESS)
        .map_err(|error| Failure::new(Python::attach(|py| error.value(py).to_string())))
}

/// Runs a data command and returns its report as JSON. `progress` gets the stage, and the bytes done
/// and in total.
#[pyfunction]
pub fn call(
    py: Python<'_>,
    arguments: Vec<OsString>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<String> {
    fault::install(py)?;
    let n_cuts = fault::n_cuts();
    let outcome = observed(py, progress.as_ref(), |observer| cli::call(arguments, observer))?;
    if fault::n_cuts() != n_cuts {
        return Err(fault::changed());
    }
    outcome.map(|report| report.to_string()).map_err(|failure| of_failure(&failure))
}

/// Does work in another thread, tells its progress, and cancels it when the user presses Ctrl-C: at the next
/// step that it reports.
pub fn observed<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Observer) -> T + Send,
) -> PyResult<T> {
    let observer = Observer::default();
    thread::scope(|scope| {
        let work = scope.spawn(|| {
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| work(&observer)));
            observer.end();
            outcome
        });
        let mut interrupted = None;
        loop {
            let is_over = py.detach(|| observer.wait());
            if is_over {
                break;
            }
            if interrupted.is_none()
                && let Err(error) = observer.tell(py, progress)
            {
                observer.is_cancelled.store(true, Ordering::Relaxed);
                interrupted = Some(error);
            }
        }
        match (work.join(), interrupted) {
            (_, Some(error)) => Err(error),
            (Ok(Ok(outcome)), None) => {
                // The last state, so that a bar is full.
                observer.tell(py, progress)?;
                Ok(outcome)
            }
            (Ok(Err(payload)) | Err(payload), None) => panic::resume_unwind(payload),
        }
    })
}

/// The exception for a failed command.
pub fn of_failure(failure: &Failure) -> PyErr {
    let hints: Vec<String> = failure.hints().iter().map(|hint| as_keywords(hint)).collect();
    Error::new_err((failure.message(), hints, failure.code()))
}

/// What a call that was cancelled unwinds with, so that everything that it had begun is cleared away.
struct Cancelled;

/// The state of a call, which works in another thread.
#[derive(Default)]
pub struct Observer {
    stage: Mutex<Option<(&'static str, u64)>>,
    n_done: AtomicU64,
    is_over: Mutex<bool>,
    ended: Condvar,
    is_cancelled: AtomicBool,
}

impl Observer {
    /// Waits a moment; returns whether the call is over.
    fn wait(&self) -> bool {
        let is_over = lock(&self.is_over);
        let waited = self.ended.wait_timeout_while(is_over, PAUSE, |is_over| !*is_over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn end(&self) {
        *lock(&self.is_over) = true;
        self.ended.notify_all();
    }

    /// Tells the progress, and asks whether the user pressed Ctrl-C.
    fn tell(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        py.check_signals()?;
        let stage = *lock(&self.stage);
        if let (Some(progress), Some((name, total))) = (progress, stage) {
            progress.call1((name, self.n_done.load(Ordering::Relaxed).min(total), total))?;
        }
        Ok(())
    }
}

impl Progress for Observer {
    fn begin(&self, stage: Stage, total: u64) {
        self.n_done.store(0, Ordering::Relaxed);
        *lock(&self.stage) = Some((stage.name(), total));
    }

    fn advance(&self, n_bytes: u64) {
        self.n_done.fetch_add(n_bytes, Ordering::Relaxed);
        if self.is_cancelled.load(Ordering::Relaxed) {
            let payload: Box<dyn Any + Send> = Box::new(Cancelled);
            panic::resume_unwind(payload);
        }
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
