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

/// The sequences, and a file with the videos of each split.
fn sequences_and_folds(folder: &Path) {
    sequences(folder);
    put(folder, "folds.json", b"{\"train\": [\"tq1\"], \"valid\": [\"tq10\"]}");
}

pub const ROWS: &[Row] = &[
    Row {
        hint: "`almt-data align --reference words.csd --labels LABELS.csd --sequence audio=AUDIO.csd \
               -o STORE.h5` aligns others with its words",
        make: sequences,
        calls: &["convert words.csd"],
        next: Walk(&[
            ("audio=AUDIO.csd", "audio=audio.csd"),
            ("LABELS.csd", "labels.csd"),
            ("STORE.h5", "store.h5"),
        ]),
    },
    Row {
        hint: "`almt-data align --folds folds.json` puts the videos of sequences into these splits; \
               convert a file of features",
        make: sequences_and_folds,
        calls: &["convert folds.json"],
        next: Walk(&[(
            "almt-data align --folds folds.json",
            "align --folds folds.json --reference words.csd --labels labels.csd \
             --sequence audio=audio.csd --dataset mosi -o store.h5",
        )]),
    },
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
            sequences_and_folds(folder);
            put(folder, "other.json", b"{\"train\": [\"someone\"]}");
        },
        calls: &[
            "align --reference words.csd --labels labels.csd --sequence audio=audio.csd --dataset mosi \
                 --folds other.json -o store.h5",
        ],
        next: Walk(&[("FILE", "folds.json")]),
    },
];
