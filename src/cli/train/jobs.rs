//! Several runs at the same time, each in a process of its own: the number of threads and the state
//! of libtorch are a process's, so that runs within one would not give the bytes that each gives
//! alone.
//!
//! A worker is the same program, called with the same words and `--worker`; it reads which run it is
//! there for from its standard input, as a line of JSON.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::chain::chain;
use crate::cli::Failure;
use crate::trainer::experiments::RunLeft;

/// One run, as a worker is told of it.
#[derive(Serialize, Deserialize)]
pub struct Assignment {
    /// Folder of the model.
    pub model: String,
    /// Seed of the run.
    pub seed: u64,
    /// The call that asked for it, for the record.
    pub command: Vec<String>,
    /// Process that waits for the worker.
    pub parent: u32,
}

impl Assignment {
    /// A run that this process asks for.
    fn new(run: &RunLeft) -> Assignment {
        let command = std::env::args().collect();
        Assignment { model: run.model.clone(), seed: run.seed, command, parent: std::process::id() }
    }

    /// The run that this process is there for. From now on it ends with the process that waits for
    /// it.
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

/// Has the system end this process when its parent ends, however that happens.
#[cfg(target_os = "linux")]
fn end_with(parent: u32) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before that, and another process be the parent now.
    match getppid().is_some_and(|now| u32::try_from(now.as_raw_pid()) == Ok(parent)) {
        true => Ok(()),
        false => Err(io::Error::other("it is gone")),
    }
}

/// Elsewhere a worker does its run to the end, which is kept.
#[cfg(not(target_os = "linux"))]
fn end_with(_: u32) -> io::Result<()> {
    Ok(())
}

/// Threads of each of several runs, so that together they have the processors of this machine.
pub fn n_threads(n_jobs: usize) -> u16 {
    let n_processors = thread::available_parallelism().map_or(1, usize::from);
    u16::try_from((n_processors / n_jobs).max(1)).unwrap_or(u16::MAX)
}

/// Does runs, at most `n_jobs` at the same time. After one that fails no other begins, but those that
/// are under way come to their end.
pub fn run_all(runs: Vec<RunLeft>, n_jobs: usize) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::new(chain(&error)))?;
    let mut words = std::env::args_os().skip(1);
    // Directly after the name of the command, where nothing that follows can change its meaning.
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
                            eprintln!("{} ({} of {n_runs})", run.folder.display(), queue.n_done);
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

/// Has a worker do one run; the error is what it said, or how it ended.
fn work(command: &mut Command, assignment: &Assignment) -> Result<(), String> {
    let cannot = |error: io::Error| format!("cannot start its process: {}", chain(&error));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut worker = command.spawn().map_err(cannot)?;
    let line = serde_json::to_string(assignment).map_err(|error| error.to_string())?;
    if let Some(mut stdin) = worker.stdin.take() {
        // A worker that ended before it read this says more of the cause by how it ended.
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
