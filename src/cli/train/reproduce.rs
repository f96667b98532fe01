//! `almt-data reproduce`: the paper's experiments on a store.

mod figures;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use tch::Device;

use super::cache::CacheArgs;
use super::devices::{DeviceArgs, ThreadsArgs};
use super::fit::{Seeds, fraction, seeds as seeds_of};
use super::jobs::{self, Assignment};
use super::show::{Bar, say};
use crate::cli::{Failure, cannot_write, export_failure, number};
use crate::corpus::spec::SplitBy;
use crate::corpus::{Dataset, Modality, SplitName};
use crate::export::{self, HAS_PARQUET, csv_of, table_parquet};
use crate::model::registry::Inputs;
use crate::paper;
use crate::publish;
use crate::reproduce::{Experiment, ExperimentTable, ModelSize, RobustnessPoint, Row};
use crate::run::folder::of_seed;
use crate::run::metrics::MAE;
use crate::run::preset::Preset;
use crate::run::seeds::spread;
use crate::run::settings::{Precision, TrainSettings, ValidDraw};
use crate::store::Store;
use crate::train::TrainError;
use crate::train::checkpoint::{self, Checkpoint};
use crate::train::corrupt::{Corruption, CorruptionKind, Corruptions};
use crate::train::data::TrainingData;
use crate::train::data::TrainingSplit;
use crate::train::device;
use crate::train::network::config_for;
use crate::train::predict;
use crate::train::run::{self, Start};
use crate::trainer::samples::{Labels, Samples, Wanted, absolute};
use crate::trainer::session::load;
use crate::trainer::sweep::{Kept, kept, train_or_keep};
use crate::trainer::{VALID_SEED, check_valid};

/// Seed of what corruptions draw.
const CORRUPT_SEED: u64 = 1;

/// What stands for all experiments.
const ALL: &str = "all";

/// Table 8, which trains nothing.
const SIZES: &str = "table8";

/// The experiment whose table is of inputs made worse, and not of its models.
const ROBUSTNESS: &str = "robustness";

/// Amounts of each kind of corruption; noise is in standard deviations, the others are shares.
const AMOUNTS: [(CorruptionKind, [f32; 4]); 3] = [
    (CorruptionKind::Noise, [0.25, 0.5, 1.0, 2.0]),
    (CorruptionKind::Drop, [0.25, 0.5, 0.75, 1.0]),
    (CorruptionKind::Missing, [0.25, 0.5, 0.75, 1.0]),
];

/// Train the models of the paper's tables and figures on a store, and write their results beside the
/// paper's
#[derive(Args)]
pub struct ReproduceArgs {
    /// Which: table1 to table8, fig4 to fig10, robustness (the published model on inputs made worse),
    /// or all of those that the store's dataset has
    #[arg(value_parser = experiment_name)]
    what: String,
    /// Store made by `almt-data convert`
    #[arg(long)]
    store: PathBuf,
    /// Folder of the results; runs that are complete in it are kept, a stopped one goes on [default:
    /// reproduced/STORE]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Runs per model: a number of seeds, 1 to N, or the seeds themselves, such as 1111,1112,1113
    #[arg(long, value_name = "N or LIST", default_value = "3", value_parser = seeds_of, allow_hyphen_values = true)]
    seeds: Seeds,
    /// Passes over the training split [default: the dataset's preset, 200]
    #[arg(long, value_parser = number::from::<u32>(1))]
    epochs: Option<u32>,
    /// Print which runs there would be and how long they would take, from a measured step of each
    /// model, and train nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    /// Runs at the same time, each in a process of its own, with the same results to the byte.
    /// Without `--threads`, each run has the processors divided by N, at least one, as its threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::within::<u8>(1, 64))]
    jobs: u8,
    /// Does one run, which standard input names, for a call with `--jobs`
    #[arg(long, hide = true)]
    worker: bool,
    /// For a store without a validation split: draw so much of its training split as one
    #[arg(long, value_name = "SHARE", value_parser = fraction)]
    valid_fraction: Option<f64>,
    /// What `--valid-fraction` keeps together: video or segment [default: video]
    #[arg(long, requires = "valid_fraction", hide_possible_values = true)]
    by: Option<SplitBy>,
    /// Train on a store that is not valid all the same
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

fn experiment_name(text: &str) -> Result<String, String> {
    let mut names: Vec<&str> = Experiment::all().iter().map(|each| &*each.name).collect();
    names.extend([SIZES, ALL]);
    match names.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("expected one of {}", names.join(", "))),
    }
}

