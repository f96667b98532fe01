//! Finds stores in the current folder for calls that name none, and suggests calls for new ones.

use std::path::{Path, PathBuf};

use super::Failure;
#[cfg(feature = "train")]
use super::advice::hint;
#[cfg(feature = "train")]
use crate::advice::TrainerAdvice;
use crate::chain::chain;
use crate::corpus::SplitName;
use crate::corpus::manifest::Manifest;
#[cfg(feature = "train")]
use crate::run::folder;
use crate::validate;
use crate::words::quoted_path;

/// The call that trains on a new store, that draws the splits which it lacks, or that predicts it if it has
/// no labels to train on.
pub fn toward_training(store: &Path, manifest: &Manifest) -> String {
    let store = quoted_path(store);
    let has = |name| manifest.split(name).is_some_and(|split| !split.ids.is_empty());
    let is_labelled = |name: &SplitName| manifest.is_labelled(*name);
    let are_all_labelled =
        SplitName::ALL.into_iter().filter(|it| has(*it)).all(|it| is_labelled(&it));
    let is_usable = |name| has(name) && is_labelled(&name);
    match (is_usable(SplitName::Train), is_usable(SplitName::Valid)) {
        (true, true) => format!("`almt-data train --store {store}`"),
        (true, false) => format!("`almt-data train --store {store} --valid-fraction 0.1`"),
        // All segments are dealt out, so that all need labels.
        (false, _) if are_all_labelled => {
            format!("`almt-data split {store} --ratio 0.7,0.1,0.2 -o splits.json`")
        }
        (false, _) => format!("`almt-data predict --store {store} --checkpoint RUN`"),
    }
}

/// The stores in the current folder, by name; at least one.
pub fn here() -> Result<Vec<PathBuf>, Failure> {
    let here = Path::new(".");
    let stores = validate::stores_in(here).map_err(|error| {
        Failure::new(format!("cannot list the current folder: {}", chain(&error)))
    })?;
    if stores.is_empty() {
        return Err(Failure::new("no store (`.h5`, `.arrow`) in the current folder")
            .hint("`almt-data convert mosi.pkl` makes one"));
    }
    let name = |path: PathBuf| path.strip_prefix(here).map_or(path.clone(), Path::to_path_buf);
    Ok(stores.into_iter().map(name).collect())
}

/// The given store, or the one that a checkpoint's run was trained on; for weights that belong to no run,
/// the only one in the current folder. A store that the call does not name is shown.
#[cfg(feature = "train")]
pub fn of_run(named: Option<PathBuf>, checkpoint: &Path) -> Result<PathBuf, Failure> {
    if let Some(store) = named {
        return Ok(store);
    }
    let run = match checkpoint.parent() {
        // Without its settings, the run's store is unknown, and the only one here may be another.
        Some(run) if checkpoint.ends_with(folder::BEST) && folder::is_run(run) => {
            Some(folder::read_config(run)?)
        }
        around => around.and_then(|folder| folder::read_config(folder).ok()),
    };
    let store = match run.map(|settings| settings.store) {
        // Any other store would give other numbers.
        Some(store) if !store.exists() => {
            return Err(Failure::at(&store, "the store that the run was trained on is absent")
                .hint(hint(&TrainerAdvice::NameStore.into())));
        }
        Some(store) => store,
        None => one(None)?,
    };
    errln!("store: {}", store.display());
    Ok(store)
}

/// The given store, or the only one in the current folder.
#[cfg(feature = "train")]
pub fn one(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path);
    }
    match &*here()? {
        [store] => Ok(store.clone()),
        several => {
            let names: Vec<String> =
                several.iter().map(|path| path.display().to_string()).collect();
            let problem = format!("several stores in the current folder: {}", names.join(", "));
            Err(Failure::new(problem).hint("choose one with `--store`"))
        }
    }
}
