//! Which files of a folder are the splits of one source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Failure;
use super::advice::hint;
use super::packed::refuse_store;
use crate::container::unpacked_name;
use crate::corpus::SplitName;
use crate::ingest::split_of;
use crate::signature;

/// The pickles of a folder that hold one split each, in the order of the splits: those named
/// `train`, `dev`, `valid`, `val` or `test`, as MISA and MMIM have them, or else those whose name
/// has such a word. They may be compressed. Other pickles of the folder are named on standard error.
///
/// # Errors
/// The folder is a store, cannot be listed or has no such file, or two of one split.
pub fn splits_of(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    refuse_store(folder)?;
    let entries = std::fs::read_dir(folder).map_err(|error| Failure::io(folder, "list", &error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    // The name without the ending of a compressed file.
    let plain = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        PathBuf::from(unpacked_name(&name))
    };
    let has_ending = |path: &Path, endings: &[&str]| {
        let plain = plain(path);
        let ending = plain.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        endings.contains(&&*ending)
    };
    let is_pickle = |path: &&PathBuf| path.is_file() && has_ending(path, &["pkl", "pickle", "p"]);
    let stem =
        |path: &Path| plain(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let named = |path: &PathBuf| Some((split_of(&stem(path))?, path.clone()));
    let all: Vec<(SplitName, PathBuf)> = paths.iter().filter(is_pickle).filter_map(named).collect();
    // Beside `train.pkl`, a `mosi_train_old.pkl` is something else.
    let is_plain = |path: &Path| stem(path).chars().all(char::is_alphanumeric);
    let has_plain = all.iter().any(|(_, path)| is_plain(path));
    let mut splits: BTreeMap<SplitName, PathBuf> = BTreeMap::new();
    for (split, path) in all.into_iter().filter(|(_, path)| !has_plain || is_plain(path)) {
        if let Some(first) = splits.insert(split, path.clone()) {
            let problem = format!("is the same split as {}", first.display());
            return Err(Failure::at(&path, problem).hint("name the pickles one by one"));
        }
    }
    if !splits.is_empty() {
        let used: Vec<PathBuf> = splits.into_values().collect();
        for path in paths.iter().filter(is_pickle).filter(|path| !used.contains(path)) {
            eprintln!(
                "note: {}: not read, as its name is not just that of a split",
                path.display()
            );
        }
        return Ok(used);
    }
    if let Some(known) = signature::of_path(folder).filter(|known| known.kind.id == "run") {
        return Err(Failure::at(folder, format!("is {}, not one of pickles", known.kind.what))
            .hint(hint(&known.advice)));
    }
    let n_arrays = paths.iter().filter(|path| has_ending(path, &["npy", "npz"])).count();
    if n_arrays > 0 {
        let problem = format!("a folder of {n_arrays} NumPy files, and no pickle of splits");
        return Err(Failure::at(folder, problem).hint(
            "`docs/own-data.md` shows how to make one pickle of them and a table of labels",
        ));
    }
    let n_pickles = paths.iter().filter(is_pickle).count();
    let found = match n_pickles {
        0 => "without a pickle".to_owned(),
        1 => "whose one pickle is not named after a split".to_owned(),
        n => format!("of {n} pickles, none of them named after a split"),
    };
    Err(Failure::at(folder, format!("a folder {found}, such as train.pkl, dev.pkl and test.pkl"))
        .hint("name the pickles themselves, one or one for each split"))
}
