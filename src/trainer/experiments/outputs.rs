//! What is written of experiments: a page for people, tables for programs, and pictures.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::about::about_others;
use super::progress::ReproduceProgress;
use super::reproduction::Reproduction;
use super::result::{ExperimentResult, Findings, NoiseFindings, RepresentationFindings};
use crate::export::{ExportError, HAS_PARQUET, SaveError, Table, csv_of, table_parquet};
use crate::publish;
use crate::reproduce::noise::{NoiseLine, NoisySample};
use crate::reproduce::{Experiment, MapPoint, ModelSize, RobustnessPoint, representations_page};
use crate::trainer::error::TrainerError;

impl Reproduction {
    /// Does experiments: trains the runs that are not there yet, and writes what comes of them.
    ///
    /// # Errors
    /// The store does not suit one, a run fails, or the folder cannot be written to.
    pub fn run(
        &mut self,
        experiments: &[&Experiment],
        progress: &mut dyn ReproduceProgress,
    ) -> Result<Vec<ExperimentResult>, TrainerError> {
        let mut results = Vec::new();
        for experiment in experiments {
            let findings = self.find(experiment, progress)?;
            let result = self.write(experiment, findings)?;
            progress.done(&result);
            results.push(result);
        }
        Ok(results)
    }

    /// Writes what an experiment came to.
    fn write(
        &self,
        experiment: &Experiment,
        findings: Findings,
    ) -> Result<ExperimentResult, SaveError> {
        let mut files = Files { out: &self.out, written: Vec::new() };
        let (name, title) = (&*experiment.name, &*experiment.title);
        let dataset = self.dataset.title();
        let page = match &findings {
            Findings::Metrics(table) => {
                let for_programs = table.for_programs();
                let path = files.path(name, "csv");
                let csv = for_programs.csv().map_err(|error| SaveError::of(&path, error.into()))?;
                files.publish(path, &csv)?;
                files.parquet(name, &for_programs)?;
                if let Some(svg) = table.svg(self.dataset) {
                    files.svg(name, &svg)?;
                }
                table.markdown(self.dataset)
            }
            Findings::Sizes(sizes) => {
                files.rows(name, &ModelSize::lines(sizes))?;
                let (about, table) = (self.about_sizes(), ModelSize::markdown(sizes));
                format!("# {title}\n\n{about}\n\n{table}{}", Experiment::unavailable())
            }
            Findings::Attention(figure) => {
                files.rows(name, &figure.lines())?;
                if let Some(svg) = figure.svg(title, dataset) {
                    files.svg(name, &svg)?;
                }
                figure.markdown(title, &self.about_test())
            }
            Findings::Noise(found) => {
                self.write_noise(experiment, found, &mut files)?;
                let NoiseFindings { lines, samples, id, .. } = found;
                NoiseLine::markdown(lines, samples, id, title, &self.about_test())
            }
            Findings::Representations(RepresentationFindings { map, gaps, n_segments }) => {
                files.rows(&format!("{name}-measures"), gaps)?;
                if let Ok(points) = map {
                    files.rows(name, points)?;
                    let about = format!(
                        "{dataset}, {n_segments} segments of the test split, the model of the first \
                         seed: t-SNE of the mean over tokens."
                    );
                    files.svg(name, &MapPoint::svg(points, title, &about))?;
                }
                representations_page(map, gaps, title, &self.about_test())
            }
            Findings::Convergence(figure) => {
                files.rows(name, &figure.lines())?;
                files.svg(name, &figure.svg(title, dataset))?;
                let about = format!(
                    "{}.{}",
                    self.about_runs(),
                    about_others(experiment, self.options.steps_remainder)
                );
                figure.markdown(title, &about)
            }
            Findings::Robustness(points) => {
                files.rows(name, &RobustnessPoint::lines(points))?;
                files.svg(name, &RobustnessPoint::svg(points, dataset))?;
                RobustnessPoint::markdown(points, &self.about_test())
            }
        };
        files.publish(files.path(name, "md"), page.as_bytes())?;
        let (name, title) = (experiment.name.clone(), experiment.title.clone());
        Ok(ExperimentResult { name, title, findings, page, files: files.written })
    }

    fn write_noise(
        &self,
        experiment: &Experiment,
        found: &NoiseFindings,
        files: &mut Files<'_>,
    ) -> Result<(), SaveError> {
        let (name, title) = (&*experiment.name, &*experiment.title);
        let NoiseFindings { lines, samples, id, n_segments, n_runs } = found;
        files.rows(&format!("{name}-sample"), &NoisySample::lines(samples))?;
        files.rows(name, lines)?;
        let dataset = self.dataset.title();
        let about = format!("{dataset}, segment {id}: weights of the last AHL layer.");
        if let Some(svg) = NoisySample::svg(samples, title, &about) {
            files.svg(name, &svg)?;
            let about = format!(
                "{dataset}, test split of {n_segments} segments, the mean of {n_runs} seeds; bands \
                 are 95% intervals over resampled segments."
            );
            let title = "Attention that is left when noise is added";
            files.svg(&format!("{name}-curves"), &NoiseLine::svg(lines, title, &about))?;
        }
        Ok(())
    }
}

/// Files in the folder of the results, each of which appears when it is whole.
struct Files<'a> {
    out: &'a Path,
    written: Vec<PathBuf>,
}

impl Files<'_> {
    fn path(&self, name: &str, ending: &str) -> PathBuf {
        self.out.join(format!("{name}.{ending}"))
    }

    fn publish(&mut self, path: PathBuf, bytes: &[u8]) -> Result<(), SaveError> {
        let no_folder = |cause| SaveError::Write { path: self.out.into(), cause };
        fs::create_dir_all(self.out).map_err(no_folder)?;
        publish::write(&path, bytes).map_err(|error| SaveError::of(&path, error.into()))?;
        self.written.push(path);
        Ok(())
    }

    fn svg(&mut self, name: &str, svg: &str) -> Result<(), SaveError> {
        self.publish(self.path(name, "svg"), svg.as_bytes())
    }

    /// Rows as CSV and, where there are any, as Parquet.
    fn rows<R: Serialize>(&mut self, name: &str, rows: &[R]) -> Result<(), SaveError> {
        let path = self.path(name, "csv");
        let failed = |error: io::Error| SaveError::of(&path, error.into());
        let csv = csv_of(rows).map_err(failed)?;
        self.publish(path.clone(), &csv)?;
        if rows.is_empty() {
            return Ok(());
        }
        self.parquet(name, &Table::from_csv(&csv).map_err(failed)?)
    }

    fn parquet(&mut self, name: &str, table: &Table) -> Result<(), SaveError> {
        if !HAS_PARQUET {
            return Ok(());
        }
        let path = self.path(name, "parquet");
        let failed = |error: ExportError| SaveError::of(&path, error);
        let bytes = table_parquet(table).map_err(failed)?;
        self.publish(path, &bytes)
    }
}
