//! Audio files, of which the 33 columns of CH-SIMS are computed.

use std::path::Path;
use std::sync::LazyLock;

use super::error::FrameError;
use super::form::{FrameTimes, Frames};
use crate::audio::{AudioOptions, COLUMNS, Extractor, HOP, RATE, decode};

/// Its tables take as long to compute as the features of some seconds.
static EXTRACTOR: LazyLock<Extractor> = LazyLock::new(Extractor::new);

/// The features of the file at `path`.
pub(super) fn read(path: &Path) -> Result<Frames, FrameError> {
    let signal = decode(path, AudioOptions::default().max_seconds)?;
    let values = EXTRACTOR.features(&signal.samples, signal.rate);
    // Frames are centred: the first one around the start.
    let hop = HOP as f64 / f64::from(RATE);
    let around = |frame: usize| [(frame as f64 - 0.5) * hop, (frame as f64 + 0.5) * hop];
    let intervals = (0..values.nrows()).map(around).collect();
    Ok(Frames {
        values: values.mapv(f64::from),
        kind: "audio",
        dtype: "float32",
        names: Some(COLUMNS.map(String::from).into()),
        faces: None,
        times: Some(FrameTimes { intervals, origin: "43.07 frames per second" }),
        has_counted_header: false,
    })
}
