//! `cargo xtask bench audio`: audio features compared with librosa, on one thread each, without the time to
//! start and to warm up.

use super::measure::{measure_with_output, median};
use crate::interop::{audio_clips, audio_example, librosa};

/// Turns of both, each with so many rounds over all clips.
const N_TURNS: usize = 5;
const N_ROUNDS: &str = "3";

/// Prints two medians, and the ratio of the turns.
pub fn audio(args: &[String]) -> Result<(), String> {
    if !args.is_empty() {
        return Err("`bench audio` takes no arguments".into());
    }
    let clips = audio_clips()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for turn in 1..=N_TURNS {
        eprintln!("bench: turn {turn} of {N_TURNS}");
        let mut example = audio_example()?;
        ours.push(seconds(example.arg(N_ROUNDS).args(&clips).env("RAYON_NUM_THREADS", "1"))?);
        theirs.push(seconds(librosa().args(["time", N_ROUNDS]).args(&clips))?);
    }
    let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| theirs / ours);
    let ratio = median(ratios);
    let n_clips = clips.len();
    println!("librosa, {n_clips} clips      {:>9.1} ms", median(theirs) * 1e3);
    println!("almt-data, {n_clips} clips    {:>9.1} ms", median(ours) * 1e3);
    println!("«librosa» takes {ratio:.1} times as long");
    Ok(())
}

/// The number that a command prints.
fn seconds(command: &mut std::process::Command) -> Result<f64, String> {
    let (_, output) = measure_with_output(command)?;
    output.trim().parse().map_err(|_| format!("`{}` is no time", output.trim()))
}
