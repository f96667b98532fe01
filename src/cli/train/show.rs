//! What a run shows: a bar while it goes on, tables when it is done.

use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::chain::chain;
use crate::run::metrics::MAE;
use crate::run::record::{EpochRecord, RunResult};
use crate::run::seeds::Spread;
use crate::run::settings::TrainSettings;
use crate::train::TrainError;
use crate::train::progress::TrainProgress;
use crate::trainer::Note;

pub fn print_result(out: &Path, result: &RunResult) {
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
    print_degenerate(result);
}

/// Says on which splits a run predicts the same of almost every segment.
pub fn print_degenerate(result: &RunResult) {
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

/// Says a note on standard error.
pub fn say(note: Note) {
    let kind = if note.is_warning() { "warning" } else { "note" };
    eprintln!("{kind}: {note}");
}

/// One bar for each run, on standard error, until it is dropped.
#[derive(Default)]
pub struct Bar {
    bar: Option<ProgressBar>,
    steps_per_epoch: usize,
    shown: Option<Instant>,
    valid_mae: Option<f64>,
}

impl Bar {
    /// Writes a line above the bar.
    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
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
        let model = settings.model();
        self.line(&format!("{model}, seed {seed}: {device}, {n_threads} {threads}{form}"));
        let training = &settings.hyper_parameters.training;
        let n_phases = settings.hyper_parameters.phases.len();
        self.steps_per_epoch = n_phases * n_samples.div_ceil(training.batch_size.max(1));
        let bar = ProgressBar::new((self.steps_per_epoch * training.epochs) as u64);
        // A template of ours cannot be wrong at run time; indicatif's own style would serve too.
        if let Ok(style) = ProgressStyle::with_template("{msg} [{wide_bar}] {percent}% {eta}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_secs(1));
        if let Some(before) = self.bar.replace(bar) {
            before.finish_and_clear();
        }
        (self.shown, self.valid_mae) = (None, None);
    }

    fn step(&mut self, epoch: usize, step: usize, losses: &dyn Fn() -> (f64, f64)) {
        let Some(bar) = &self.bar else { return };
        bar.set_position(((epoch - 1) * self.steps_per_epoch + step) as u64);
        // Reading the losses waits for the device, so it is done a few times a second only.
        let is_due = self.shown.is_none_or(|at| at.elapsed() > Duration::from_millis(250));
        if is_due && !bar.is_hidden() {
            self.shown = Some(Instant::now());
            let (loss, mae) = losses();
            let valid = self.valid_mae.map_or(String::new(), |mae| format!(", valid {mae:.3}"));
            bar.set_message(format!("epoch {epoch} loss {loss:.3} MAE {mae:.3}{valid}"));
        }
    }

    fn epoch(&mut self, record: &EpochRecord) {
        self.valid_mae = Some(record.valid.get(MAE.id));
    }

    fn piecewise(&mut self, cause: &TrainError) {
        self.line(&format!("warning: steps are done piece by piece: {}", chain(cause)));
    }
}
