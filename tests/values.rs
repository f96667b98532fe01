//! Values that a store cannot hold unchanged: not finite, or finite and beyond its type.
//!
//! `tests/values.py` creates the pickles and computes the result of each policy independently.

use std::path::Path;

use almt_data::store::Store;

use crate::support::{Call, almt, files, python};

/// The pickles that `values.py` makes; `None` where there is no Python.
fn made(folder: &Path) -> Option<Vec<String>> {
    let names = python("values.py", &["make".as_ref(), folder])?;
    Some(names.split_whitespace().map(str::to_owned).collect())
}

fn convert(folder: &Path, pickle: &str, options: &[&str]) -> Call {
    let args = ["convert", pickle, "--dataset", "mosi", "--no-sync", "--overwrite"];
    almt(folder, &[&args[..], options].concat())
}

/// Every layout and type, each policy, either type of store: every value, count, mean and id as
/// NumPy has it.
#[test]
fn each_policy_gives_what_numpy_gives() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(names) = made(folder) else { return };
    assert_eq!(names.len(), 15, "{names:?}");
    let policies = [
        ("zero", "clip"),
        ("mean", "mean"),
        ("drop-segment", "drop-segment"),
        ("keep", "zero"),
        ("mean", "drop-segment"),
        ("drop-segment", "clip"),
    ];
    let mut jobs = Vec::new();
    for name in &names {
        for (on_nonfinite, on_overflow) in policies {
            for dtype in ["float32", "float16"] {
                // What is mixed differs from type to type in nothing but the range.
                if dtype == "float16" && on_nonfinite != on_overflow && on_overflow != "clip" {
                    continue;
                }
                let pickle = format!("{name}.pkl");
                let store = format!("{name}-{on_nonfinite}-{on_overflow}-{dtype}.h5");
                let options = ["--on-nonfinite", on_nonfinite, "--on-overflow", on_overflow];
                let form = ["--dtype", dtype, "-o", &store];
                convert(folder, &pickle, &[&options[..], &form].concat()).ok();
                jobs.push([store, pickle, on_nonfinite.into(), on_overflow.into(), dtype.into()]);
            }
        }
    }
    // The other format takes another way through the features.
    for (name, policy) in [("lengths", "mean"), ("ragged", "drop-segment"), ("sdk", "zero")] {
        let (pickle, store) = (format!("{name}.pkl"), format!("{name}-from-arrow.h5"));
        let options = ["--on-nonfinite", policy, "--on-overflow", policy, "-o", "out.arrow"];
        convert(folder, &pickle, &options).ok();
        almt(folder, &["copy", "out.arrow", &store, "--overwrite"]).ok();
        jobs.push([store, pickle, policy.into(), policy.into(), "float32".into()]);
    }
    let list = folder.join("jobs.json");
    std::fs::write(&list, serde_json::to_string(&jobs).unwrap()).unwrap();
    let compared = python("values.py", &["check".as_ref(), folder, &list]).unwrap();
    let n_compared: usize = compared.trim().parse().unwrap();
    assert!(n_compared > jobs.len() * 6, "{n_compared} of {} stores", jobs.len());
}

#[test]
fn what_is_refused_is_counted_over_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    if made(folder).is_none() {
        return;
    }
    let before = files(folder);
    let nonfinite = [
        "`train/audio`: 4 values in 2 segments are not finite (3 NaN and 1 +inf, first in \
         train0$_$0, train1$_$2)",
        "`valid/audio`: 1 value in 1 segment is not finite (1 NaN, first in valid0$_$0)",
        "`test/audio`: 1 value in 1 segment is not finite (1 NaN, first in test0$_$0)",
    ];
    let overflow = [
        "`train/audio`: 4 finite values in 3 segments lie beyond float32 (largest \
         1.7976931348623157e308, first in train0$_$0, train0$_$1, train1$_$2)",
        "`valid/audio`: 1 finite value in 1 segment lies beyond float32 (largest -4.2e40, first \
         in valid0$_$0)",
    ];
    for format in ["out.h5", "out.arrow"] {
        let both = convert(folder, "lengths.pkl", &["-o", format]);
        both.fails_with(&[&nonfinite[..], &overflow].concat());
        // -inf is refused only where that is asked for.
        let strict = convert(folder, "lengths.pkl", &["--on-nonfinite", "error", "-o", format]);
        strict.fails_with(&["6 values in 3 segments are not finite (3 NaN, 1 +inf and 2 -inf"]);
        let one = convert(folder, "lengths.pkl", &["--on-overflow", "clip", "-o", format]);
        assert!(!one.stderr().contains("beyond"), "{}", one.explain());
        one.fails_with(&nonfinite);
        let other = convert(folder, "lengths.pkl", &["--on-nonfinite", "zero", "-o", format]);
        assert!(!other.stderr().contains("not finite"), "{}", other.explain());
        other.fails_with(&overflow);
    }
    let half = convert(folder, "float32.pkl", &["--on-nonfinite", "zero", "--dtype", "float16"]);
    assert!(half.stderr().contains("hint: `--dtype float32` stores them"), "{}", half.explain());
    half.fails_with(&[
        "`train/audio`: 2 finite values in 1 segment lie beyond float16 (largest -70000.25, first \
         in train1$_$3)",
    ]);
    assert_eq!(files(folder), before, "a refusal leaves nothing behind");
}

#[test]
fn without_a_policy_only_minus_infinity_changes_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    if made(folder).is_none() {
        return;
    }
    let script = "import pickle\nd = pickle.load(open('float32.pkl', 'rb'))\n\
                  for s in d.values():\n  a = s['audio']\n  a[a != a] = 1\n  a[a == float('inf')] = 1\n\
                  pickle.dump(d, open('neg.pkl', 'wb'))";
    let status = std::process::Command::new("python3")
        .args(["-c", script])
        .env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join(".python"))
        .current_dir(folder)
        .status();
    assert!(status.unwrap().success());
    let printed = convert(folder, "neg.pkl", &[]).ok().stdout();
    let note = "/train/audio: 2 values of -inf in 2 segments became 0 (first in train0$_$0, \
                train0$_$1)";
    assert!(printed.contains(note), "{printed}");
    let store = Store::open(&folder.join("neg.h5")).unwrap();
    let values = store.manifest().values.clone().unwrap();
    assert_eq!((&*values.on_nonfinite, &*values.on_overflow), ("loaders", "error"));
    assert_eq!(values.counts.len(), 3, "{values:?}");
    assert!(values.counts.iter().all(|count| count.action == "zero"), "{values:?}");
    // A store without such values says nothing of them.
    almt(folder, &["synth", "--samples", "4"]).ok();
    almt(folder, &["convert", "mosi.pkl", "--on-nonfinite", "mean"]).ok();
    assert_eq!(Store::open(&folder.join("mosi.h5")).unwrap().manifest().values, None);
}

#[test]
fn a_split_is_never_left_out_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    if made(folder).is_none() {
        return;
    }
    let script = "import pickle\nd = pickle.load(open('float32.pkl', 'rb'))\n\
                  d['valid']['vision'][:, 0, 0] = float('nan')\n\
                  pickle.dump(d, open('all.pkl', 'wb'))";
    let status = std::process::Command::new("python3")
        .args(["-c", script])
        .env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join(".python"))
        .current_dir(folder)
        .status();
    assert!(status.unwrap().success());
    let call = convert(folder, "all.pkl", &["--on-nonfinite", "drop-segment"]);
    assert!(call.stderr().contains("hint: `--on-nonfinite zero`"), "{}", call.explain());
    call.fails_with(&["all.pkl: `valid`: none of its 3 segments would be left"]);
}
