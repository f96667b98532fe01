//! The paper's experiments, run from the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
#[cfg(target_os = "linux")]
use std::process::{Child, Command};
#[cfg(target_os = "linux")]
use std::time::Duration;
use std::time::SystemTime;

use almt_data::pickle::Writer;
use almt_data::run::folder::read_config;

use crate::encode::tiny_encoder;
use crate::support::{Call, almt, files, program, python, real_data, synthetic_store};
#[cfg(target_os = "linux")]
use crate::support::{killed, with_faults};

fn text(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

const ARGS: [&str; 9] =
    ["--store", "mosi.h5", "--out", "out", "--epochs", "2", "--seeds", "1,2", "--threads=1"];

fn reproduce(folder: &Path, what: &str, more: &[&str]) -> String {
    let args = [&["reproduce", what], &ARGS[..], more].concat();
    almt(folder, &args).ok().stdout()
}

fn rows(csv: &str) -> Vec<csv::StringRecord> {
    csv::Reader::from_reader(csv.as_bytes()).records().map(Result::unwrap).collect()
}

#[test]
fn a_table_has_every_model_beside_the_papers_figures_and_is_completed_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    let shown = reproduce(folder, "table3", &[]);
    let page = text(folder, "out/table3.md");
    assert!(shown.contains(&page), "{shown}");
    assert!(page.contains("| w/o Audio & AHL | "), "{page}");
    // Table 3 of the paper: 48.69 and 0.705 without audio.
    let row = page.lines().find(|line| line.starts_with("| w/o Audio |")).unwrap();
    assert!(
        row.contains(" ± ") && row.contains("| 0.4869 |") && row.ends_with("| 0.7050 |"),
        "{row}"
    );
    let csv = text(folder, "out/table3.csv");
    // Six models, nine metrics.
    assert_eq!(rows(&csv).len(), 6 * 9);
    assert!(rows(&csv).iter().all(|row| &row[3] == "2"), "{csv}");
    let models = [
        "almt",
        "without-audio",
        "without-audio-hyper_modality-concatenated",
        "without-audio-without-vision",
        "without-vision",
        "without-vision-hyper_modality-concatenated",
    ];
    assert_eq!(files(&folder.join("out/runs")), models);

    // Complete runs are kept, an absent one is made again to the same bytes, and the published model
    // is shared with other tables.
    let changed = |run: &str| -> SystemTime {
        let path = folder.join("out/runs").join(run).join("result.json");
        path.metadata().unwrap().modified().unwrap()
    };
    let (kept, lost) = ("almt/seed-1", "without-audio/seed-2");
    let before = changed(kept);
    let weights =
        |run: &str| std::fs::read(folder.join(format!("out/runs/{run}/best.safetensors")));
    let lost_weights = weights(lost).unwrap();
    std::fs::remove_dir_all(folder.join("out/runs").join(lost)).unwrap();
    reproduce(folder, "table3", &[]);
    assert_eq!(changed(kept), before);
    assert!(weights(lost).unwrap() == lost_weights);
    assert_eq!(text(folder, "out/table3.csv"), csv);
    assert_eq!(text(folder, "out/table3.md"), page);
    reproduce(folder, "table1", &[]);
    assert_eq!(changed(kept), before);
    assert!(text(folder, "out/table1.md").contains("| Corr | "));

    // Other settings do not mix with what is there.
    let args = [&["reproduce", "table3"], &ARGS[..], &["--cache", "disk"]].concat();
    almt(folder, &args).ok();
    let other = ["reproduce", "table3", "--store", "mosi.h5", "--out", "out", "--epochs", "3"];
    almt(folder, &other).fails_with(&["almt/seed-1", "different settings"]);
}

