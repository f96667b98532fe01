//! A run's output: a bar or log lines during training, tables at the end.

use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::chain::chain;
use crate::corpus::Modality;
use crate::run::metrics::MAE;
use crate::run::recipe::Phase;
use crate::run::record::{EpochRecord, RunResult};
use crate::run::seeds::Spread;
use crate::run::settings::TrainSettings;
use crate::train::TrainError;
use crate::train::progress::TrainProgress;
use crate::trainer::Note;

/// The command line for the record: that of `almt-data`, which passes it on to this executable.
pub fn command_line() -> Vec<String> {
    let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once("almt-data".into()).chain(args).collect()
}

pub fn print_result(out: &Path, settings: &TrainSettings, result: &RunResult) {
    let selected = &result.selected;
    outln!("{}", out.display());
    outln!(
        "  {} parameters, {:.1} s, epoch {} has the {}",
        result.n_parameters,
        result.seconds,
        selected.epoch,
        selected.by
    );
    outln!("  {:<18} {:>8} {:>8} {:>18}", "", "valid", "test", "best test (epoch)");
    for (name, valid) in selected.valid.iter() {
        let test = selected.test.as_ref().map_or(f64::NAN, |metrics| metrics.get(name));
        let best = result
            .best_on_test_per_metric
            .get(name)
            .map_or(String::new(), |best| format!("{:.4} ({})", best.value, best.epoch));
        outln!("  {name:<18} {valid:>8.4} {test:>8.4} {best:>18}");
    }
    outln!(
        "  «best test» is the released protocol: each figure is chosen on the test split itself"
    );
    print_doubts(settings, result);
}

/// Reports a selected epoch that trained nothing, and the splits on which a run's predictions are nearly
/// constant.
pub fn print_doubts(settings: &TrainSettings, result: &RunResult) {
    if settings.is_idle(result.selected.epoch) {
        outln!(
            "  warning: seed {}: the selected epoch has a learning rate of 0, so its weights are the initial \
             ones: train for more epochs, or with `--schedule constant`",
            result.seed
        );
    }
    for (split, problem) in &result.degenerate {
        outln!("  warning: seed {}, {split}: {problem}", result.seed);
    }
}

pub fn print_spread(out: &Path, spread: &[Spread], n_runs: usize) {
    outln!("{}  {n_runs} runs, test split, epoch chosen on the validation split", out.display());
    outln!("  {:<18} {:>17} {:>8} {:>8} {:>8}", "", "mean ± std", "min", "max", "paper");
    for row in spread {
        let paper = row.paper.map_or(String::new(), |value| format!("{value:.4}"));
        let both = format!("{:.4} ± {:.4}", row.mean, row.std);
        outln!("  {:<18} {both:>17} {:>8.4} {:>8.4} {paper:>8}", row.metric, row.min, row.max);
    }
}

/// Prints a note on standard error.
pub fn say(note: Note) {
    let kind = if note.is_warning() { "warning" } else { "note" };
    errln!("{kind}: {note}");
}

/// A duration in a suitable unit.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// Interval of log lines if standard error is not a terminal but a job's log.
const LOG_EVERY: Duration = Duration::from_secs(30);

/// Interval at which the losses next to the bar change. Reading them waits for the device.
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// One bar per run, on standard error, until dropped; without a terminal, lines instead.
#[derive(Default)]
pub struct Bar {
    bar: Option<ProgressBar>,
    steps_per_epoch: usize,
    n_epochs: usize,
    /// Time of the first completed step, and its index within the run.
    first: Option<(Instant, usize)>,
    shown: Option<Instant>,
    valid_mae: Option<f64>,
}

impl Bar {
    /// Remaining seconds, at the pace since the first step.
    fn seconds_left(&self, n_done: usize) -> Option<f64> {
        let (at, first) = self.first?;
        let n_since = n_done.checked_sub(first).filter(|n_since| *n_since > 0)?;
        let n_left = (self.n_epochs * self.steps_per_epoch).saturating_sub(n_done);
        Some(at.elapsed().as_secs_f64() / n_since as f64 * n_left as f64)
    }

