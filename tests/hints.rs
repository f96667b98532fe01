//! Every hint of the program, with the input and the call that lead to it.
//!
//! A hint names the cause and the fix. So each is provoked here and then followed: its options are
//! added to the call, its calls are made by [`walk`], and each has to lead to success or to a different
//! refusal, never back to an earlier one.
//!
//! The rows are in one file per area, in `tests/hints/`. A hint in the source without a row, and a row
//! without its hint in the source, fail [`source`]'s test. A new hint needs a [`Row`]; see
//! `tests/hints/convert.rs` for examples.

mod align;
mod build;
mod containers;
mod convert;
mod pickles;
mod source;
mod store;
mod tables;
#[cfg(feature = "train")]
mod train;
mod walk;

use std::path::Path;

/// A hint and the way to it.
pub struct Row {
    /// A part of the hint, as the program prints it.
    pub hint: &'static str,
    /// Makes the files of the road in an empty folder.
    pub make: fn(&Path),
    /// Calls, without the program's name; the last one prints the hint, those before it succeed.
    pub calls: &'static [&'static str],
    /// Where the hint leads.
    pub next: Next,
}

/// Where a hint leads.
pub enum Next {
    /// To what it names: each option with each value, and each call. Pairs say what stands for a
    /// placeholder or is the value of an option: `("STORE", "mosi.h5")`, `("-o", "other.h5")`,
    /// `("--entry NAME", "mosi.data")`.
    Walk(&'static [(&'static str, &'static str)]),
    /// To what a person does outside the program.
    Hands,
    /// The hint is provoked by a test of its own, of this name.
    Elsewhere(&'static str),
}

/// A row of a hint that is provoked by a test of its own.
const fn elsewhere(hint: &'static str, test: &'static str) -> Row {
    Row { hint, make: |_| (), calls: &[], next: Next::Elsewhere(test) }
}

/// All rows.
fn rows() -> Vec<&'static Row> {
    let areas: &[&[Row]] = &[
        align::ROWS,
        build::ROWS,
        containers::ROWS,
        convert::ROWS,
        pickles::ROWS,
        store::ROWS,
        tables::ROWS,
        #[cfg(feature = "train")]
        train::ROWS,
    ];
    areas.iter().copied().flatten().collect()
}

/// Writes a file.
fn put(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).unwrap();
}

/// Copies a fixture of pickles.
fn fixture(folder: &Path, name: &str, to: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pickles").join(name);
    std::fs::copy(from, folder.join(to)).unwrap();
}

/// A synthetic dataset as a pickle.
fn synthetic(folder: &Path) {
    crate::support::almt(folder, &["synth", "--samples", "8"]).ok();
}

/// A synthetic dataset whose first value of `train/audio` is another.
fn with_value(folder: &Path, bytes: [u8; 8]) {
    synthetic(folder);
    replace(folder, "audio", &bytes);
}

/// Puts `bytes` in the place of the first values of an array of `mosi.pkl`.
pub fn replace(folder: &Path, key: &str, bytes: &[u8]) {
    let path = folder.join("mosi.pkl");
    let mut pickle = std::fs::read(&path).unwrap();
    let at = pickle.windows(key.len()).position(|window| window == key.as_bytes()).unwrap();
    // The array's bytes follow `BINBYTES8` and their number.
    let payload = pickle[at..].iter().position(|byte| *byte == 0x8e).unwrap() + at + 9;
    pickle[payload..payload + bytes.len()].copy_from_slice(bytes);
    std::fs::write(&path, pickle).unwrap();
}