#[test]
fn every_model_of_every_experiment_trains() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "sims", "6");
    let args = ["reproduce", "all", "--store", "sims.h5", "--epochs", "1", "--seeds", "1"];
    almt(folder, &args).ok();
    let out = folder.join("reproduced/sims");
    let tables = [2, 3, 4, 5, 6, 7].map(|n| format!("table{n}"));
    let trained = tables.into_iter().chain([8, 9, 10].map(|n| format!("fig{n}")));
    let looked_into = [4, 5, 6, 7].map(|n| format!("fig{n}"));
    let pictures = looked_into.into_iter().chain(["robustness".to_owned()]);
    let with = |endings: &'static [&'static str]| {
        move |name: String| endings.iter().map(move |ending| format!("{name}.{ending}"))
    };
    let mut expected: Vec<String> = trained
        .chain(["table8".to_owned()])
        .flat_map(with(&["csv", "md", "parquet"]))
        .chain(pictures.flat_map(with(&["csv", "md", "parquet", "svg"])))
        .chain([8, 9, 10].map(|n| format!("fig{n}.svg")))
        .collect();
    let more = ["fig5-sample", "fig6-measures"].map(String::from);
    expected.extend(more.into_iter().flat_map(with(&["csv", "parquet"])));
    expected.extend(["fig5-curves.svg", "runs"].map(String::from));
    expected.sort();
    assert_eq!(files(&out), expected);
    if let Some(counts) = python("same_tables.py", &[&out]) {
        // As many tables as there are CSV files, none of them empty.
        let n_tables = expected.iter().filter(|name| name.ends_with(".csv")).count();
        assert_eq!(counts.lines().count(), n_tables, "{counts}");
        assert!(!counts.lines().any(|line| line.ends_with(" 0")), "{counts}");
    }
    for picture in files(&out).iter().filter(|name| name.ends_with(".svg")) {
        check_svg(picture, &text(&out, picture));
    }
    // Bars over a value for each row, here of single runs, and the paper's point of T = 8.
    let tokens = text(&out, "fig8.svg");
    assert_eq!(tokens.matches("class=\"ring valid\"").count(), 2 * 6 + 1, "{tokens}");
    assert_eq!(tokens.matches("class=\"ring control\"").count(), 2 + 1, "{tokens}");
    assert!(text(&out, "fig8.md").contains("](fig8.svg)"));
    // Every model once: the published one, 5 with fewer modalities, 3 of Table 4, 1 of Table 5, 6 of
    // Table 6, 4 of Table 7, and 5, 4 and 5 of other sizes; and 3 of Table 2, whose others add up more batches
    // than these few samples make, or have an encoder inside.
    let trained = files(&out.join("runs"));
    assert_eq!(trained.len(), 34 + 3, "{trained:?}");
    let table = text(&out, "table2.md");
    // The paper's figures stand beside what is not there as well.
    let row = table.lines().find(|line| line.starts_with("| MuLT | – | ")).unwrap();
    assert!(row.contains(" 0.4530 |"), "{row}");
    let (_, left_out) = table.split_once("\nLeft out:\n\n").unwrap();
    let reasons: Vec<&str> = left_out.lines().collect();
    assert!(reasons[0].starts_with("- MuLT: no step in an epoch of "), "{reasons:?}");
    assert!(reasons.iter().any(|it| it.starts_with("- MAG-BERT: it works inside a text encoder")));
    let sizes = rows(&text(&out, "table8.csv"));
    let models: std::collections::BTreeSet<&str> = sizes.iter().map(|row| &row[0]).collect();
    assert_eq!(models.len(), 34 + 8);
    let page = text(&out, "table8.md");
    assert!(page.ends_with("- PMR: no public code of its authors\n"), "{page}");
    let wrong = ["reproduce", "table1", "--store", "sims.h5"];
    almt(folder, &wrong).fails_with(&["sims.h5", "Table 1", "is not about CH-SIMS"]);
}

