//! `cargo xtask bench open`: reading a batch from an Arrow store compared with `pickle.load` of its
//! source, both in Python, without the time for imports.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::convert::{build_program, mosi_pickle, program};
use super::measure::{measure, measure_with_output, median};
use crate::run::root;
use crate::test::python_packages;

const N_TURNS: usize = 5;

/// Prints two medians and their ratio.
pub fn open(args: &[String]) -> Result<(), String> {
    if !args.is_empty() {
        return Err("`bench open` takes no arguments".into());
    }
    build_program()?;
    python_packages()?;
    let folder = root().join("bench");
    let pickle = mosi_pickle(&folder, 1)?;
    let store = folder.join("open.arrow");
    let mut convert = Command::new(program()?);
    convert.arg("convert").arg(&pickle).arg("--output").arg(&store);
    measure(convert.args(["--format", "arrow", "--overwrite"]))?;
    let (mut pickles, mut stores) = (Vec::new(), Vec::new());
    for _ in 0..N_TURNS {
        pickles.push(seconds("open.py", &pickle)?);
        stores.push(seconds("open_arrow.py", &store)?);
    }
    let _ = fs::remove_dir_all(&store);
    let (pickle, store) = (median(pickles), median(stores));
    println!("pickle.load, then a batch of 64    {:>9.1} ms", pickle * 1e3);
    println!("Arrow store, a batch of 64         {:>9.1} ms", store * 1e3);
    println!("«pickle.load» takes {:.0} times as long", pickle / store);
    Ok(())
}

/// The number printed by a script of `xtask/peer`.
fn seconds(script: &str, argument: &Path) -> Result<f64, String> {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", root().join(".python"));
    command.arg(root().join("xtask/peer").join(script)).arg(argument);
    let (_, output) = measure_with_output(&mut command)?;
    output.trim().parse().map_err(|_| format!("{script} printed `{output}`"))
}
