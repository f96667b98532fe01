//! Wall time and peak memory of another program.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::run::show;

/// Time and memory of a run.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    pub seconds: f64,
    /// Largest anonymous resident memory seen, in KiB: the program's own memory, without the pages of
    /// mapped files, which the system reclaims when needed.
    pub peak_kib: u64,
}

/// Runs a command to its end, discarding its standard output.
pub fn measure(command: &mut Command) -> Result<Cost, String> {
    measure_with_output(command).map(|(cost, _)| cost)
}

/// Runs a command to its end and returns its standard output, which must fit into a pipe.
pub fn measure_with_output(command: &mut Command) -> Result<(Cost, String), String> {
    const PAUSE: Duration = Duration::from_millis(2);
    let shown = show(command);
    let start = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut cost = Cost::default();
    loop {
        cost.peak_kib = cost.peak_kib.max(anonymous_kib(&status_file).unwrap_or(0));
        let ended = child.try_wait().map_err(|error| format!("cannot wait: {error}"))?;
        cost.seconds = start.elapsed().as_secs_f64();
        match ended {
            Some(status) if status.success() => {
                let mut output = String::new();
                if let Some(mut stdout) = child.stdout.take() {
                    stdout.read_to_string(&mut output).map_err(|error| error.to_string())?;
                }
                return Ok((cost, output));
            }
            Some(status) => return Err(format!("`{shown}` failed ({status})")),
            None => thread::sleep(PAUSE),
        }
    }
}

fn anonymous_kib(status_file: &str) -> Option<u64> {
    let text = fs::read_to_string(status_file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The median.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