#[test]
fn a_model_inside_a_text_encoder_trains_where_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tiny_encoder(folder);
    synthetic_store(folder, "mosi", "8");
    let call = |more: &[&str]| {
        let args = ["reproduce", "table1", "--store", "mosi.h5", "--epochs", "1", "--seeds", "1"];
        almt(folder, &[&args[..], more].concat())
    };
    let encoder = ["--bert", "tiny-bert", "--text-from", "raw_text", "--max-len", "12"];
    let line = |shown: &str| {
        let line = shown.lines().find(|line| line.contains("MAG-BERT")).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let without = call(&["--dry-run"]).ok().stdout();
    let left_out = "MAG-BERT left out: it works inside a text encoder, and none is given";
    assert_eq!(line(&without), left_out);
    let with = call(&[&encoder[..], &["--dry-run"]].concat()).ok().stdout();
    assert!(line(&with).starts_with("MAG-BERT 1 of 1 runs to do, about "), "{with}");
    let page = call(&[&encoder[..], &["--out", "out"]].concat()).ok().stdout();
    let row = line(page.lines().find(|line| line.starts_with("| MAG")).unwrap());
    let numbers = row.split('|').filter(|cell| cell.trim().parse::<f64>().is_ok()).count();
    assert!(numbers > 10 && row.contains("0.4362"), "{row}");
    assert!(page.contains(" MAG-BERT fine-tunes the text encoder tiny-bert."), "{page}");
    let run = folder.join("out/runs/mag_bert/seed-1");
    let settings = read_config(&run).unwrap();
    let tiny = folder.join("tiny-bert").canonicalize().unwrap();
    let choice = settings.text_encoder.unwrap();
    assert!(choice.path == tiny && choice.lr > 0.0, "{choice:?}");
    let others = read_config(&folder.join("out/runs/tfn/seed-1")).unwrap();
    assert_eq!(others.text_encoder, None);
    // Complete, and by processes of its own to the same bytes.
    assert_eq!(call(&[&encoder[..], &["--out", "out"]].concat()).ok().stdout(), page);
    let apart = [&encoder[..], &["--out", "apart", "--jobs", "2", "--threads", "1"]].concat();
    call(&apart).ok();
    let alone = [&encoder[..], &["--out", "alone", "--threads", "1"]].concat();
    call(&alone).ok();
    let weights = |out: &str| {
        std::fs::read(folder.join(out).join("runs/mag_bert/seed-1/best.safetensors")).unwrap()
    };
    assert!(weights("apart") == weights("alone"));
    // Tokens of another vocabulary are no input for it.
    call(&["--bert", "tiny-bert"]).fails_with(&["mosi.h5: "]);
    assert_eq!(
        call(&["--bert", "tiny-bert", "--text-from", "text_bert", "--max-len", "9"]).code(),
        2
    );
}

#[test]
fn the_papers_sizes_stand_beside_those_of_the_models() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "6");
    let page = almt(folder, &["reproduce", "table8", "--store", "mosi.h5"]).ok().stdout();
    for (model, figures) in [
        ("MuLT", "| 2570000 | 0.4000 |"),
        ("MISA", "| 3100000 | 0.4230 |"),
        ("MAG-BERT", "| 1223425 | 1220000 | 0.4362 |"),
        ("ALMT", "| 2500000 | 0.4942 |"),
        ("TFN", "|  |  |"),
    ] {
        let row = page.lines().find(|line| line.starts_with(&format!("| {model} |"))).unwrap();
        assert!(row.contains(figures), "{row}");
    }
    let lines = rows(&text(&folder.join("reproduced/mosi"), "table8.csv"));
    let of = |model: &str| lines.iter().find(|row| &row[0] == model).unwrap();
    assert_eq!((&of("MAG-BERT")[3], &of("MAG-BERT")[4]), ("1220000", "0.4362"));
    assert_eq!((&of("TFN")[3], &of("TFN")[4]), ("", ""));
}

#[test]
fn a_dry_run_says_what_there_is_to_do_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    let shown = reproduce(folder, "table4", &["--dry-run"]);
    assert!(shown.contains("w/o Fusion Transformer"), "{shown}");
    assert!(shown.contains("2 of 2 runs to do, about "), "{shown}");
    assert!(shown.lines().last().unwrap().starts_with("8 runs, about "), "{shown}");
    let shown = reproduce(folder, "fig6", &["--dry-run"]);
    assert!(shown.lines().last().unwrap().starts_with("2 runs, about "), "{shown}");
    let shown = reproduce(folder, "robustness", &["--dry-run"]);
    assert!(shown.lines().last().unwrap().starts_with("2 runs, about "), "{shown}");
    let shown = reproduce(folder, "table8", &["--dry-run"]);
    assert!(shown.contains("trains nothing") && shown.contains("0 runs, about 0 s"), "{shown}");
    assert!(!folder.join("out").exists());
}