    /// Writes a line above the bar.
    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| errln!("{line}")),
            None => errln!("{line}"),
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl TrainProgress for Bar {
    fn begin(&mut self, settings: &TrainSettings, n_samples: usize) {
        let TrainSettings { device, n_threads, seed, form, .. } = settings;
        let form = form.map_or(String::new(), |form| format!(", {form} form"));
        let threads = if *n_threads == 1 { "thread" } else { "threads" };
        let names: Vec<&str> = settings.modalities.iter().map(|modality| modality.name()).collect();
        let on = match settings.modalities.len() == Modality::ALL.len() {
            true => String::new(),
            false => format!(" on {}", names.join(" and ")),
        };
        let model = settings.model();
        self.line(&format!("{model}{on}, seed {seed}: {device}, {n_threads} {threads}{form}"));
        let training = &settings.hyper_parameters.training;
        let batch_size = training.batch_size.max(1);
        let phases = settings.hyper_parameters.phases.iter();
        let n_steps = |phase: &Phase| phase.n_samples(n_samples, batch_size).div_ceil(batch_size);
        self.steps_per_epoch = phases.map(n_steps).sum();
        let bar = ProgressBar::new((self.steps_per_epoch * training.epochs) as u64);
        // Our constant template is valid; indicatif's default style would do as well.
        if let Ok(style) = ProgressStyle::with_template("{msg} [{wide_bar}] {percent}% {eta}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_secs(1));
        if let Some(before) = self.bar.replace(bar) {
            before.finish_and_clear();
        }
        self.n_epochs = training.epochs;
        (self.first, self.shown, self.valid_mae) = (None, None, None);
    }

    fn step(&mut self, epoch: usize, step: usize, losses: &dyn Fn() -> (f64, f64)) {
        let Some(bar) = &self.bar else { return };
        let n_done = (epoch - 1) * self.steps_per_epoch + step;
        bar.set_position(n_done as u64);
        let is_log = bar.is_hidden();
        let (first, _) = *self.first.get_or_insert((Instant::now(), n_done));
        let is_due = match (self.shown, is_log) {
            (Some(at), false) => at.elapsed() > SHOW_EVERY,
            (None, false) => true,
            (at, true) => at.unwrap_or(first).elapsed() > LOG_EVERY,
        };
        if !is_due {
            return;
        }
        self.shown = Some(Instant::now());
        let (loss, mae) = losses();
        if is_log {
            errln!(
                "{}",
                log_line(
                    epoch,
                    self.n_epochs,
                    (loss, mae),
                    self.valid_mae,
                    self.seconds_left(n_done)
                )
            );
        } else {
            let valid = self.valid_mae.map_or(String::new(), |mae| format!(", valid {mae:.3}"));
            bar.set_message(format!("epoch {epoch} loss {loss:.3} MAE {mae:.3}{valid}"));
        }
    }

    fn epoch(&mut self, record: &EpochRecord) {
        self.valid_mae = Some(record.valid.get(&MAE.id));
    }

    fn piecewise(&mut self, cause: &TrainError) {
        self.line(&format!("warning: CUDA graphs are disabled: {}", chain(cause)));
    }
}

/// A line of a job's log.
fn log_line(
    epoch: usize,
    n_epochs: usize,
    (loss, mae): (f64, f64),
    valid_mae: Option<f64>,
    seconds_left: Option<f64>,
) -> String {
    let valid = valid_mae.map_or(String::new(), |mae| format!(", validation MAE {mae:.3}"));
    let left = seconds_left.map_or(String::new(), |left| format!(", {} left", duration(left)));
    format!("epoch {epoch} of {n_epochs}: loss {loss:.3}, MAE {mae:.3}{valid}{left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_where_a_run_is() {
        assert_eq!(
            log_line(1, 200, (1.5, 1.0), None, None),
            "epoch 1 of 200: loss 1.500, MAE 1.000"
        );
        assert_eq!(
            log_line(12, 200, (0.5321, 0.6), Some(0.724), Some(840.0)),
            "epoch 12 of 200: loss 0.532, MAE 0.600, validation MAE 0.724, 14 min left"
        );
    }

    #[test]
    fn the_time_left_goes_by_the_steps_since_the_first() {
        let (steps_per_epoch, n_epochs) = (10, 4);
        let (bar, first, shown, valid_mae) = (None, None, None, None);
        let mut bar = Bar { bar, steps_per_epoch, n_epochs, first, shown, valid_mae };
        assert_eq!(bar.seconds_left(5), None);
        let ago = Instant::now().checked_sub(Duration::from_secs(20)).unwrap();
        // A resumed run starts with a later step.
        bar.first = Some((ago, 20));
        assert_eq!(bar.seconds_left(20), None);
        let left = bar.seconds_left(30).unwrap();
        assert!((20.0..21.0).contains(&left), "{left}");
        assert_eq!(bar.seconds_left(40), Some(0.0));
    }
}
