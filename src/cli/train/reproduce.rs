//! `almt-data reproduce`: runs the paper's experiments on a store.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::error::ErrorKind;

use super::cache::CacheArgs;
use super::devices::{DeviceArgs, ThreadsArgs};
use super::fit::{Seeds, fraction, seeds as seeds_of};
use super::jobs::{self, Assignment};
use super::show::{Bar, command_line, duration, say};
use crate::chain::chain;
use crate::cli::{Failure, number, wrong_call};
use crate::corpus::spec::SplitBy;
use crate::pretrained::TextSource;
use crate::reproduce::ExperimentChoice;
use crate::run::record::EpochRecord;
use crate::run::settings::TrainSettings;
use crate::store::Store;
use crate::train::TrainError;
use crate::train::progress::TrainProgress;
use crate::trainer::experiments::{Estimate, ExperimentResult, Reproduction, RowWork};
use crate::trainer::{EncoderOptions, Note, ReproduceOptions, ReproduceProgress, ValidOptions};
use crate::words::plural;

/// Train the models behind the paper's tables and figures, and print the results next to the paper's
#[derive(Args)]
pub struct ReproduceArgs {
    /// table1 to table8, fig4 to fig10, robustness (the published model on corrupted inputs), or all
    /// that the paper has for the store's dataset
    #[arg(hide_possible_values = true)]
    what: ExperimentChoice,
    /// Store made by `almt-data convert`
    #[arg(long)]
    store: PathBuf,
    /// Output folder; complete runs in it are kept, interrupted ones resumed [default:
    /// `reproduced/STORE`]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Runs per model: N for seeds 1 to N, or a list such as 1111,1112,1113
    #[arg(long, value_name = "N or LIST", default_value = "3", value_parser = seeds_of, allow_hyphen_values = true)]
    seeds: Seeds,
    /// Passes over the training split [default: from the preset, 200]
    #[arg(long, value_parser = number::from::<u32>(1))]
    epochs: Option<u32>,
    /// List the runs and their estimated duration, measured on a few steps of each model, without training
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation before runs of over half an hour
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Take a step with the batches that are left over at the end of an epoch, which the released trainers of
    /// MulT, MISA and Self-MM drop: trains these models on small stores as well
    #[arg(long)]
    step_remainder: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    /// Number of runs to train in parallel, each in its own process; results are identical. Without
    /// `--threads`, the processors are divided among them
    #[arg(help_heading = "Hardware options", long, value_name = "N", default_value_t = 1, value_parser = number::within::<u8>(1, 64))]
    jobs: u8,
    /// Does one run, which standard input names, for a call with `--jobs`
    #[arg(long, hide = true)]
    worker: bool,
    /// Draw this share of the training split for validation, if the store has none with labels
    #[arg(long, value_name = "SHARE", value_parser = fraction)]
    valid_fraction: Option<f64>,
    /// Unit that `--valid-fraction` keeps together: video or segment [default: video]
    #[arg(long, requires = "valid_fraction", hide_possible_values = true)]
    by: Option<SplitBy>,
    /// Text encoder of models that work inside one (`mag_bert`), which are left out without it: its folder,
    /// as for `almt-data train`
    #[arg(long, value_name = "FOLDER")]
    bert: Option<PathBuf>,
    /// Encoder input: the store's tokens (text_bert), or its texts, tokenized by the encoder's own
    /// tokenizer (raw_text) [default: text_bert]
    #[arg(long, requires = "bert", value_name = "text_bert|raw_text")]
    text_from: Option<TextSource>,
    /// Sequence length for `raw_text`: longer texts are truncated, shorter ones padded [default: 50]
    #[arg(long, requires = "text_from", value_name = "TOKENS", value_parser = number::from::<usize>(1))]
    max_len: Option<usize>,
    /// Train even if the store is invalid, or its text does not match the encoder's vocabulary
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

impl ReproduceArgs {
    /// The options for the trainer.
    fn options(&self) -> ReproduceOptions {
        // A worker gets the same arguments, and so the same number.
        let of_jobs = || (self.jobs > 1).then(|| jobs::n_threads(self.jobs.into()));
        ReproduceOptions {
            seeds: self.seeds.0.clone(),
            epochs: self.epochs.map(|epochs| epochs as usize),
            valid_from_train: self
                .valid_fraction
                .map(|fraction| ValidOptions { fraction, by: self.by.unwrap_or(SplitBy::Video) }),
            encoder: self.bert.as_ref().map(|folder| EncoderOptions {
                folder: folder.clone(),
                source: self.text_from.unwrap_or(TextSource::TextBert),
                max_len: self.max_len,
                lr: None,
                is_frozen: false,
            }),
            steps_remainder: self.step_remainder,
            n_threads: self.threads.threads.or_else(of_jobs),
            cache: self.cache.options(),
            n_processes: self.jobs.into(),
            force: self.force,
            command: command_line(),
        }
    }

