//! The paper's results for ALMT: Zhang et al., EMNLP 2023.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::corpus::Dataset;

/// Metrics of ALMT on the test split of a dataset, Tables 1 and 2 (`schemas/paper/almt.toml`).
pub(crate) fn almt(dataset: Dataset) -> &'static BTreeMap<String, f64> {
    static PAPER: LazyLock<BTreeMap<String, BTreeMap<String, f64>>> = LazyLock::new(|| {
        let text = include_str!("../schemas/paper/almt.toml");
        toml::from_str(text).expect("the embedded table is tested")
    });
    static NOTHING: BTreeMap<String, f64> = BTreeMap::new();
    PAPER.get(dataset.name()).unwrap_or(&NOTHING)
}

/// The paper's results for a model; only ALMT has any.
pub(crate) fn of(model: &str, dataset: Dataset) -> &'static BTreeMap<String, f64> {
    static NOTHING: BTreeMap<String, f64> = BTreeMap::new();
    if model == "almt" { almt(dataset) } else { &NOTHING }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_datasets_are_in_the_paper() {
        let n_metrics = |dataset| almt(dataset).len();
        assert_eq!([Dataset::Mosi, Dataset::Mosei, Dataset::Sims].map(n_metrics), [8, 8, 6]);
        assert_eq!(n_metrics(Dataset::Simsv2), 0);
        assert_eq!(almt(Dataset::Mosi)["MAE"], 0.683);
    }
}
