//! The page about runs: its content, its errors, and how a browser shows it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{almt, files, synthetic_store};

/// Two runs of one store, in `runs/seed-1` and `runs/seed-2`.
fn two_runs(folder: &Path) {
    synthetic_store(folder, "mosi", "24");
    let args = ["train", "--store", "mosi.h5", "--epochs", "3", "--lr", "1e-3", "--seeds", "2"];
    almt(folder, &[&args[..], &["--out", "runs"]].concat()).ok();
}

fn text(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap()
}

/// Copies the files of a run that `keep` keeps.
fn copy_run(from: &Path, to: &Path, keep: fn(&str) -> bool) {
    fs::create_dir_all(to).unwrap();
    for name in files(from).iter().filter(|name| keep(name)) {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

fn count(page: &str, part: &str) -> usize {
    page.matches(part).count()
}

#[test]
fn the_page_of_several_runs_has_every_part_and_the_same_bytes_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    two_runs(folder);
    let said = almt(folder, &["report", "runs/seed-1", "runs/seed-2"]).ok().stdout();
    assert!(said.starts_with("report.html\n  dataset  CMU-MOSI\n"), "{said}");
    let page = text(folder, "report.html");

    for id in ["metrics", "curves", "confusion", "attention", "errors", "worst", "runs"] {
        assert_eq!(count(&page, &format!("<section id=\"{id}\">")), 1, "section {id}");
    }
    assert_eq!(count(&page, "<svg "), 10);
    assert_eq!(count(&page, "<rect class=\"cell\""), 2 * 8 * 8, "weights of audio and of vision");
    assert_eq!(count(&page, "<svg "), count(&page, "viewBox=\"0 0 520 320\""));
    assert_eq!(count(&page, "<table class=\"matrix\">"), 5);
    assert_eq!(count(&page, "<td class=\"text\""), 10, "ten segments with their text");
    assert_eq!(count(&page, "<polygon class=\"band "), 7, "a band per kind of curve");
    let result: serde_json::Value =
        serde_json::from_str(&text(folder, "runs/seed-1/result.json")).unwrap();
    let mae = result["selected"]["test"]["MAE"].as_f64().unwrap();
    assert!(page.contains(&format!("{mae:.4}</td>")), "test MAE {mae}");
    let best = &result["best_on_test_per_metric"]["MAE"];
    let best = format!("{:.4} <small>({})</small>", best["value"].as_f64().unwrap(), best["epoch"]);
    assert!(page.contains(&best), "released protocol: {best}");
    for figure in ["0.6830", "0.8050", "Released protocol", "Mean − paper"] {
        assert!(page.contains(figure), "{figure}");
    }
    for digest in ["checkpoint_blake3", "store_digest"] {
        assert!(page.contains(result[digest].as_str().unwrap()), "{digest}");
    }
    // Twelve test segments in two runs.
    assert!(page.contains("24 predictions of 2 runs"), "{page}");

    for outside in ["http:", "https:", "<script", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "`{outside}` is on the page");
    }
    // A folder of runs stands for the runs in it.
    almt(folder, &["report", "runs", "-o", "again.html", "--store", "mosi.h5"]).ok();
    assert!(page == text(folder, "again.html"), "the same runs gave another page");
    almt(folder, &["report", "runs"]).fails_with(&["report.html", "already exists"]);
    almt(folder, &["report", "runs/seed-1", "--overwrite"]).ok();
    let one = text(folder, "report.html");
    assert!(one.contains("Run − paper") && !one.contains("Standard deviation <small>n"), "{one}");
    assert_eq!(count(&one, "<polygon "), 0, "one run has no band");

    fs::remove_file(folder.join("mosi.h5")).unwrap();
    // As earlier versions left it.
    fs::remove_file(folder.join("runs/seed-1/attention.json")).unwrap();
    almt(folder, &["report", "runs/seed-1", "-o", "earlier.html"]).ok();
    assert_eq!(count(&text(folder, "earlier.html"), "<section id=\"attention\">"), 0);
    almt(folder, &["report", "runs", "--overwrite"]).ok();
    let without = text(folder, "report.html");
    assert!(without.contains("Without texts: the store is not where the runs had it"), "{without}");
    assert_eq!(count(&without, "<td class=\"text\""), 0);
}