#[test]
fn a_store_too_small_for_some_models_trains_them_with_a_step_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    let call = |more: &[&str]| {
        let args = ["reproduce", "fig7", "--store", "mosi.h5", "--epochs", "1", "--seeds", "1"];
        almt(folder, &[&args[..], more].concat()).ok()
    };
    let without = call(&["--dry-run"]);
    let told = "note: the training split is too small for MISA, MuLT, Self-MM; `--step-remainder`";
    assert!(without.stderr().contains(told), "{}", without.explain());
    let with = call(&["--step-remainder"]);
    assert!(!with.stderr().contains("too small"), "{}", with.explain());
    let page = with.stdout();
    assert!(page.contains("1 run of 1 epoch per model") && !page.contains("Left out"), "{page}");
    assert!(page.contains(" end of an epoch take a step, which the released trainers"), "{page}");
    let run = folder.join("reproduced/mosi/runs/mult/seed-1");
    let remainder = read_config(&run).unwrap().hyper_parameters.training.remainder;
    assert_eq!(remainder, almt_data::run::preset::Remainder::Step);
}

#[test]
fn models_that_a_store_cannot_have_are_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(pickle) = real_data("mosi_text_minilm.pkl") else { return };
    let pickle = pickle.canonicalize().unwrap();
    almt(folder, &["convert", &pickle.to_string_lossy(), "-o", "text.h5"]).ok();
    let args = ["reproduce", "all", "--store", "text.h5", "--epochs", "1", "--dry-run"];
    let shown = almt(folder, &args).ok().stdout();
    let line = |name: &str| {
        let found = shown.lines().find(|line| line.trim_start().starts_with(name));
        found.unwrap_or_else(|| panic!("no {name}\n{shown}")).to_owned()
    };
    assert!(line("w/o Audio ").ends_with("left out: the store has no audio"), "{shown}");
    assert!(
        line("GRU")
            .ends_with("left out: without audio and vision there is nothing to fuse language with"),
        "{shown}"
    );
    assert!(line("ALMT").contains("3 of 3 runs to do"), "{shown}");
}

#[test]
fn worse_inputs_are_evaluated_alike_by_both_commands() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    let page = reproduce(folder, "robustness", &[]);
    // The inputs as they are, and three modalities with three kinds of four amounts.
    assert_eq!(page.lines().filter(|line| line.starts_with("| ")).count(), 2 + 36, "{page}");
    assert!(page.contains("| as they are | ") && page.contains("| +0.0000 |"), "{page}");
    let lines = rows(&text(folder, "out/robustness.csv"));
    let recorded = |modality: &str, kind: &str, amount: &str| -> f64 {
        let found = lines.iter().find(|row| {
            [&row[0], &row[1], &row[2], &row[3], &row[4]] == [modality, kind, amount, "2", "MAE"]
        });
        found.unwrap()[5].parse().unwrap()
    };
    let eval = |cache: &str, corrupt: &[&str]| -> serde_json::Value {
        let args =
            ["eval", "--store", "mosi.h5", "--checkpoint", "out/runs/almt/seed-2/best.safetensors"];
        let args = [&args[..], &["--json", "--cache", cache], corrupt].concat();
        serde_json::from_str(&almt(folder, &args).ok().stdout()).unwrap()
    };
    let clean = eval("memory", &[])["metrics"]["MAE"].as_f64().unwrap();
    assert!((recorded("", "", "0.0") - clean).abs() < 1e-6);
    for cache in ["memory", "disk"] {
        let worse = eval(cache, &["--corrupt", "vision:drop=0.5"]);
        let mae = worse["metrics"]["MAE"].as_f64().unwrap();
        assert!((recorded("vision", "drop", "0.5") - mae).abs() < 1e-6);
        assert!(mae != clean);
        assert_eq!(worse["corruptions"][0], "vision:drop=0.5");
        assert_eq!(worse["corrupt_seed"], 1);
    }
    let other = eval("memory", &["--corrupt", "vision:drop=0.5", "--corrupt-seed", "2"]);
    assert!(
        other["metrics"]["MAE"]
            != eval("memory", &["--corrupt", "vision:drop=0.5"])["metrics"]["MAE"]
    );
    let wrong = ["eval", "--store", "mosi.h5", "--checkpoint", "x", "--corrupt", "audio:fog=1"];
    let call = almt(folder, &wrong);
    assert_eq!(call.code(), 2, "{}", call.explain());
}

