//! Progress bars on standard error: only on a terminal, only for what takes longer than a second.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over a known number of bytes.
pub fn bytes(what: &'static str, total: u64) -> ProgressBar {
    bar(what, total, "{msg} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}")
}

/// A bar over a known number of samples.
#[cfg(feature = "train")]
pub fn count(what: &'static str, total: u64) -> ProgressBar {
    bar(what, total, "{msg} [{bar:30}] {pos}/{len} {per_sec} {eta}")
}

fn bar(what: &'static str, total: u64, style: &str) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(what);
    // A template of ours cannot be wrong at run time; indicatif's own style would serve as well.
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}
