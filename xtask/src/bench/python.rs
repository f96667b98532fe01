//! `cargo xtask bench python`: the Python package compared with `pickle.load` and MMSA's metrics, without
//! the time for imports.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::convert::{build_program, mosi_pickle, program};
use super::measure::{measure, measure_with_output, median};
use crate::run::root;
use crate::test::{mmsa_package, python_packages, sklearn_package, torch_packages};
use crate::wheel::installed_release;

const N_TURNS: usize = 5;

/// Prints three comparisons.
pub fn python(args: &[String]) -> Result<(), String> {
    if !args.is_empty() {
        return Err("`bench python` takes no arguments".into());
    }
    build_program()?;
    python_packages()?;
    torch_packages()?;
    mmsa_package()?;
    sklearn_package()?;
    let python = installed_release()?;
    let folder = root().join("bench");
    let pickle = mosi_pickle(&folder, 1)?;
    let store = folder.join("python.arrow");
    let mut convert = Command::new(program()?);
    convert.arg("convert").arg(&pickle).arg("--output").arg(&store).arg("--overwrite");
    measure(&mut convert)?;

    println!("{:<44} {:>9} {:>13}", "", "ms", "anonymous MiB");
    let ours = || numbers(&python, &["load", "ours"], Some(&pickle));
    let theirs = || numbers(&python, &["load", "python"], Some(&pickle));
    compare("load and a batch of 64", ["almt_data.pickle", "pickle"], ours, theirs)?;
    let ours = || numbers(&python, &["epoch", "ours"], Some(&store));
    let theirs = || numbers(&python, &["epoch", "python"], Some(&pickle));
    compare("an epoch, two workers", ["Arrow store", "pickle.load"], ours, theirs)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..N_TURNS {
        let [mmsa, almt_data] = numbers(&python, &["metrics"], None)?;
        theirs.push(mmsa);
        ours.push(almt_data);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("{:<44} {:>9.2}", "metrics of 4,659 predictions: almt_data", ours * 1e3);
    println!("{:<44} {:>9.2}", "metrics of 4,659 predictions: MMSA", theirs * 1e3);
    println!("«MMSA» takes {:.0} times as long", theirs / ours);
    Ok(())
}

/// Lets two contenders take turns, and prints their medians and the ratio of their times.
fn compare(
    what: &str,
    names: [&str; 2],
    ours: impl Fn() -> Result<[f64; 2], String>,
    theirs: impl Fn() -> Result<[f64; 2], String>,
) -> Result<(), String> {
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..N_TURNS {
        costs[0].push(ours()?);
        costs[1].push(theirs()?);
    }
    let seconds = costs.each_ref().map(|costs| median(costs.iter().map(|cost| cost[0])));
    for ((name, costs), seconds) in names.iter().zip(&costs).zip(seconds) {
        let mib = median(costs.iter().map(|cost| cost[1])) / 1024.0;
        println!("{:<44} {:>9.1} {mib:>13.1}", format!("{what}: {name}"), seconds * 1e3);
    }
    println!("«{}» takes {:.1} times as long", names[1], seconds[1] / seconds[0]);
    Ok(())
}

/// Two numbers printed by the script.
fn numbers(python: &Path, args: &[&str], path: Option<&PathBuf>) -> Result<[f64; 2], String> {
    let packages = [".python-torch", ".python-mmsa", ".python-sklearn", ".python"];
    let folders = std::env::join_paths(packages.map(|name| root().join(name)));
    let mut command = Command::new(python);
    command.env("PYTHONPATH", folders.map_err(|error| error.to_string())?);
    command.arg(root().join("xtask/peer/python.py")).args(args).args(path);
    let (_, output) = measure_with_output(&mut command)?;
    let numbers: Vec<f64> =
        output.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    <[f64; 2]>::try_from(numbers).map_err(|_| format!("python.py printed `{output}`"))
}