/// Asserts that a picture is one well-formed element that stands on its own.
fn check_svg(name: &str, svg: &str) {
    assert!(svg.starts_with("<svg ") && svg.contains("http://www.w3.org/2000/svg"), "{name}");
    let mut open: Vec<&str> = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, after) = part.split_once('>').unwrap_or_else(|| panic!("{name}: <{part}"));
        assert!(!after.contains('>') || open.last() == Some(&"style"), "{name}: {part}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{name}: {tag}");
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "{name}"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{name}: {open:?}");
    for unwanted in ["NaN", "=\"inf", " inf", "var(--", "<script", "url(", "href="] {
        assert!(!svg.contains(unwanted), "{name}: {unwanted}");
    }
    assert!(svg.contains("prefers-color-scheme: dark"), "{name}");
}

fn number(row: &csv::StringRecord, column: usize) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{row:?}"))
}

#[test]
fn the_figures_look_into_the_model_and_are_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    let figures = ["fig4", "fig5", "fig6", "fig7"];
    for figure in figures {
        let shown = reproduce(folder, figure, &[]);
        let page = text(folder, &format!("out/{figure}.md"));
        assert!(shown.contains(&page) && page.contains(&format!("]({figure}.svg)")), "{shown}");
    }
    let out = folder.join("out");
    assert_eq!(files(&out.join("runs")), ["almt", "misa"]);
    for picture in files(&out).iter().filter(|name| name.ends_with(".svg")) {
        check_svg(picture, &text(&out, picture));
    }

    // Figure 4: 8 tokens by 8 of audio and of vision, in both seeds; what the run itself recorded.
    let weights = rows(&text(&out, "fig4.csv"));
    assert_eq!(weights.len(), 2 * 8 * 8);
    let recorded = ["1", "2"].map(|seed| -> serde_json::Value {
        let path = format!("out/runs/almt/seed-{seed}/attention.json");
        serde_json::from_str(&text(folder, &path)).unwrap()
    });
    for of_row in weights.chunks(8) {
        let sum: f64 = of_row.iter().map(|row| number(row, 5)).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{of_row:?}");
    }
    for (row, map) in [(&weights[10], 0), (&weights[64 + 10], 1)] {
        assert_eq!((&row[1], &row[2], &row[3], &row[4]), ("3", "2", "3", "2"), "{row:?}");
        let of_seeds = recorded.each_ref().map(|record| {
            assert_eq!((&record["split"], &record["n_samples"]), (&"test".into(), &12.into()));
            record["maps"][map]["weights"][1][2].as_f64().unwrap()
        });
        assert!((number(row, 5) - (of_seeds[0] + of_seeds[1]) / 2.0).abs() < 1e-9, "{row:?}");
    }

    // Figure 5: audio and vision, tokens and frames, peak and another, no noise and five amounts.
    let curves = rows(&text(&out, "fig5.csv"));
    assert_eq!(curves.len(), 2 * 2 * 2 * 6);
    for row in &curves {
        assert_eq!(&row[4], "12", "{row:?}");
        let (relative, low, high) = (number(row, 6), number(row, 7), number(row, 8));
        assert!(low <= relative && relative <= high, "{row:?}");
        assert!(number(row, 3) > 0.0 || (relative, low, high) == (1.0, 1.0, 1.0), "{row:?}");
    }
    let sample = rows(&text(&out, "fig5-sample.csv"));
    assert_eq!(sample.len(), 2 * 8 * 8);
    let peaks = sample.iter().filter(|row| &row[3] == "true");
    assert_eq!(peaks.clone().count(), 2 * 8);
    // Only the peak's own key changed: the others share what it lost or gained, in proportion.
    for of_row in sample.chunks(8) {
        let sums = [4, 5].map(|column| of_row.iter().map(|row| number(row, column)).sum::<f64>());
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{of_row:?}");
    }

    // Figure 6: three representations of twelve segments; measures of both seeds.
    let map = rows(&text(&out, "fig6.csv"));
    assert_eq!(map.len(), 3 * 12);
    let measures = rows(&text(&out, "fig6-measures.csv"));
    // Audio and vision; each of three layers from audio and from vision, with both, and with language.
    assert_eq!(measures.len(), 2 * (1 + 3 + 3 + 3));
    assert!(measures.iter().all(|row| number(row, 2).abs() <= 1.0), "{measures:?}");

    // Figure 7: two splits of two epochs, as the runs wrote them down; the samples are too few for two of the
    // other models.
    let page = text(&out, "fig7.md");
    let (_, left_out) = page.split_once("\nLeft out:\n\n").unwrap();
    let lines: Vec<&str> = left_out.lines().collect();
    assert_eq!(lines.len(), 2, "{page}");
    for line in lines {
        assert!(line.starts_with("- ") && line.contains(": no step in an epoch of 24"), "{line}");
    }
    let epochs = rows(&text(&out, "fig7.csv"));
    assert_eq!(epochs.len(), 2 * 2 * 2);
    let of_seeds = ["1", "2"].map(|seed| -> f64 {
        let lines = text(folder, &format!("out/runs/almt/seed-{seed}/metrics.jsonl"));
        let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        last["valid"]["MAE"].as_f64().unwrap()
    });
    assert_eq!((&epochs[3][0], &epochs[3][1], &epochs[3][2]), ("ALMT", "valid", "2"));
    assert!((number(&epochs[3], 4) - (of_seeds[0] + of_seeds[1]) / 2.0).abs() < 1e-9);

    // From nothing, in another folder, and with features on the disk: the same bytes.
    for figure in figures {
        let args = ["reproduce", figure, "--store", "mosi.h5", "--out", "again", "--epochs", "2"];
        let more = ["--seeds", "1,2", "--threads=1", "--cache", "disk"];
        almt(folder, &[&args[..], &more].concat()).ok();
    }
    let again = folder.join("again");
    assert_eq!(files(&again), files(&out));
    for name in files(&out).iter().filter(|name| *name != "runs") {
        let bytes = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
        assert!(bytes(&out) == bytes(&again), "{name} differs");
    }
}

