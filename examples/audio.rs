//! Computes the audio features of files and prints the median time of several rounds:
//! `audio ROUNDS FILE...`. Writes each file's array beside it, as `NAME.ours.npy`; `cargo xtask interop --audio`
//! compares them with librosa.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Instant;

use almt_data::audio::{AudioOptions, Extractor, N_COLUMNS, clips, decode};
use almt_data::chain::chain;
use ndarray::Array2;
use npyz::WriterBuilder;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let n_rounds: usize = args.next().unwrap_or_default().to_string_lossy().parse()?;
    let paths: Vec<PathBuf> = args.map(PathBuf::from).collect();
    let options = AudioOptions::default();
    for (path, found) in paths.iter().zip(clips(&paths, &options, &())) {
        write(&path.with_extension("ours.npy"), &found.map_err(|error| chain(&error))?)?;
    }
    let extractor = Extractor::new();
    let mut seconds = Vec::new();
    // The first round warms up.
    for _ in 0..=n_rounds {
        let start = Instant::now();
        for path in &paths {
            let signal = decode(path, options.max_seconds)?;
            black_box(extractor.features(&signal.samples, signal.rate));
        }
        seconds.push(start.elapsed().as_secs_f64());
    }
    let mut seconds = seconds.split_off(1);
    seconds.sort_by(f64::total_cmp);
    println!("{}", seconds.get(n_rounds / 2).copied().unwrap_or_default());
    Ok(())
}

fn write(path: &Path, features: &Array2<f32>) -> Result<(), Box<dyn Error>> {
    let out = BufWriter::new(File::create(path)?);
    let shape = [features.nrows() as u64, N_COLUMNS as u64];
    let mut writer =
        npyz::WriteOptions::new().default_dtype().shape(&shape).writer(out).begin_nd()?;
    writer.extend(features.iter().copied())?;
    Ok(writer.finish()?)
}
