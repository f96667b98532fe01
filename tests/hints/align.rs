//! Hints about computational sequences and what is aligned of them.

use std::path::Path;

use super::Next::Walk;
use super::{Row, put};

/// Words, audio and labels of made-up videos.
fn sequences(folder: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden_csd/A");
    for name in ["words.csd", "audio.csd", "labels.csd"] {
        std::fs::copy(from.join(name), folder.join(name)).unwrap();
    }
}

pub const ROWS: &[Row] = &[
    Row {
        hint: "`almt-data validate audio.csd` checks it, `almt-data align --reference WORDS.csd --labels \
               LABELS.csd --sequence audio=audio.csd -o STORE.h5` makes a store of several",
        make: sequences,
        calls: &["convert audio.csd"],
        next: Walk(&[
            ("WORDS.csd", "words.csd"),
            ("LABELS.csd", "labels.csd"),
            ("STORE.h5", "store.h5"),
        ]),
    },
    Row {
        hint: "`--folds FILE` names the videos of each split, `--folds none` puts all segments into `train`",
        make: |folder| {
            sequences(folder);
            put(folder, "other.json", b"{\"train\": [\"someone\"]}");
            put(folder, "folds.json", b"{\"train\": [\"tq1\"], \"valid\": [\"tq10\"]}");
        },
        calls: &[
            "align --reference words.csd --labels labels.csd --sequence audio=audio.csd --dataset mosi \
                 --folds other.json -o store.h5",
        ],
        next: Walk(&[("FILE", "folds.json")]),
    },
];