    /// The folder of the results.
    fn out(&self) -> PathBuf {
        let stem = self.store.file_stem().unwrap_or_default();
        self.out.clone().unwrap_or_else(|| Path::new("reproduced").join(stem))
    }
}

/// Trains the missing runs, and writes a table per experiment.
pub fn reproduce(args: ReproduceArgs) -> Result<ExitCode, Failure> {
    if args.text_from == Some(TextSource::TextBert) && args.max_len.is_some() {
        let problem = "`--max-len` needs `--text-from raw_text`: `text_bert` has its own length";
        let kind = ErrorKind::ArgumentConflict;
        return Err(wrong_call::<ReproduceArgs>("almt-data reproduce", kind, problem));
    }
    let store = Store::open(&args.store)?;
    let device = args.device.open()?;
    let (options, out) = (args.options(), args.out());
    if args.worker {
        let Assignment { model, seed, command, .. } = Assignment::read()?;
        let mut one = Reproduction::of_checked(store, device, &options, &out, &mut say)?;
        one.train(&model, seed, &command, &mut Bar::default(), &mut say)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut all = Reproduction::new(store, device, &options, &out, &mut say)?;
    let experiments = all.choose(args.what, &mut say)?;
    let without = all.without_steps(&experiments)?;
    if !without.is_empty() {
        let names: Vec<&str> = without.iter().map(String::as_str).collect();
        let names = names.join(", ");
        errln!("note: the training split is too small for {names}; `--step-remainder` trains them");
    }
    if args.dry_run {
        print_estimate(&all.estimate(&experiments, &mut say)?, args.jobs);
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes && std::io::stderr().is_terminal() {
        let estimate = all.estimate(&experiments, &mut say)?;
        if !may_begin(&estimate, args.jobs)? {
            return Ok(ExitCode::FAILURE);
        }
    }
    if args.jobs > 1 {
        jobs::run_all(all.runs_left(&experiments)?, args.jobs.into())?;
    }
    all.run(&experiments, &mut Shown::default())?;
    Ok(ExitCode::SUCCESS)
}

/// Duration in seconds from which on the user is asked.
const LONG: f64 = 30.0 * 60.0;

/// Prints the estimated duration on a terminal, and asks for confirmation of long ones.
fn may_begin(estimate: &Estimate, n_jobs: u8) -> Result<bool, Failure> {
    let seconds = estimate.seconds() / f64::from(n_jobs);
    errln!("{}", summary(estimate, n_jobs));
    if seconds < LONG || !std::io::stdin().is_terminal() {
        return Ok(true);
    }
    let question = "Complete runs are kept, and repeating the call continues. Start? [y/N] ";
    crate::cli::output::tell(format_args!("{question}"));
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::new(format!("cannot read the answer: {}", chain(&error))))?;
    Ok(["y", "yes"].contains(&&*answer.trim().to_ascii_lowercase()))
}

fn summary(estimate: &Estimate, n_jobs: u8) -> String {
    let seconds = estimate.seconds() / f64::from(n_jobs);
    let n_runs = plural(estimate.n_left(), "run");
    format!("{n_runs}, about {} on this machine", duration(seconds))
}

/// Shows each run's folder with a bar, and each experiment's page.
#[derive(Default)]
struct Shown {
    /// The bar of the last run.
    bar: Bar,
}

impl ReproduceProgress for Shown {
    fn run(&mut self, folder: &Path) {
        self.bar = Bar::default();
        errln!("{}", folder.display());
    }

    fn note(&mut self, note: Note) {
        say(note);
    }

    fn done(&mut self, result: &ExperimentResult) {
        self.bar = Bar::default();
        outln!("{}", result.page);
        if let Some(page) = result.files.last() {
            outln!("{}", page.display());
        }
    }
}

impl TrainProgress for Shown {
    fn begin(&mut self, settings: &TrainSettings, n_samples: usize) {
        self.bar.begin(settings, n_samples);
    }

    fn step(&mut self, epoch: usize, step: usize, losses: &dyn Fn() -> (f64, f64)) {
        self.bar.step(epoch, step, losses);
    }

    fn epoch(&mut self, record: &EpochRecord) {
        self.bar.epoch(record);
    }

    fn piecewise(&mut self, cause: &TrainError) {
        self.bar.piecewise(cause);
    }
}

/// Prints the planned runs and their estimated duration, `n_jobs` in parallel.
fn print_estimate(estimate: &Estimate, n_jobs: u8) {
    for experiment in &estimate.experiments {
        outln!("{}", experiment.title);
        if experiment.rows.is_empty() {
            outln!("  trains nothing");
        }
        for row in &experiment.rows {
            let work = match &row.work {
                RowWork::LeftOut(reason) => format!("left out: {reason}"),
                RowWork::SameAs { experiment, row } => format!("as {experiment}, {row}"),
                RowWork::Runs { n_left, n_runs, seconds } => {
                    format!("{n_left} of {n_runs} runs to do, about {}", duration(*seconds))
                }
            };
            outln!("  {:<38} {work}", row.name);
        }
    }
    outln!("{}", summary(estimate, n_jobs));
}