#[test]
fn a_report_says_which_splits_its_figures_are_of_and_what_the_features_are() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "sims", "24");
    for by in ["segment", "video"] {
        let drawn = format!("{by}.json");
        almt(folder, &["split", "sims.h5", "--ratio", "0.6,0.2,0.2", "--by", by, "-o", &drawn])
            .ok();
    }
    let train = |out: &str, args: &[&str]| {
        let call = ["train", "--store", "sims.h5", "--epochs", "2", "--model", "lmf", "--out", out];
        almt(folder, &[&call[..], args].concat()).ok().stderr()
    };
    let own = train("own", &[]);
    assert!(!own.contains("splits: "), "{own}");
    let segment = train("segment", &["--manifest", "segment.json"]);
    let result: serde_json::Value =
        serde_json::from_str(&text(folder, "segment/result.json")).unwrap();
    let videos = &result["splits"]["videos"];
    let (n_train, n_test) = (&videos["train"], &videos["in_test"]);
    let words = format!("drawn by segment, {n_test} of {n_train} training videos also in test");
    assert!(segment.contains(&format!("warning: splits: {words}")), "{segment}");
    assert!(n_test.as_u64().unwrap() > 0);
    let whole = train("video", &["--manifest", "video.json"]);
    assert!(!whole.contains("splits: "), "{whole}");

    let report = |run: &str| {
        let page = format!("{run}.html");
        let said = almt(folder, &["report", run, "-o", &page]).ok().stdout();
        (said, text(folder, &page))
    };
    let (said, page) = report("segment");
    assert!(said.contains(&format!("  split: {words}")), "{said}");
    assert!(page.contains(&format!("<dt>Splits</dt><dd>{words}")), "{page}");
    assert!(page.contains("audio: likely librosa as in CH-SIMS"), "{page}");
    let (said, _) = report("own");
    let own = "  split: the store's own, 0 of 5 training videos also in test";
    assert!(said.contains(own), "{said}");
    let (said, _) = report("video");
    assert!(said.contains("  split: drawn by video, 0 of "), "{said}");
    // As earlier versions left it.
    let mut earlier = result;
    earlier.as_object_mut().unwrap().remove("splits");
    fs::write(folder.join("segment/result.json"), earlier.to_string()).unwrap();
    let said = almt(folder, &["report", "segment", "--overwrite"]).ok().stdout();
    assert!(said.contains("  split: not recorded"), "{said}");
}

#[test]
fn runs_that_differ_in_more_than_the_seed_are_not_averaged() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    two_runs(folder);
    let args = ["train", "--store", "mosi.h5", "--epochs", "2", "--lr", "1e-3", "--seed", "3"];
    almt(folder, &[&args[..], &["--out", "shorter"]].concat()).ok();
    almt(folder, &["report", "runs", "shorter"]).ok();
    let page = text(folder, "report.html");
    let names = "<b>training.epochs 3</b>; <b>training.epochs 2</b>";
    assert!(page.contains(&format!("differ in more than the seed: {names}.")), "{page}");
    // Of the two that are alike.
    assert!(page.contains("Mean <small>of training.epochs 3, over 2 runs</small>"), "{page}");
    for absent in ["</small>± ", "class=\"tiles\"", "EMNLP 2023"] {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[test]
fn a_run_that_is_not_complete_is_said_to_be_so_and_shows_its_curves() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    two_runs(folder);
    copy_run(&folder.join("runs/seed-2"), &folder.join("half"), |name| {
        ["config.toml", "metrics.jsonl"].contains(&name)
    });
    let lines = text(folder, "half/metrics.jsonl");
    let cut = lines.len() - lines.lines().last().unwrap().len() / 2;
    fs::write(folder.join("half/metrics.jsonl"), &lines[..cut]).unwrap();
    let said = almt(folder, &["report", "runs/seed-1", "half"]).ok().stdout();
    assert!(said.contains("half, 2 of 3 epochs, not complete"), "{said}");
    let page = text(folder, "report.html");
    assert!(page.contains("Not complete: <b>half</b> (2 of 3 epochs)"), "{page}");
    assert_eq!(count(&page, "<title>half, "), 7, "a line per kind of curve");
    assert!(page.contains("12 predictions at the selected epoch"), "{page}");

    almt(folder, &["report", "half", "-o", "half.html"]).ok();
    let alone = text(folder, "half.html");
    assert_eq!((count(&alone, "<svg "), count(&alone, "No run is complete yet.")), (4, 4));
}