/// A store of text and perhaps vision, with as many segments of each split as asked for.
fn small_store(folder: &Path, name: &str, has_vision: bool, splits: &[(&str, usize)]) {
    let mut pickle = Writer::new(Vec::new()).unwrap();
    pickle.begin_dict().unwrap();
    for (split, n_samples) in splits {
        let array = |pickle: &mut Writer<Vec<u8>>, column: &str, shape: &[usize]| {
            let n_values = n_samples * shape.iter().product::<usize>();
            let values: Vec<f32> =
                (0..n_values).map(|idx| ((idx * 37) % 61) as f32 / 61.0).collect();
            pickle.key(column).unwrap();
            pickle.array_f32(&[&[*n_samples], shape].concat(), &values).unwrap();
        };
        pickle.key(split).unwrap();
        pickle.begin_dict().unwrap();
        pickle.key("id").unwrap();
        pickle.str_list((0..*n_samples).map(|idx| format!("{split}$_${idx}"))).unwrap();
        array(&mut pickle, "text", &[50, 768]);
        if has_vision {
            array(&mut pickle, "vision", &[50, 20]);
        }
        array(&mut pickle, "regression_labels", &[]);
        pickle.end_dict().unwrap();
    }
    pickle.end_dict().unwrap();
    std::fs::write(folder.join(format!("{name}.pkl")), pickle.finish().unwrap()).unwrap();
    almt(folder, &["convert", &format!("{name}.pkl"), "--dataset", "mosi"]).ok();
}

