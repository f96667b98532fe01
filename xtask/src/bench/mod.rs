//! `cargo xtask bench WHAT`: speeds as ratios to a peer or a physical limit, within one run.
//!
//! Machines are noisy: contenders take turns, and the median of the turns counts.

mod align;
mod audio;
mod convert;
mod gpu;
mod measure;
mod models;
mod open;
mod packed;
mod python;
mod train;

/// Runs one benchmark.
pub fn bench(args: &[String]) -> Result<(), String> {
    match args.split_first() {
        Some((what, rest)) if what == "align" => align::align(rest),
        Some((what, rest)) if what == "audio" => audio::audio(rest),
        Some((what, rest)) if what == "convert" => convert::convert(rest),
        Some((what, rest)) if what == "open" => open::open(rest),
        Some((what, rest)) if what == "packed" => packed::packed(rest),
        Some((what, rest)) if what == "python" => python::python(rest),
        Some((what, rest)) if what == "train" => train::train(rest),
        Some((what, rest)) if what == "models" => models::models(rest),
        Some((what, rest)) if what == "gpu" => gpu::gpu(rest),
        _ => Err("a benchmark is missing or unknown\n  hint: `cargo xtask bench convert`, `open`, `packed`, `python`, `train`, `models`, `gpu`, `align` or `audio`".into()),
    }
}
