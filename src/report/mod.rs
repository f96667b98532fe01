//! One HTML page about one or several runs: metrics, curves, confusion matrices, errors.
//!
//! This module presents runs as read by [`Run`](crate::run::Run) and, if given, the store for the texts
//! of segments. It must not know pickles, models, the trainer or the command line.
//!
//! The page is a single file without scripts or external resources; its content security policy forbids
//! both. It contains no time stamp: the same folders give the same bytes.
//!
//! `chart` draws SVG charts and `heat` matrices, `html` escapes text and formats numbers; `page`,
//! `tables`, `curves`, `confusion`, `attention` and `errors` each write a part of the page. `figure`
//! and `space` write such drawings into separate files, for `reproduce`; `lengths` draws the lengths of
//! a store's samples.

mod attention;
pub(crate) mod chart;
mod confusion;
mod curves;
mod errors;
#[cfg(feature = "train")]
pub(crate) mod figure;
mod groups;
pub(crate) mod heat;
mod html;
mod input;
pub mod lengths;
mod page;
#[cfg(feature = "train")]
pub(crate) mod space;
mod tables;
mod terms;

use input::Texts;
pub use input::{ReportError, RunReport};

impl RunReport {
    /// The page.
    pub fn html(&self) -> String {
        page::page(self)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::corpus::Dataset;
    use crate::run::preset::Preset;

    const MARKUP: &str = "<script>alert(1)</script>";

    /// A run folder with markup in every possible text.
    fn write_run(folder: &Path) {
        let metrics = r#"{"MAE": 1.5, "Corr": null, "<u>": 0.5}"#;
        let model = toml::to_string(&Preset::of(Dataset::Mosi).model).unwrap();
        let config = format!(
            "dataset = \"mosi\"\nstore = \"{MARKUP}\"\nstore_digest = \"{MARKUP}\"\nseed = 1\n\
             modalities = [\"text\"]\nselect = \"{MARKUP}\"\nn_threads = 1\n\
             device = \"{MARKUP}\"\nwriter = \"{MARKUP}\"\nlibtorch = \"{MARKUP}\"\ncommand = \
             [\"{MARKUP}\"]\n[hyper_parameters.model]\n{model}[hyper_parameters.training]\n\
             epochs = 1\nbatch_size = 1\nlr = 0.1\nweight_decay = 0.0\n"
        );
        let epoch = format!(
            r#"{{"epoch": 1, "lr": 0.1, "train_loss": 2.0, "train_mae": 1.0,
               "train_terms": [{{"phase": "main", "term": "l1", "mean": 1.25}},
               {{"phase": "main", "term": "{MARKUP}", "mean": 0.75}}], "valid": {metrics},
               "test": {metrics}, "train_seconds": 1.0, "seconds": 1.0}}"#
        );
        let result = format!(
            r#"{{"selected": {{"by": "{MARKUP}", "epoch": 1, "valid": {metrics},
               "test": {metrics}}}, "best_on_test_per_metric": {{"MAE": {{"value": 1.5,
               "epoch": 1}}}}, "checkpoint_blake3": "{MARKUP}", "n_epochs": 1, "n_parameters": 1,
               "n_samples": {{"test": 2}}, "device": "{MARKUP}", "seconds": 1.0, "seed": 1,
               "store_digest": "{MARKUP}", "last_weights_blake3": "{MARKUP}", "n_threads": 1,
               "writer": "{MARKUP}"}}"#
        );
        let rows = format!("id,split,label,prediction\n{MARKUP},test,-3,1.5\nb,test,1,NaN\n");
        let files = [("config.toml", config), ("result.json", result), ("predictions.csv", rows)];
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        std::fs::write(folder.join("metrics.jsonl"), epoch.replace('\n', "")).unwrap();
    }

    #[test]
    fn no_text_of_a_run_or_a_store_is_markup() {
        let folder = tempfile::tempdir().unwrap();
        write_run(folder.path());
        let mut report = RunReport::read(&[folder.path().into()], None).unwrap();
        let said = format!("said {MARKUP}");
        report.texts = Texts::Known([(MARKUP.to_owned(), said)].into());
        let page = report.html();
        assert!(!page.contains("<script") && !page.contains("<u>"), "{page}");
        assert!(page.contains("said &lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(page.contains("<th title=\"&lt;u&gt;\">&lt;u&gt;"), "{page}");
        assert!(page.matches("&lt;script&gt;").count() > 8);
        // First, selected and last epoch are the same.
        let row = "<td>main</td><td>l1</td><td>1.2500</td><td>1.2500</td><td>1.2500</td>";
        assert!(page.contains(row), "{page}");
    }
}