#[test]
fn figures_leave_out_what_a_store_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let splits = [("train", 6), ("valid", 4), ("test", 5)];
    small_store(folder, "seen", true, &splits);
    small_store(folder, "read", false, &splits);
    small_store(folder, "kept", true, &splits[..2]);
    let figure = |name: &str, store: &str| {
        let args = ["reproduce", name, "--store", store, "--epochs", "1", "--seeds", "1"];
        almt(folder, &args)
    };
    for name in ["fig4", "fig5", "fig6", "fig7"] {
        let seen = figure(name, "seen.h5").ok().stdout();
        assert!(!seen.contains("audio"), "{seen}");
        figure(name, "read.h5").ok();
    }
    let (seen, read) = (folder.join("reproduced/seen"), folder.join("reproduced/read"));
    assert_eq!(rows(&text(&seen, "fig4.csv")).len(), 8 * 8);
    assert_eq!(rows(&text(&seen, "fig6.csv")).len(), 2 * 5);
    let nothing = "neither audio nor vision";
    for name in ["fig4.md", "fig5.md", "fig6.md"] {
        assert!(text(&read, name).contains(nothing), "{name}: {}", text(&read, name));
    }
    let expected = ["fig4.csv", "fig4.md", "fig5-sample.csv", "fig5.csv", "fig5.md"];
    let more = ["fig6-measures.csv", "fig6.md", "fig7.csv", "fig7.md", "fig7.parquet", "fig7.svg"];
    assert_eq!(files(&read), [&expected[..], &more, &["runs"]].concat());

    for name in ["fig4", "fig5", "fig6", "robustness"] {
        figure(name, "kept.h5").fails_with(&["kept.h5", "the store has no test split"]);
    }
    figure("fig7", "kept.h5").ok();
    let all = ["reproduce", "all", "--store", "kept.h5", "--epochs", "1", "--dry-run"];
    let call = almt(folder, &all).ok();
    assert!(call.stderr().contains("Figure 4: average attention"), "{}", call.explain());
    assert!(!call.stdout().contains("Figure 4") && call.stdout().contains("Figure 7"));
}

/// BLAKE3 of all files below a folder, but for when and by which words they were made.
fn digests(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for name in files(&next) {
            let path = next.join(&name);
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = || std::fs::read_to_string(&path).unwrap();
            let timeless = |line: &str| {
                let mut json: serde_json::Value = serde_json::from_str(line).unwrap();
                json.as_object_mut().unwrap().retain(|key, _| !key.ends_with("seconds"));
                json.to_string()
            };
            let bytes = match &*name {
                "result.json" => timeless(&text()).into_bytes(),
                "metrics.jsonl" => text().lines().map(timeless).collect::<String>().into_bytes(),
                "config.toml" => {
                    let mut config: toml::Table = text().parse().unwrap();
                    config.remove("command");
                    config.to_string().into_bytes()
                }
                // Each of its records has the time.
                name if name.starts_with("events.") => Vec::new(),
                _ => std::fs::read(&path).unwrap(),
            };
            let digest = blake3::hash(&bytes).to_hex().to_string();
            found.insert(path.strip_prefix(folder).unwrap().to_owned(), digest);
        }
    }
    found
}

/// What the tests of whole experiments do; `ALMT_DATA_TEST_EXPERIMENT=all` takes minutes.
fn experiment() -> String {
    std::env::var("ALMT_DATA_TEST_EXPERIMENT").unwrap_or_else(|_| "table4".into())
}

/// A call of `reproduce` into a folder of its own.
fn reproduce_into<'a>(what: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["reproduce", what, "--store", "mosi.h5", "--out", out, "--epochs", "2"];
    args.extend(["--seeds", "2", "--threads", "1"]);
    args.extend(more);
    args
}

/// Run folders that are there, and whether the run is complete.
fn runs(out: &Path) -> Vec<(PathBuf, bool)> {
    let models = std::fs::read_dir(out.join("runs")).into_iter().flatten().flatten();
    let seeds = models.flat_map(|model| std::fs::read_dir(model.path()).unwrap().flatten());
    let runs = seeds.map(|seed| seed.path()).filter(|run| run.join("config.toml").exists());
    runs.map(|run| (run.clone(), run.join("result.json").exists())).collect()
}

