//! Progress bars on standard error: only on a terminal, and only after a second.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::progress::{Progress, Stage};

/// The bar of a call's current stage.
#[derive(Default)]
pub struct Bars(Mutex<Option<ProgressBar>>);

impl Bars {
    /// Removes the bar before something else is printed.
    pub fn clear(&self) {
        if let Some(bar) = self.current().take() {
            bar.finish_and_clear();
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Bars {
    fn begin(&self, stage: Stage, total: u64) {
        self.clear();
        *self.current() = Some(bytes(stage.name(), total));
    }

    fn advance(&self, n_bytes: u64) {
        if let Some(bar) = &*self.current() {
            bar.inc(n_bytes);
        }
    }

    fn skip(&self, pickle: &Path) {
        let pickle = pickle.display();
        errln!("note: {pickle}: not read, as its name is not just that of a split");
    }
}

/// Makes a call with bars, which are removed when it returns.
pub fn shown<T>(call: impl FnOnce(&Bars) -> T) -> T {
    let bars = Bars::default();
    let outcome = call(&bars);
    bars.clear();
    outcome
}

/// A progress bar for a known number of bytes.
pub fn bytes(what: &'static str, total: u64) -> ProgressBar {
    bar(what, total, "{msg} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}")
}

/// A progress bar for a known number of samples.
#[cfg(feature = "train")]
pub fn count(what: &'static str, total: u64) -> ProgressBar {
    bar(what, total, "{msg} [{bar:30}] {pos}/{len} {per_sec} {eta}")
}

fn bar(what: &'static str, total: u64, style: &str) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(what);
    // Our constant template is valid; indicatif's default style would do as well.
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}
