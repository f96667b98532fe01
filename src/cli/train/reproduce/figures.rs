//! Figures 4 to 7: what the published model does on its way, and how it was trained.

use super::{Bench, Experiment, TrainError};
use crate::cli::Failure;
use crate::reproduce::noise::{self, NoiseLine, NoisySample};
use crate::reproduce::{
    AverageAttention, Convergence, GapLine, MapPoint, Representations, draw_segments,
    representations_page,
};
use crate::run::RunError;
use crate::run::folder::read_epochs;
use crate::train::attention::average;

const FIG4: &str = "fig4";
const FIG5: &str = "fig5";
const FIG6: &str = "fig6";
const FIG7: &str = "fig7";

/// The experiments that are no tables of metrics but look into the model.
pub(super) const NAMES: [&str; 4] = [FIG4, FIG5, FIG6, FIG7];

/// Those that do so on the test split.
pub(super) const NEED_TEST: [&str; 3] = [FIG4, FIG5, FIG6];

/// Seed of what is drawn for a figure: samples, noise, resamples, the start of t-SNE.
const DRAW_SEED: u64 = 1;

impl Bench<'_> {
    /// Writes one of [`NAMES`], whose model is trained.
    pub(super) fn write_figure(&mut self, experiment: &Experiment) -> Result<(), Failure> {
        match &*experiment.name {
            FIG4 => self.write_attention(experiment),
            FIG5 => self.write_noise(experiment),
            FIG6 => self.write_representations(experiment),
            _ => self.write_convergence(experiment),
        }
    }

    fn write_attention(&mut self, experiment: &Experiment) -> Result<(), Failure> {
        let split = self.test_split()?;
        let checkpoints = self.checkpoints(experiment)?;
        let records = checkpoints.iter().filter_map(|of_seed| average(of_seed, &split).transpose());
        let figure = AverageAttention { records: records.collect::<Result<_, TrainError>>()? };
        let (name, title) = (&*experiment.name, &*experiment.title);
        self.write_rows(name, &figure.lines())?;
        if let Some(svg) = figure.svg(title, self.dataset.title()) {
            self.write_svg(name, &svg)?;
        }
        self.write_page(name, &figure.markdown(title, &self.about()))
    }

    fn write_noise(&mut self, experiment: &Experiment) -> Result<(), Failure> {
        let split = self.test_split()?;
        let checkpoints = self.checkpoints(experiment)?;
        let of_seeds = checkpoints.iter().map(|of_seed| noise::curves(of_seed, &split, DRAW_SEED));
        let of_seeds = of_seeds.collect::<Result<Vec<_>, TrainError>>()?;
        let mean = noise::mean_curves(&of_seeds);
        let lines: Vec<NoiseLine> = mean.iter().flat_map(|curve| curve.lines(DRAW_SEED)).collect();
        let sample_idx = noise::draw_sample(split.n_samples(), DRAW_SEED);
        let id = &split.ids()[sample_idx];
        let samples = match checkpoints.first() {
            Some(first) => noise::sample(first, &split, sample_idx, DRAW_SEED)?,
            None => Vec::new(),
        };
        let (name, title) = (&*experiment.name, &*experiment.title);
        let sample_name = format!("{name}-sample");
        self.write_rows(&sample_name, &NoisySample::lines(&samples))?;
        self.write_rows(name, &lines)?;
        let dataset = self.dataset.title();
        let about = format!("{dataset}, segment {id}: weights of the last AHL layer.");
        if let Some(svg) = NoisySample::svg(&samples, title, &about) {
            self.write_svg(name, &svg)?;
            let about = format!(
                "{dataset}, test split of {} segments, the mean of {} seeds; bands are 95% intervals \
                 over resampled segments.",
                split.n_samples(),
                checkpoints.len()
            );
            let title = "Attention that is left when noise is added";
            self.write_svg(&format!("{name}-curves"), &NoiseLine::svg(&lines, title, &about))?;
        }
        self.write_page(name, &NoiseLine::markdown(&lines, &samples, id, title, &self.about()))
    }

    fn write_representations(&mut self, experiment: &Experiment) -> Result<(), Failure> {
        let split = self.test_split()?;
        let order = draw_segments(split.n_samples(), DRAW_SEED);
        let checkpoints = self.checkpoints(experiment)?;
        let of_seeds =
            checkpoints.iter().map(|of_seed| Representations::of(of_seed, &split, &order));
        let of_seeds = of_seeds.collect::<Result<Vec<_>, TrainError>>()?;
        let gaps: Vec<GapLine> = of_seeds.iter().flat_map(Representations::gaps).collect();
        let map = match of_seeds.first() {
            Some(first) => first.map(DRAW_SEED),
            None => Err("there is no model".into()),
        };
        let (name, title) = (&*experiment.name, &*experiment.title);
        self.write_rows(&format!("{name}-measures"), &gaps)?;
        if let Ok(points) = &map {
            self.write_rows(name, points)?;
            let about = format!(
                "{}, {} segments of the test split, the model of the first seed: t-SNE of the mean \
                 over tokens.",
                self.dataset.title(),
                order.len()
            );
            self.write_svg(name, &MapPoint::svg(points, title, &about))?;
        }
        self.write_page(name, &representations_page(&map, &gaps, title, &self.about()))
    }

    fn write_convergence(&self, experiment: &Experiment) -> Result<(), Failure> {
        let runs = self.runs(experiment)?;
        let runs = runs.iter().map(|run| read_epochs(run)).collect::<Result<_, RunError>>()?;
        let figure = Convergence { runs };
        let (name, title) = (&*experiment.name, &*experiment.title);
        self.write_rows(name, &figure.lines())?;
        self.write_svg(name, &figure.svg(title, self.dataset.title()))?;
        self.write_page(name, &figure.markdown(title, &format!("{}.", self.about_runs())))
    }
}