/// Trains whatever is not there yet, and writes a table per experiment.
pub fn reproduce(args: ReproduceArgs) -> Result<ExitCode, Failure> {
    let store = Store::open(&args.store)?;
    if !args.worker {
        check_valid(&store, true, true, args.force)?.into_iter().for_each(say);
    }
    let dataset = store.manifest().dataset;
    let chosen = Experiment::all().iter().filter(|experiment| match &*args.what {
        ALL => experiment.is_about(dataset),
        name => experiment.name == name,
    });
    let mut experiments: Vec<&Experiment> = chosen.collect();
    if let Some(other) = experiments.iter().find(|experiment| !experiment.is_about(dataset)) {
        let problem = format!("{} is not about {}", other.title, dataset.title());
        return Err(Failure::at(&args.store, problem));
    }
    let n_jobs = usize::from(args.jobs);
    // A worker is called with the same words, and so comes to the same number.
    let of_jobs = || (n_jobs > 1).then(|| jobs::n_threads(n_jobs));
    if let Some(n_threads) = args.threads.threads.map(i32::from).or_else(of_jobs) {
        tch::set_num_threads(n_threads);
    }
    let stem = args.store.file_stem().unwrap_or_default().to_string_lossy();
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("reproduced").join(&*stem));
    let device = args.device.open()?;
    let mut bench = Bench::new(&args, store, out, device)?;
    if !args.worker {
        bench.samples.padded(&bench.modalities, false).into_iter().for_each(say);
    }
    if args.worker {
        return bench.work(&experiments, Assignment::read()?);
    }
    if !bench.samples.has(SplitName::Test) {
        let needs_it = |experiment: &&Experiment| {
            experiment.name == ROBUSTNESS || figures::NEED_TEST.contains(&&*experiment.name)
        };
        let without = "the store has no test split";
        match experiments.iter().find(|experiment| needs_it(experiment)) {
            Some(first) if args.what != ALL => {
                return Err(Failure::at(&args.store, format!("{}: {without}", first.title)));
            }
            _ => experiments.retain(|experiment| {
                let is_left_out = needs_it(experiment);
                if is_left_out {
                    eprintln!("{}: left out: {without}", experiment.title);
                }
                !is_left_out
            }),
        }
    }
    if args.dry_run {
        return bench.estimate(&experiments);
    }
    if n_jobs > 1 {
        jobs::run_all(bench.assignments(&experiments)?, n_jobs)?;
    }
    if [SIZES, ALL].contains(&&*args.what) {
        bench.write_sizes()?;
    }
    for experiment in experiments {
        let rows = experiment.rows.iter().map(|row| Ok((row.name.clone(), bench.row(row)?)));
        let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
        match &*experiment.name {
            ROBUSTNESS => bench.write_robustness(experiment)?,
            name if figures::NAMES.contains(&name) => bench.write_figure(experiment)?,
            _ => bench.write(experiment, rows)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What all runs share.
struct Bench<'a> {
    args: &'a ReproduceArgs,
    samples: Samples,
    /// The validation split, where it is drawn.
    draw: Option<ValidDraw>,
    out: PathBuf,
    device: Device,
    dataset: Dataset,
    preset: Preset,
    /// Modalities that the store has.
    modalities: Vec<Modality>,
    /// The data of the last run, which are those of most.
    loaded: Option<(Vec<Modality>, TrainingData)>,
}

impl Bench<'_> {
    fn new(
        args: &ReproduceArgs,
        store: Store,
        out: PathBuf,
        device: Device,
    ) -> Result<Bench<'_>, Failure> {
        let dataset = store.manifest().dataset;
        let mut preset = Preset::of(dataset);
        let epochs = args.epochs.map(|epochs| epochs as usize);
        preset.training.epochs = epochs.unwrap_or(preset.training.epochs);
        let draw = args.valid_fraction.map(|fraction| ValidDraw {
            fraction,
            by: args.by.unwrap_or(SplitBy::Video),
            seed: VALID_SEED,
        });
        let mut samples = match &draw {
            Some(draw) => Samples::with_valid_from_train(store, draw)?,
            None => Samples::of(store),
        };
        samples.take_notes().into_iter().for_each(say);
        samples.share_memory(args.jobs.into());
        let modalities = samples.sequences().into_keys().collect();
        Ok(Bench { args, samples, draw, out, device, dataset, preset, modalities, loaded: None })
    }

    /// The settings of a row's runs but for the seed, and the name of their folder; or why the store
    /// cannot have such runs.
    fn settings(&self, row: &Row) -> Result<Result<(TrainSettings, String), String>, Failure> {
        let absent = row.without.iter().find(|modality| !self.modalities.contains(modality));
        if let Some(absent) = absent {
            return Ok(Err(format!("the store has no {absent}")));
        }
        let hyper_parameters = row.hyper_parameters(&self.preset).map_err(Failure::new)?;
        let modalities: Vec<Modality> =
            self.modalities.iter().copied().filter(|m| !row.without.contains(m)).collect();
        if let Some(reason) = hyper_parameters.model.problem(&self.inputs(&modalities)) {
            return Ok(Err(reason));
        }
        let folder = row.folder(&self.preset).map_err(Failure::new)?;
        let settings = TrainSettings {
            dataset: self.dataset,
            store: absolute(&self.args.store),
            store_digest: self.samples.store().manifest().digest.clone(),
            modalities,
            seed: 0,
            select: MAE.id.into(),
            patience: None,
            device: device::name(self.device),
            precision: Precision::default(),
            form: None,
            together_with: vec![],
            n_threads: tch::get_num_threads(),
            writer: concat!("almt-data ", env!("CARGO_PKG_VERSION")).into(),
            libtorch: crate::train::libtorch_version(),
            command: std::env::args().collect(),
            split_manifest: None,
            valid_from_train: self.draw,
            text_encoder: None,
            init_from: None,
            hyper_parameters,
        };
        Ok(Ok((settings, folder)))
    }

    /// Extents of some of the store's modalities.
    fn inputs(&self, modalities: &[Modality]) -> Inputs {
        let mut inputs = self.samples.sequences();
        inputs.retain(|modality, _| modalities.contains(modality));
        Inputs(inputs)
    }

    fn run_folder(&self, folder: &str, seed: u64) -> PathBuf {
        of_seed(&self.out.join("runs").join(folder), seed)
    }

    /// The data of a run, which stay until a run sees other modalities.
    fn data(&mut self, settings: &TrainSettings) -> Result<&TrainingData, Failure> {
        let modalities = &settings.modalities;
        if self.loaded.as_ref().is_none_or(|(loaded, _)| loaded != modalities) {
            self.loaded = None;
            let cache = self.samples.cache(&self.args.cache.options(), modalities, self.device);
            let data = load(&mut self.samples, settings, None, cache, self.device, &mut say)?;
            self.loaded = Some((modalities.clone(), data));
        }
        match &self.loaded {
            Some((_, data)) => Ok(data),
            None => Err(Failure::new("the store's data are not there")),
        }
    }

    /// Trains what is not there of a row, and summarises all of it.
    fn row(&mut self, row: &Row) -> Result<RowResult, Failure> {
        let (settings, folder) = match self.settings(row)? {
            Ok(both) => both,
            Err(reason) => return Ok(Err(reason)),
        };
        let device = self.device;
        let mut results = Vec::new();
        for seed in &self.args.seeds.0 {
            let run = self.run_folder(&folder, *seed);
            let settings = TrainSettings { seed: *seed, ..settings.clone() };
            // Read before any data are, so that a grid that is complete needs none.
            let result = match kept(&run, &settings, Start::New)? {
                Some(Kept::Complete(result)) => *result,
                _ => {
                    eprintln!("{}", run.display());
                    let (data, bar) = (self.data(&settings)?, &mut Bar::default());
                    train_or_keep(&settings, data, device, &run, Start::New, bar)?
                }
            };
            results.push(result);
        }
        let mut spread = spread(settings.model(), self.dataset, &results);
        // The paper's figures for the row; where it has none, those of its tables of ALMT itself.
        let figures = match row.paper.get(&self.dataset) {
            Some(figures) => figures,
            None if settings.hyper_parameters == self.preset && row.without.is_empty() => {
                paper::almt(self.dataset)
            }
            None => &BTreeMap::new(),
        };
        for metric in &mut spread {
            metric.paper = figures.get(&metric.metric).copied();
        }
        Ok(Ok(spread))
    }

    /// The runs that are not there yet, each once.
    fn assignments(
        &self,
        experiments: &[&Experiment],
    ) -> Result<Vec<(PathBuf, Assignment)>, Failure> {
        let mut runs = BTreeMap::new();
        for row in experiments.iter().flat_map(|experiment| &experiment.rows) {
            let Ok((settings, folder)) = self.settings(row)? else { continue };
            for seed in &self.args.seeds.0 {
                let run = self.run_folder(&folder, *seed);
                let settings = TrainSettings { seed: *seed, ..settings.clone() };
                if !matches!(kept(&run, &settings, Start::New)?, Some(Kept::Complete(_))) {
                    runs.insert(run, Assignment::new(&folder, *seed));
                }
            }
        }
        Ok(runs.into_iter().collect())
    }

    /// Does the run that this process is there for.
    fn work(
        &mut self,
        experiments: &[&Experiment],
        assignment: Assignment,
    ) -> Result<ExitCode, Failure> {
        let Assignment { model, seed, command, .. } = assignment;
        let device = self.device;
        for row in experiments.iter().flat_map(|experiment| &experiment.rows) {
            let Ok((settings, folder)) = self.settings(row)? else { continue };
            if folder == model {
                let settings = TrainSettings { seed, command, ..settings };
                let run = self.run_folder(&folder, seed);
                let (data, bar) = (self.data(&settings)?, &mut Bar::default());
                train_or_keep(&settings, data, device, &run, Start::New, bar)?;
                return Ok(ExitCode::SUCCESS);
            }
        }
        Err(Failure::new(format!("no model has the folder `{model}`")))
    }

    /// Table 8: parameters of every model, and of each part of it.
    fn write_sizes(&self) -> Result<(), Failure> {
        let mut models = Vec::new();
        for row in Experiment::all().iter().flat_map(|experiment| &experiment.rows) {
            let Ok((settings, folder)) = self.settings(row)? else { continue };
            let name = match &*folder {
                "almt" => "ALMT",
                _ => &*folder,
            };
            if models.iter().any(|model: &ModelSize| model.name == name) {
                continue;
            }
            let inputs = self.inputs(&settings.modalities);
            let config = config_for(&settings, &inputs.0, None, None)?;
            models.extend(config.almt().map(|config| ModelSize::of(name, &config)));
        }
        let about = format!(
            "Parameters of each model and of its parts, for the inputs of {}. The paper has 2.50 \
             million of ALMT on CMU-MOSI, which are 2,504,449 with the 50 steps of its aligned \
             features; every further step of audio or vision adds 128.",
            self.args.store.display()
        );
        let markdown =
            format!("# Table 8: parameters\n\n{about}\n\n{}", ModelSize::markdown(&models));
        self.write_page(SIZES, &markdown)?;
        self.write_rows(SIZES, &ModelSize::lines(&models))
    }

    /// The test error of an experiment's model, which is trained, on inputs made worse, over its
    /// seeds.
    fn write_robustness(&mut self, experiment: &Experiment) -> Result<(), Failure> {
        let checkpoints = self.checkpoints(experiment)?;
        let mut lists = vec![vec![]];
        for modality in &self.modalities {
            for (kind, amounts) in AMOUNTS {
                lists.extend(
                    amounts.map(|amount| vec![Corruption { modality: *modality, kind, amount }]),
                );
            }
        }
        let mut points = Vec::new();
        for list in lists {
            let done = list.first().copied();
            self.samples.corrupt(Corruptions { list, seed: CORRUPT_SEED });
            let split = self.test_split()?;
            for (seed, checkpoint) in self.args.seeds.0.iter().zip(&checkpoints) {
                let (metrics, _) = predict::evaluate(checkpoint, &split)?;
                points.push(RobustnessPoint::new(done, *seed, metrics));
            }
        }
        self.samples.corrupt(Corruptions::default());
        let about = self.about();
        self.write_rows(ROBUSTNESS, &RobustnessPoint::lines(&points))?;
        self.write_svg(ROBUSTNESS, &RobustnessPoint::svg(&points, self.dataset.title()))?;
        self.write_page(ROBUSTNESS, &RobustnessPoint::markdown(&points, &about))
    }

    /// Run folders of an experiment's only model, one per seed.
    fn runs(&self, experiment: &Experiment) -> Result<Vec<PathBuf>, Failure> {
        let [model] = &*experiment.rows else {
            return Err(Failure::new(format!("{}: is about one model", experiment.title)));
        };
        let folder = model.folder(&self.preset).map_err(Failure::new)?;
        Ok(self.args.seeds.0.iter().map(|seed| self.run_folder(&folder, *seed)).collect())
    }

    /// What training that model came to, one per seed.
    fn checkpoints(&self, experiment: &Experiment) -> Result<Vec<Checkpoint>, Failure> {
        let load = |run: PathBuf| {
            let path = run.join(crate::run::folder::BEST);
            checkpoint::load(&path, self.device).map_err(|error| TrainError::from(error).into())
        };
        self.runs(experiment)?.into_iter().map(load).collect()
    }

    fn test_split(&mut self) -> Result<TrainingSplit, Failure> {
        let device = self.device;
        let wanted = Wanted {
            modalities: &self.modalities,
            needs: self.preset.model.needs(),
            reader: None,
            labels: Labels::Needed,
            cache: self.samples.cache(&self.args.cache.options(), &self.modalities, device),
            device,
        };
        Ok(self.samples.load(SplitName::Test, wanted)?.split)
    }

    fn write_svg(&self, name: &str, svg: &str) -> Result<(), Failure> {
        self.publish(&self.out.join(format!("{name}.svg")), svg.as_bytes())
    }

    /// Writes rows as CSV and, where there are any, as Parquet.
    fn write_rows<R: Serialize>(&self, name: &str, rows: &[R]) -> Result<(), Failure> {
        let path = |ending| self.out.join(format!("{name}.{ending}"));
        let (as_csv, as_parquet) = (path("csv"), path("parquet"));
        let csv = csv_of(rows).map_err(|error| cannot_write(&as_csv, error))?;
        self.publish(&as_csv, &csv)?;
        if rows.is_empty() {
            return Ok(());
        }
        let table =
            export::Table::from_csv(&csv).map_err(|error| cannot_write(&as_parquet, error))?;
        self.write_parquet(&as_parquet, &table)
    }

    fn write_parquet(&self, path: &Path, table: &export::Table) -> Result<(), Failure> {
        if !HAS_PARQUET {
            return Ok(());
        }
        let parquet = table_parquet(table).map_err(|error| export_failure(path, error))?;
        self.publish(path, &parquet)
    }

    fn publish(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.out)
            .and_then(|()| publish::write(path, bytes))
            .map_err(|error| cannot_write(path, error))
    }

    /// Writes and prints a page of Markdown.
    fn write_page(&self, name: &str, markdown: &str) -> Result<(), Failure> {
        let page = self.out.join(format!("{name}.md"));
        self.publish(&page, markdown.as_bytes())?;
        outln!("{markdown}");
        outln!("{}", page.display());
        Ok(())
    }

    fn write(
        &self,
        experiment: &Experiment,
        rows: Vec<(String, RowResult)>,
    ) -> Result<(), Failure> {
        let about = format!(
            "{} Figures of the paper beside ours are of its own data and text encoder.",
            self.about()
        );
        let (name, title) = (experiment.name.clone(), experiment.title.clone());
        let axis = experiment.axis.clone();
        let table = ExperimentTable { experiment: name, title, axis, about, rows };
        let path = |ending| self.out.join(format!("{}.{ending}", experiment.name));
        let (as_csv, as_parquet) = (path("csv"), path("parquet"));
        let for_programs = table.for_programs();
        let csv = for_programs.csv().map_err(|error| cannot_write(&as_csv, error))?;
        self.publish(&as_csv, &csv)?;
        self.write_parquet(&as_parquet, &for_programs)?;
        if let Some(svg) = table.svg(self.dataset) {
            self.write_svg(&experiment.name, &svg)?;
        }
        self.write_page(&experiment.name, &table.markdown(self.dataset))
    }

    /// How all figures came about.
    fn about(&self) -> String {
        format!("{}; test split, epoch of the best validation MAE.", self.about_runs())
    }

    fn about_runs(&self) -> String {
        let n_runs = self.args.seeds.0.len();
        format!(
            "{}, store digest `{}`; {n_runs} {} of {} epochs per model",
            self.dataset.title(),
            self.samples.store().manifest().digest,
            if n_runs == 1 { "run" } else { "runs" },
            self.preset.training.epochs,
        )
    }

    /// Prints the runs that there would be and what they would take.
    fn estimate(&mut self, experiments: &[&Experiment]) -> Result<ExitCode, Failure> {
        let mut seen = BTreeMap::new();
        let (mut n_runs, mut total) = (0, 0.0);
        for experiment in experiments {
            outln!("{}", experiment.title);
            for row in &experiment.rows {
                let (settings, folder) = match self.settings(row)? {
                    Ok(both) => both,
                    Err(reason) => {
                        outln!("  {:<38} left out: {reason}", row.name);
                        continue;
                    }
                };
                if let Some(first) = seen.get(&folder) {
                    outln!("  {:<38} as {first}", row.name);
                    continue;
                }
                seen.insert(folder.clone(), format!("{}, {}", experiment.name, row.name));
                let is_complete = |seed: &u64| -> Result<bool, Failure> {
                    let settings = TrainSettings { seed: *seed, ..settings.clone() };
                    let found = kept(&self.run_folder(&folder, *seed), &settings, Start::New)?;
                    Ok(matches!(found, Some(Kept::Complete(_))))
                };
                let done = self.args.seeds.0.iter().map(is_complete);
                let done = done.collect::<Result<Vec<_>, _>>()?;
                let n_left = done.iter().filter(|done| !**done).count();
                let epochs = settings.hyper_parameters.training.epochs;
                let seconds = match n_left {
                    0 => 0.0,
                    _ => run::epoch_seconds(&settings, self.data(&settings)?)?,
                };
                let of_row = n_left as f64 * epochs as f64 * seconds;
                n_runs += n_left;
                total += of_row;
                outln!(
                    "  {:<38} {n_left} of {} runs to do, about {}",
                    row.name,
                    done.len(),
                    duration(of_row)
                );
            }
        }
        if self.args.what == SIZES {
            outln!("{SIZES} trains nothing");
        }
        let total = total / f64::from(self.args.jobs);
        outln!("{n_runs} runs, about {} on this machine", duration(total));
        Ok(ExitCode::SUCCESS)
    }
}

/// What a row came to, or why the store has no such runs.
type RowResult = Result<Vec<crate::run::seeds::Spread>, String>;

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