#[test]
fn what_cannot_stand_on_one_page_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    two_runs(folder);
    let report = |args: &[&str]| almt(folder, &[&["report"], args].concat());
    fs::create_dir(folder.join("empty")).unwrap();
    report(&["empty"]).fails_with(&["is not a run folder: `config.toml` is missing"]);
    // Runs of sweeps are found one level further in.
    let all = report(&[".", "-o", "all.html"]).ok().stdout();
    assert!(all.contains("run      seed-1, ") && all.contains("run      seed-2, "), "{all}");
    report(&["nothing"]).fails_with(&["nothing: no such folder"]);
    report(&["runs/seed-1", "runs/seed-1"]).fails_with(&["seed-1", "is given twice"]);
    copy_run(&folder.join("runs/seed-1"), &folder.join("other"), |_| true);
    let config = text(folder, "other/config.toml").replace("\"mosi\"", "\"mosei\"");
    fs::write(folder.join("other/config.toml"), config).unwrap();
    report(&["runs/seed-1", "other"]).fails_with(&["other", "CMU-MOSEI", "CMU-MOSI"]);
    almt(folder, &["synth", "--samples", "8", "--seed", "2", "-o", "new.pkl"]).ok();
    almt(folder, &["convert", "new.pkl"]).ok();
    report(&["runs", "--store", "new.h5"])
        .fails_with(&["new.h5", "none of the runs was trained on this store"]);
    fs::write(folder.join("runs/seed-1/predictions.csv"), "id,split\na,test\n").unwrap();
    report(&["runs"]).fails_with(&["predictions.csv", "label"]);
    copy_run(&folder.join("other"), &folder.join("blind"), |_| true);
    fs::write(folder.join("blind/attention.json"), "[]").unwrap();
    report(&["blind"]).fails_with(&["attention.json", "is not an almt-data run"]);
    fs::write(folder.join("runs/seed-1/result.json"), "{").unwrap();
    report(&["runs"]).fails_with(&["result.json", "is not an almt-data run"]);
    assert!(!folder.join("report.html").exists());
}

/// What Chromium prints as the page's content, and what it logs; `None` where there is no Chromium.
fn chromium(folder: &Path, page: &str, window: &str) -> Option<(String, String)> {
    let profile = folder.join("profile");
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=2000", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--window-size={window}"))
        .arg("--dump-dom")
        .arg(format!("file://{}", folder.join(page).display()))
        .output();
    match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: no Chromium");
            None
        }
        output => {
            let output = output.unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Some((text(&output.stdout), text(&output.stderr)))
        }
    }
}

/// Writes into the title how many charts there are, the extents of the smallest, and whether the
/// page is wider than its window.
const PROBE: &str = "<script>
const charts = [...document.querySelectorAll('svg.chart')].map(svg => svg.getBoundingClientRect());
const least = side => Math.min(...charts.map(chart => chart[side]));
const page = document.documentElement;
document.title = [charts.length, least('width') > 300, least('height') > 180,
                  page.scrollWidth <= page.clientWidth].join(' ');
</script>";

#[test]
fn a_browser_shows_the_page_without_a_complaint_on_wide_and_narrow_windows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    two_runs(folder);
    almt(folder, &["report", "runs"]).ok();
    let page = text(folder, "report.html");
    let policy = page.lines().find(|line| line.contains("Content-Security-Policy")).unwrap();
    let probed = page.replace(policy, "").replace("</body>", &format!("{PROBE}</body>"));
    fs::write(folder.join("probed.html"), probed).unwrap();
    for window in ["1280,900", "500,900"] {
        let Some((content, log)) = chromium(folder, "report.html", window) else { return };
        assert!(content.contains("<section id=\"runs\">"), "{content}\n{log}");
        assert!(!log.contains("CONSOLE"), "{window}: the browser complains\n{log}");
        let Some((content, log)) = chromium(folder, "probed.html", window) else { return };
        assert!(content.contains("<title>10 true true true</title>"), "{window}: {content}\n{log}");
    }
}