#[test]
fn an_experiment_gives_the_same_bytes_again_and_after_a_kill_and_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    let what = experiment();
    almt(folder, &reproduce_into(&what, "one", &[])).ok();
    let expected = digests(&folder.join("one"));
    almt(folder, &reproduce_into(&what, "two", &[])).ok();
    assert_eq!(digests(&folder.join("two")), expected);

    // Killed when a third of the runs is complete and one is under way: it has done one epoch of two.
    let n_complete = expected.keys().filter(|path| path.ends_with("result.json")).count();
    #[cfg(target_os = "linux")]
    {
        let out = folder.join("killed");
        let args = reproduce_into(&what, "killed", &[]);
        let at = format!("/metrics.jsonl:{}", 2 * (n_complete / 3) + 2);
        killed(program(folder, &args), ("ALMT_FAULT_KILL_WRITE", &at));
        let left = runs(&out);
        let n_done = left.iter().filter(|(_, is_complete)| *is_complete).count();
        assert_eq!((n_done, left.len()), (n_complete / 3, n_complete / 3 + 1), "{left:?}");
        almt(folder, &args).ok();
        assert_eq!(digests(&out), expected);
    }

    let call = almt(folder, &reproduce_into(&what, "jobs", &["--jobs", "2"])).ok();
    assert_eq!(digests(&folder.join("jobs")), expected);
    let last = format!("({n_complete} of {n_complete})");
    assert!(call.stderr().contains(&last), "{}", call.explain());
}

/// Processes that a process has started and that have not ended.
#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<u32> {
    let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |pid: &u32| {
        // What follows the name of the program: its state and its parent.
        let stat = stat(*pid);
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        fields.next() != Some("Z") && fields.next() == Some(&*parent.to_string())
    };
    pids.filter(is_child).collect()
}

/// The letter that the system has for what a process does: `T` for one that was stopped, `Z` for one
/// that has ended; `None` for none.
#[cfg(target_os = "linux")]
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// A call with `--jobs 2` of which two workers are under way: both have done an epoch, and stand still.
#[cfg(target_os = "linux")]
fn two_workers(folder: &Path, what: &str) -> (Child, Vec<u32>) {
    let args = ["--jobs", "2", "--epochs", "3"];
    let mut args = [&["reproduce", what, "--store", "mosi.h5", "--out", "out"], &args[..]].concat();
    args.extend(["--seeds", "2", "--threads", "1"]);
    let mut command =
        with_faults(program(folder, &args), &[("ALMT_FAULT_STOP_WRITE", "/metrics.jsonl:2")]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut workers = Vec::new();
    while workers.len() < 2 || workers.iter().any(|pid| state(*pid) != Some('T')) {
        assert!(child.try_wait().unwrap().is_none(), "the call ended before two runs were begun");
        std::thread::sleep(Duration::from_millis(2));
        workers = children(child.id());
    }
    (child, workers)
}

#[cfg(target_os = "linux")]
fn send(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

#[test]
#[cfg(target_os = "linux")]
fn a_killed_worker_is_said_and_the_other_run_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "4");
    let (child, workers) = two_workers(folder, "fig4");
    send("-KILL", workers[0]);
    send("-CONT", workers[1]);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: out/runs/almt/seed-"), "{said}");
    assert!(said.contains("its process ended early (signal: 9 (SIGKILL))"), "{said}");
    assert!(said.contains("hint: 1 of 2 runs are complete and kept"), "{said}");
    let runs = runs(&folder.join("out"));
    assert_eq!(runs.iter().filter(|(_, is_complete)| *is_complete).count(), 1, "{runs:?}");
    assert!(!folder.join("out/fig4.csv").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn workers_end_with_the_process_that_waits_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "4");
    let (mut child, workers) = two_workers(folder, "fig4");
    child.kill().unwrap();
    child.wait().unwrap();
    // They stand still, so that they end by the system's hand or never.
    while workers.iter().any(|pid| !matches!(state(*pid), None | Some('Z' | 'X'))) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let runs = runs(&folder.join("out"));
    assert!(runs.iter().all(|(_, is_complete)| !is_complete), "{runs:?}");
}

#[test]
fn a_worker_without_a_run_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "4");
    let args = reproduce_into("fig4", "out", &["--worker"]);
    let mut command = program(folder, &args);
    command.stdin(Stdio::null());
    Call::of(command).fails_with(&["no run on standard input"]);
}
