//! Runs several trainings in parallel, each in its own process: libtorch's thread count and state are
//! per process, so runs within one process would not be bit-identical to separate ones.
//!
//! A worker is the same program, called with the same arguments and `--worker`; it reads its assignment
//! from standard input, as a line of JSON.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::chain::chain;
use crate::cli::Failure;
use crate::trainer::experiments::RunLeft;

/// One run, as assigned to a worker.
#[derive(Serialize, Deserialize)]
pub struct Assignment {
    /// Folder of the model.
    pub model: String,
    /// Random seed of the run.
    pub seed: u64,
    /// The command line that requested it, for the record.
    pub command: Vec<String>,
    /// Process that waits for the worker.
    pub parent: u32,
}

impl Assignment {
    /// The assignment of a run.
    fn new(run: &RunLeft) -> Assignment {
        let command = super::show::command_line();
        Assignment { model: run.model.clone(), seed: run.seed, command, parent: std::process::id() }
    }

    /// Reads this worker's assignment. From now on it ends with the process that waits for it.
    pub fn read() -> Result<Assignment, Failure> {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line).map_err(|error| chain(&error));
        let assignment: Assignment = read
            .and_then(|_| serde_json::from_str(&line).map_err(|error| error.to_string()))
            .map_err(|problem| Failure::new(format!("no run on standard input: {problem}")))?;
        end_with(assignment.parent).map_err(|error| {
            Failure::new(format!("cannot follow its parent: {}", chain(&error)))
        })?;
        Ok(assignment)
    }
}

/// Has this process end with its parent, if that asked for it by naming itself in `ALMT_DATA_PARENT`, as
/// the Python package does.
pub fn follow_parent() -> Result<(), Failure> {
    let Some(parent) = std::env::var_os("ALMT_DATA_PARENT") else { return Ok(()) };
    let parent = parent.to_str().and_then(|parent| parent.parse().ok());
    let parent =
        parent.ok_or_else(|| Failure::new("ALMT_DATA_PARENT is not a process's number"))?;
    end_with(parent)
        .map_err(|error| Failure::new(format!("cannot follow its parent: {}", chain(&error))))
}

/// Makes the system end this process when its parent ends, for whatever reason.
#[cfg(target_os = "linux")]
fn end_with(parent: u32) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before that, making another process the parent.
    match getppid().is_some_and(|now| u32::try_from(now.as_raw_pid()) == Ok(parent)) {
        true => Ok(()),
        false => Err(io::Error::other("it is gone")),
    }
}

/// On other systems a worker completes its run, which is kept.
#[cfg(not(target_os = "linux"))]
fn end_with(_: u32) -> io::Result<()> {
    Ok(())
}

/// Threads per run, so that together they use all processors of this machine.
pub fn n_threads(n_jobs: usize) -> u16 {
    let n_processors = thread::available_parallelism().map_or(1, usize::from);
    u16::try_from((n_processors / n_jobs).max(1)).unwrap_or(u16::MAX)
}

/// Trains runs, at most `n_jobs` in parallel. After a failure no new run starts, but running ones are
/// completed.
pub fn run_all(runs: Vec<RunLeft>, n_jobs: usize) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::new(chain(&error)))?;
    let mut words = std::env::args_os().skip(1);
    // Directly after the command name, where later arguments cannot change its meaning.
    let mut args: Vec<OsString> = words.next().into_iter().collect();
    args.push("--worker".into());
    args.extend(words);
    let n_runs = runs.len();
    let queue = Mutex::new(Queue { left: runs.into_iter(), n_done: 0, failed: None });
    let locked = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    thread::scope(|scope| {
        for _ in 0..n_jobs.min(n_runs) {
            scope.spawn(|| {
                loop {
                    let next = match locked() {
                        queue if queue.failed.is_some() => None,
                        mut queue => queue.left.next(),
                    };
                    let Some(run) = next else { return };
                    let outcome = work(Command::new(&program).args(&args), &Assignment::new(&run));
                    let mut queue = locked();
                    match outcome {
                        Ok(()) => {
                            queue.n_done += 1;
                            errln!("{} ({} of {n_runs})", run.folder.display(), queue.n_done);
                        }
                        Err(problem) => {
                            queue.failed.get_or_insert_with(|| Failure::at(&run.folder, problem));
                        }
                    }
                }
            });
        }
    });
    let queue = queue.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match queue.failed {
        None => Ok(()),
        Some(failure) => Err(failure.hint(format!(
            "{} of {n_runs} runs are complete and kept; repeat the call to continue",
            queue.n_done
        ))),
    }
}

struct Queue {
    left: std::vec::IntoIter<RunLeft>,
    n_done: usize,
    failed: Option<Failure>,
}

/// Lets a worker train one run; the error is its message, or how it ended.
fn work(command: &mut Command, assignment: &Assignment) -> Result<(), String> {
    let cannot = |error: io::Error| format!("cannot start its process: {}", chain(&error));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut worker = command.spawn().map_err(cannot)?;
    let line = serde_json::to_string(assignment).map_err(|error| error.to_string())?;
    if let Some(mut stdin) = worker.stdin.take() {
        // If a worker ended before reading this, its exit status describes the cause better.
        let _ = writeln!(stdin, "{line}");
    }
    let output = worker.wait_with_output().map_err(cannot)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    match said.split_once("error: ") {
        Some((_, cause)) => Err(cause.trim_end().into()),
        None => Err(format!("its process ended early ({})", output.status)),
    }
}
