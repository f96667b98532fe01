//! Selects experiments by name.

use std::str::FromStr;

use super::Experiment;
use crate::corpus::Dataset;
use crate::name::UnknownName;

/// Name for all experiments.
const ALL: &str = "all";

/// One experiment, or all for a dataset.
#[derive(Debug, Clone, Copy)]
pub enum ExperimentChoice {
    /// All for the dataset of the store.
    All,
    /// One experiment.
    One(&'static Experiment),
}

impl ExperimentChoice {
    /// All names.
    pub fn names() -> Vec<&'static str> {
        Experiment::all().iter().map(|experiment| &*experiment.name).chain([ALL]).collect()
    }

    /// The selected experiments, those without training first. One selected by name is included
    /// whatever its datasets.
    pub fn experiments(self, dataset: Dataset) -> Vec<&'static Experiment> {
        match self {
            ExperimentChoice::One(experiment) => vec![experiment],
            ExperimentChoice::All => {
                let all = Experiment::all().iter();
                let mut chosen: Vec<_> = all.filter(|it| it.is_about(dataset)).collect();
                chosen.sort_by_key(|experiment| !experiment.rows.is_empty());
                chosen
            }
        }
    }
}

impl FromStr for ExperimentChoice {
    type Err = UnknownName;

    fn from_str(found: &str) -> Result<ExperimentChoice, UnknownName> {
        if found == ALL {
            return Ok(ExperimentChoice::All);
        }
        let named = Experiment::all().iter().find(|experiment| experiment.name == found);
        let unknown = || UnknownName { found: found.into(), expected: ExperimentChoice::names() };
        named.map(ExperimentChoice::One).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_choice_and_all_are_those_of_the_dataset() {
        let names = ExperimentChoice::names();
        assert!(names.iter().all(|name| name.parse::<ExperimentChoice>().is_ok()));
        let error = "table9".parse::<ExperimentChoice>().unwrap_err();
        assert_eq!((&*error.found, error.expected), ("table9", names));
        let chosen = |name: &str, dataset| -> Vec<&str> {
            let choice: ExperimentChoice = name.parse().unwrap();
            choice.experiments(dataset).iter().map(|it| &*it.name).collect()
        };
        let all = chosen(ALL, Dataset::Sims);
        assert_eq!((all[..3].to_vec(), all.len()), (vec!["table8", "table2", "table3"], 15));
        assert_eq!(chosen("table1", Dataset::Sims), ["table1"]);
    }
}
