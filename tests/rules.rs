//! One planted defect for each rule: exactly that rule finds it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use almt_data::corpus::balance::Balance;
use almt_data::corpus::check::{self, Finding, Report, Rule, SplitFacts};
use almt_data::corpus::column::{Column, ColumnKind};
use almt_data::corpus::label::LabelScale;
use almt_data::corpus::labels::LabelTable;
use almt_data::corpus::manifest::{Manifest, store_digest};
use almt_data::corpus::names::{FeatureNames, FeatureValues};
use almt_data::corpus::plan::SplitPlan;
use almt_data::corpus::scale::ScaleFile;
use almt_data::corpus::summary::Summary;
use almt_data::corpus::{Dataset, Modality, SplitName};
use almt_data::pickle::ScanLine;
use almt_data::store::{Store, StoreError};
use bytemuck::NoUninit;
use hdf5::types::VarLenUnicode;
use hdf5::{File, H5Type};
use serde_json::Value;

use crate::support::{almt, real_data, synthetic_store};

/// What a synthetic store has without any defect: too few samples, and videos of its own.
const BASELINE: [&str; 2] = ["AD003", "AD016"];

/// A small unaligned store of CMU-MOSI, and its file of labels.
fn base() -> &'static Path {
    static BASE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = BASE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        almt(folder.path(), &["synth", "--unaligned", "--samples", "8"]).ok();
        almt(folder.path(), &["convert", "mosi.pkl"]).ok();
        let path = folder.path().join("mosi.h5");
        (folder, path)
    });
    path
}

/// A store under the knife: columns change, and with them every digest but where that is the point.
pub(crate) struct Editor {
    pub(crate) file: File,
    pub(crate) manifest: Manifest,
}

impl Editor {
    pub(crate) fn open(path: &Path) -> Editor {
        let manifest = Store::open(path).unwrap().manifest().clone();
        // A lock would go with its descriptor to the programs that other tests start meanwhile.
        let file = File::with_options().with_fapl(|fapl| fapl.file_locking(false)).open_rw(path);
        Editor { file: file.unwrap(), manifest }
    }

    pub(crate) fn numbers<T: H5Type + NoUninit>(
        &mut self,
        path: &str,
        edit: impl FnOnce(&mut Vec<T>),
    ) {
        let dataset = self.file.dataset(path).unwrap();
        let mut values: Vec<T> = dataset.read_raw().unwrap();
        edit(&mut values);
        dataset.as_writer().write_raw(&values).unwrap();
        let digest = blake3::hash(bytemuck::cast_slice(&values)).to_hex().to_string();
        self.column(path).blake3 = digest;
    }

    pub(crate) fn strings(&mut self, path: &str, edit: impl FnOnce(&mut Vec<String>)) {
        let dataset = self.file.dataset(path).unwrap();
        let values: Vec<VarLenUnicode> = dataset.read_raw().unwrap();
        let mut values: Vec<String> = values.iter().map(|value| value.to_string()).collect();
        edit(&mut values);
        let mut hasher = blake3::Hasher::new();
        for value in &values {
            hasher.update(&(value.len() as u64).to_le_bytes()).update(value.as_bytes());
        }
        self.column(path).blake3 = hasher.finalize().to_hex().to_string();
        let unicode: Vec<VarLenUnicode> = values.iter().map(|v| v.parse().unwrap()).collect();
        dataset.as_writer().write_raw(&unicode).unwrap();
    }

    pub(crate) fn id(&mut self, split: SplitName, row: usize, id: &str) {
        self.strings(&format!("/{split}/id"), |ids| ids[row] = id.into());
        let entry = self.manifest.splits.iter_mut().find(|entry| entry.name == split).unwrap();
        entry.ids[row] = id.into();
    }

    /// Gives the audio of a split a feature more.
    fn wider_audio(&mut self, split: SplitName) {
        let n_samples = self.manifest.split(split).unwrap().ids.len();
        // Others in each split.
        let own = split as usize as f32 / 10.0;
        let values: Vec<f32> = (0..n_samples * 375 * 6).map(|i| own + (i % 1009) as f32).collect();
        self.numbers::<i32>(&format!("/{split}/audio_lengths"), |lengths| lengths.fill(375));
        self.create(&format!("/{split}/audio"), "float32", &[n_samples, 375, 6], &values);
    }

    /// Changes a label and all that is derived from it.
    pub(crate) fn label(&mut self, split: SplitName, row: usize, label: f32) {
        self.numbers::<f32>(&format!("/{split}/regression_labels"), |labels| labels[row] = label);
        let class = 1 + i32::from(label > 0.0) - i32::from(label < 0.0);
        let classes = format!("/{split}/classification_labels");
        self.numbers::<i32>(&classes, |classes| classes[row] = class);
        let word = ["Negative", "Neutral", "Positive"][class as usize];
        self.strings(&format!("/{split}/annotations"), |words| words[row] = word.into());
        let scale = LabelScale::Cmu;
        for bins in scale.bins().iter() {
            let class = scale.class(*bins, label);
            let path = format!("/{split}/{}", bins.column());
            self.numbers::<i8>(&path, |classes| classes[row] = class);
        }
    }

    /// Makes a column, in place of the one of that name where there is one.
    pub(crate) fn create<T: H5Type + NoUninit>(
        &mut self,
        path: &str,
        dtype: &str,
        shape: &[usize],
        values: &[T],
    ) {
        if self.file.dataset(path).is_ok() {
            self.file.unlink(path).unwrap();
            self.manifest.columns.retain(|column| column.id.to_string() != path);
        }
        let dataset = self.file.new_dataset::<T>().shape(shape.to_vec()).create(path).unwrap();
        dataset.as_writer().write_raw(values).unwrap();
        let blake3 = blake3::hash(bytemuck::cast_slice(values)).to_hex().to_string();
        let (id, dtype) = (path.parse().unwrap(), dtype.parse().unwrap());
        let column = Column { id, dtype, shape: shape.into(), blake3 };
        self.manifest.columns.push(column);
    }

    pub(crate) fn remove(&mut self, path: &str) {
        self.file.unlink(path).unwrap();
        self.manifest.columns.retain(|column| column.id.to_string() != path);
    }

    pub(crate) fn column(&mut self, path: &str) -> &mut Column {
        self.manifest.columns.iter_mut().find(|column| column.id.to_string() == path).unwrap()
    }

    /// Copies a row of a feature block with its length.
    fn copy_row(&mut self, name: &str, from: (SplitName, usize), to: (SplitName, usize)) {
        let shape = self.column(&format!("/{}/{name}", from.0)).shape.clone();
        let row_len = shape[1] * shape[2];
        let values: Vec<f32> =
            self.file.dataset(&format!("/{}/{name}", from.0)).unwrap().read_raw().unwrap();
        let row = values[from.1 * row_len..][..row_len].to_vec();
        self.numbers::<f32>(&format!("/{}/{name}", to.0), |values| {
            values[to.1 * row_len..][..row_len].copy_from_slice(&row);
        });
        if name != "text" {
            let lengths = |split| format!("/{split}/{name}_lengths");
            let all: Vec<i32> = self.file.dataset(&lengths(from.0)).unwrap().read_raw().unwrap();
            self.numbers::<i32>(&lengths(to.0), |lengths| lengths[to.1] = all[from.1]);
        }
    }

    pub(crate) fn seal(mut self) {
        self.manifest.digest = store_digest(&self.manifest.columns);
        let json = serde_json::to_string(&self.manifest).unwrap();
        let digest = blake3::hash(json.as_bytes()).to_hex().to_string();
        for (name, text) in [("manifest", json), ("manifest_blake3", digest)] {
            let value: VarLenUnicode = text.parse().unwrap();
            self.file.attr(name).unwrap().write_scalar(&value).unwrap();
        }
        // As in a store of the first versions, whose files have no digest but those of their
        // columns: the planted defect is to be the only one.
        if self.file.attr("seal").is_ok() {
            self.file.delete_attr("seal").unwrap();
        }
    }
}

/// Rules that the defect fires beyond those of the untouched store.
fn beyond_baseline(findings: &[Finding]) -> BTreeSet<&'static str> {
    findings.iter().map(|finding| finding.rule).filter(|id| !BASELINE.contains(id)).collect()
}

fn check(rule: Rule, edit: impl FnOnce(&mut Editor)) {
    check_all(&[rule], edit);
}

fn check_all(rules: &[Rule], edit: impl FnOnce(&mut Editor)) {
    let findings = planted(base(), edit).unwrap();
    let expected: BTreeSet<&str> = rules.iter().map(|rule| rule.id()).collect();
    assert_eq!(beyond_baseline(&findings), expected, "{findings:#?}");
}

/// The findings about a copy of a store after `edit`.
fn planted(base: &Path, edit: impl FnOnce(&mut Editor)) -> Result<Vec<Finding>, StoreError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("planted.h5");
    std::fs::copy(base, &path).unwrap();
    let mut editor = Editor::open(&path);
    edit(&mut editor);
    editor.seal();
    Ok(Store::open(&path)?.verify(None, &|_| {})?.findings)
}

/// The findings of one rule, as they are printed.
fn shown(findings: &[Finding], rule: Rule) -> Vec<String> {
    let of_rule = findings.iter().filter(|finding| finding.rule == rule.id());
    of_rule.map(ToString::to_string).collect()
}

const TRAIN: SplitName = SplitName::Train;
const TEST: SplitName = SplitName::Test;

#[test]
fn the_untouched_store_has_its_baseline_only() {
    let findings = Store::open(base()).unwrap().verify(None, &|_| {}).unwrap().findings;
    let found: BTreeSet<&str> = findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(found, BTreeSet::from(BASELINE), "{findings:#?}");
}

#[test]
fn defects_of_shapes_and_digests_are_found() {
    check(Rule::Digest, |store| {
        let recorded = store.column("/train/audio").blake3.clone();
        store.numbers::<f32>("/train/audio", |values| values[0] += 1.0);
        store.column("/train/audio").blake3 = recorded;
    });
    check(Rule::Dims, |store| {
        SplitName::ALL.into_iter().for_each(|split| store.wider_audio(split));
    });
    check(Rule::Untrainable, |store| store.wider_audio(TEST));
    check(Rule::NoText, |store| {
        store.manifest.columns.retain(|column| column.modality() != Some(Modality::Text));
    });
    check(Rule::MissingSplit, |store| {
        store.manifest.splits.retain(|split| split.name != SplitName::Valid);
        store.manifest.columns.retain(|column| column.id.split != SplitName::Valid);
    });
}

#[test]
fn defects_of_labels_are_found() {
    check(Rule::Unlabelled, |store| {
        let is_of_labels = |column: &Column| {
            let kind = &column.id.kind;
            column.id.split == TEST
                && matches!(kind, ColumnKind::RegressionLabels | ColumnKind::Bins(_))
        };
        store.manifest.columns.retain(|column| !is_of_labels(column));
    });
    check(Rule::LabelRange, |store| store.label(TRAIN, 0, 3.4));
    check(Rule::MissingLabel, |store| store.label(TRAIN, 0, f32::NAN));
    check(Rule::LabelRange, |store| {
        store.create("/train/regression_labels_A", "float32", &[8], &[-4.0_f32; 8]);
    });
    check(Rule::MissingLabel, |store| store.label(TRAIN, 0, f32::INFINITY));
    check(Rule::OtherLabel, |store| {
        let labels = [f32::NAN, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        store.create("/train/regression_labels_A", "float32", &[8], &labels);
    });
    check(Rule::OtherLabel, |store| {
        let mut emotions = [0.0_f32; 48];
        emotions[7] = f32::NAN;
        store.create("/train/emotion_labels", "float32", &[8, 6], &emotions);
    });
    check(Rule::LabelGrid, |store| store.label(TRAIN, 0, 1.07));
    check(Rule::ClassLabel, |store| {
        store.label(TRAIN, 0, 1.0);
        store.numbers::<i32>("/train/classification_labels", |classes| classes[0] = 0);
    });
    check(Rule::Annotation, |store| {
        store.label(TRAIN, 0, -0.5);
        store.strings("/train/annotations", |words| words[0] = "Neutral".into());
    });
    check(Rule::BinsDiffer, |store| {
        store.numbers::<i8>("/test/bins/acc_7", |classes| classes[1] = (classes[1] + 1) % 7);
    });
}

#[test]
fn defects_of_ids_are_found() {
    check(Rule::DuplicateId, |store| store.id(TRAIN, 1, "synth_train_0000$_$0"));
    check(Rule::Leakage, |store| store.id(TEST, 0, "synth_train_0000$_$9"));
    check_all(&[Rule::DuplicateId, Rule::IdForm], |store| {
        store.id(TRAIN, 1, "synth_train_0000$_$0 ");
    });
    check_all(&[Rule::Leakage, Rule::IdForm], |store| store.id(TEST, 0, " synth_train_0000$_$9"));
    check(Rule::IdForm, |store| store.id(TRAIN, 0, "first"));
    check(Rule::IdForm, |store| store.id(TRAIN, 0, "synth_train_0000$_$0\n"));
    check(Rule::IdForm, |store| store.id(TRAIN, 0, "synth_train_0000[0]"));
    check(Rule::FoldSplit, |store| store.id(TEST, 0, "03bSnISJMiM$_$1"));
}

#[test]
fn defects_of_values_are_found() {
    check(Rule::NonFinite, |store| {
        store.numbers::<f32>("/train/audio", |values| values[0] = f32::NAN);
    });
    check(Rule::LengthRange, |store| {
        store.numbers::<i32>("/train/audio_lengths", |lengths| lengths[0] = 376);
    });
    check(Rule::BeyondLength, |store| {
        store.numbers::<i32>("/train/audio_lengths", |lengths| lengths[0] = 5);
    });
    check(Rule::ZeroSample, |store| {
        store.numbers::<f32>("/train/vision", |values| values[..500 * 20].fill(0.0));
    });
    check(Rule::ConstantFeature, |store| {
        store.numbers::<f32>("/train/vision", |values| {
            let frames = values.chunks_mut(20).filter(|frame| frame[1] != 0.0);
            frames.for_each(|frame| frame[3] = 0.5);
        });
    });
    check(Rule::Extreme, |store| {
        store.numbers::<f32>("/test/audio", |values| values[0] = -2e4);
    });
}

/// Names of the five acoustic features of the base.
fn audio_names(names: [&str; 5], values: FeatureValues) -> FeatureNames {
    FeatureNames { set: None, values, names: names.map(String::from).into() }
}

#[test]
fn values_that_the_name_of_their_feature_rules_out_are_counted() {
    let plant = |names: [&str; 5], values: FeatureValues| {
        planted(base(), |store| {
            let names = audio_names(names, values);
            store.manifest.features.insert(Modality::Audio, names);
            for split in SplitName::ALL {
                store.numbers::<f32>(&format!("/{split}/audio"), |values| {
                    let frames = values.chunks_mut(5).enumerate();
                    let frames = frames.filter(|(_, frame)| frame[2] != 0.0);
                    frames.for_each(|(idx, frame)| {
                        frame[0] = (idx % 2) as f32;
                        frame[1] = 0.5 + (idx % 3) as f32 / 8.0;
                    });
                });
            }
            // In the first two frames of the second sample.
            store.numbers::<f32>("/train/audio", |values| {
                values[375 * 5] = 0.75;
                values[376 * 5] = 2.0;
                values[376 * 5 + 1] = -0.25;
            });
        })
        .unwrap()
    };
    let id = &Store::open(base()).unwrap().ids(TRAIN)[1].clone();
    let found = plant(["VUV", "confidence", "F0", "b", "c"], FeatureValues::Frames);
    assert_eq!(beyond_baseline(&found), BTreeSet::from([Rule::NamedFeature.id()]), "{found:#?}");
    let expected = format!(
        "warning AD046: train/audio: 2 features have values that their names rule out: VUV 2 \
         outside {{0, 1}}, confidence 1 outside [0, 1] (such as {id}: VUV 0.75, {id}: confidence \
         -0.25)"
    );
    assert_eq!(shown(&found, Rule::NamedFeature), [expected]);
    // Means of flags lie between them; nothing follows from the names of rescaled values.
    let found = plant(["AU12_c", "a", "F0", "b", "c"], FeatureValues::Averaged);
    let expected = format!(
        "warning AD046: train/audio: 1 feature has values that its name rules out: AU12_c 1 \
         outside [0, 1] (such as {id}: AU12_c 2)"
    );
    assert_eq!(shown(&found, Rule::NamedFeature), [expected]);
    for (names, values) in [
        (["VUV", "confidence", "F0", "b", "c"], FeatureValues::Scaled),
        (["a", "b", "c", "d", "e"], FeatureValues::Frames),
    ] {
        let found = plant(names, values);
        assert!(beyond_baseline(&found).is_empty(), "{found:#?}");
    }
}

#[test]
fn names_of_other_features_than_the_store_has_are_damage() {
    let refused = planted(base(), |store| {
        let mut names = audio_names(["a", "b", "c", "d", "e"], FeatureValues::Frames);
        names.names.pop();
        store.manifest.features.insert(Modality::Audio, names);
    });
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("/train/audio: 4 names of audio features do not fit"), "{refused}");
}

#[test]
fn videos_that_a_store_of_segments_shares_are_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let sims = synthetic_store(folder.path(), "sims", "8");
    let untouched = planted(&sims, |_| ()).unwrap();
    assert!(shown(&untouched, Rule::SharedVideos).is_empty(), "{untouched:#?}");
    let found = planted(&sims, |store| store.id(TEST, 0, "synth_train_0000$_$9")).unwrap();
    let expected = "warning AD047: the store's own splits: 1 of 2 training videos also in test (such \
                    as synth_train_0000 in train and test)";
    assert_eq!(shown(&found, Rule::SharedVideos), [expected]);
    let advice =
        found.iter().find(|finding| finding.rule == Rule::SharedVideos.id()).unwrap().advice;
    assert!(advice.contains("--by video"), "{advice}");
}

/// Facts about splits with these ids and no features, in the order of [`SplitName::ALL`].
fn facts(ids: [Vec<String>; 3]) -> Vec<SplitFacts> {
    let of_split = |(name, ids): (SplitName, Vec<String>)| SplitFacts {
        name,
        labels: vec![0.0; ids.len()],
        ids,
        classes: None,
        emotions: None,
        annotations: None,
        blocks: BTreeMap::new(),
        has_words: true,
    };
    SplitName::ALL.into_iter().zip(ids).map(of_split).collect()
}

#[test]
fn the_published_splits_of_ch_sims_share_the_videos_that_they_are_known_to_share() {
    let expected = [
        ("sims_labels.csv", Dataset::Sims, "59 of 60 training videos also in test, 59 in valid"),
        (
            "simsv2_labels.csv",
            Dataset::Simsv2,
            "128 of 134 training videos also in test, 119 in valid",
        ),
    ];
    for (name, dataset, figures) in expected {
        let Some(path) = real_data(name) else { return };
        let mut ids = [vec![], vec![], vec![]];
        for row in csv::Reader::from_path(&path).unwrap().deserialize() {
            let row: BTreeMap<String, String> = row.unwrap();
            let split: SplitName = row["mode"].parse().unwrap();
            ids[split as usize].push(format!("{}$_${}", row["video_id"], row["clip_id"]));
        }
        let scale = LabelScale::published(dataset).unwrap();
        let published = check::check(dataset, scale, &facts(ids.clone()));
        let published = shown(&published, Rule::SharedVideos).concat();
        let start = format!("info AD047: published splits: {figures} (such as ");
        assert!(published.starts_with(&start), "{published}");
        // Without a video of train, the splits are not the published ones.
        let video = ids[0][0].split('$').next().unwrap().to_owned();
        ids[0].retain(|id| !id.starts_with(&format!("{video}$")));
        let other = shown(&check::check(dataset, scale, &facts(ids)), Rule::SharedVideos).concat();
        assert!(other.starts_with("warning AD047: the store's own splits: "), "{other}");
    }
}

#[test]
fn the_same_content_under_two_ids_is_found() {
    let all = ["text", "audio", "vision"];
    check(Rule::SameSegment, |store| {
        all.iter().for_each(|name| store.copy_row(name, (TRAIN, 0), (TRAIN, 1)));
    });
    check(Rule::SameSegmentAcross, |store| {
        all.iter().for_each(|name| store.copy_row(name, (TRAIN, 0), (TEST, 1)));
    });
    check(Rule::SameBlock, |store| store.copy_row("vision", (TRAIN, 0), (TEST, 1)));
}

#[test]
fn defects_of_tokens_are_found() {
    let tokens = "/train/text_bert";
    let (ids, mask) = (0, 50);
    check(Rule::TokenMask, |store| store.numbers::<i32>(tokens, |values| values[mask + 1] = 0));
    check(Rule::TokenPadding, |store| {
        store.numbers::<i32>(tokens, |values| {
            // The last token of the first row is taken out of the mask, its id is left.
            let n_tokens = values[mask..mask + 50].iter().sum::<i32>() as usize;
            values[mask + n_tokens - 1] = 0;
            values[ids + n_tokens - 2] = 102;
        });
    });
    check(Rule::TokenEnds, |store| store.numbers::<i32>(tokens, |values| values[ids] = 2003));
    check(Rule::TokenLength, |store| {
        let values: Vec<i32> = store.file.dataset(tokens).unwrap().read_raw().unwrap();
        let mut lengths: Vec<i32> =
            values.chunks(150).map(|row| row[mask..mask + 50].iter().sum()).collect();
        lengths[3] += 1;
        store.create("/train/text_lengths", "int32", &[8], &lengths);
    });
}

/// Compares the untouched store with the table that it agrees with, after `edit` of the fields; a
/// row that `edit` says false of is left out. Rows of other splits than train have no number.
fn check_table(rule: Option<Rule>, edit: impl Fn(usize, &mut [String; 4]) -> bool) {
    let store = Store::open(base()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("label.csv");
    let mut writer = csv::Writer::from_path(&path).unwrap();
    writer.write_record(["id", "text", "label", "mode"]).unwrap();
    for split in SplitName::ALL {
        let texts = store.strings(&ColumnKind::RawText.of(split)).unwrap().unwrap();
        let labels = store.labels(split).unwrap().unwrap();
        for (row, id) in store.ids(split).iter().enumerate() {
            let id = id.replace("$_$", "_");
            let text = texts[row].to_uppercase() + ".";
            let mut fields = [id, text, labels[row].to_string(), split.to_string()];
            let row = if split == TRAIN { row } else { usize::MAX };
            if edit(row, &mut fields) {
                writer.write_record(&fields).unwrap();
            }
        }
    }
    if rule == Some(Rule::MissingSample) {
        writer.write_record(["other_1", "well", "0", "train"]).unwrap();
    }
    writer.flush().unwrap();
    let table = LabelTable::open(&path).unwrap();
    let findings = store.verify(Some(&table), &|_| {}).unwrap().findings;
    let expected: BTreeSet<&str> = rule.iter().map(|rule| rule.id()).collect();
    assert_eq!(beyond_baseline(&findings), expected, "{findings:#?}");
}

#[test]
fn a_store_is_compared_with_a_table_of_labels() {
    check_table(None, |_, _| true);
    check_table(Some(Rule::MissingSample), |_, _| true);
    check_table(Some(Rule::SurplusSample), |row, _| row != 2);
    check_table(Some(Rule::LabelDiffers), |row, fields| {
        if row == 2 {
            fields[2] = "9".into();
        }
        true
    });
    check_table(Some(Rule::TextDiffers), |row, fields| {
        fields[1] = if row == 2 { "other words".into() } else { fields[1].clone() };
        true
    });
    check_table(Some(Rule::SplitDiffers), |row, fields| {
        fields[3] = if row == 2 { "test".into() } else { fields[3].clone() };
        true
    });
}

#[test]
fn every_rule_has_a_planted_defect() {
    let tests = [include_str!("rules.rs"), include_str!("csd.rs")].concat();
    let is_planted =
        |rule: &Rule| tests.contains(&format!("Rule::{rule:?}")) || BASELINE.contains(&rule.id());
    let absent: Vec<_> = Rule::ALL.iter().filter(|rule| !is_planted(rule)).collect();
    assert!(absent.is_empty(), "{absent:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file that is written from the code.
fn check_written(name: &str, found: &str) {
    let path = root().join(name);
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{name} is out of date: UPDATE_FIXTURES=1 writes it again");
}

#[test]
fn the_page_of_rules_and_the_schemas_are_those_of_the_code() {
    check_written("docs/validation.md", &Rule::page());
    for (name, schema) in [
        ("validation", Report::schema()),
        ("stats", Summary::schema()),
        ("manifest", SplitPlan::schema()),
        ("labels", Balance::schema()),
        ("scan", ScanLine::schema()),
        ("store", Manifest::schema()),
        ("label-scale", ScaleFile::schema()),
        ("config", almt_data::run::settings::TrainSettings::schema()),
        ("result", almt_data::run::record::RunResult::schema()),
        ("epoch", almt_data::run::record::EpochRecord::schema()),
        ("attention", almt_data::run::attention::AttentionRecord::schema()),
        ("evaluation", almt_data::run::record::Evaluation::schema()),
        #[cfg(feature = "train")]
        ("models", almt_data::model::listing::ModelLine::schema()),
        ("comparison", almt_data::run::compare::Comparison::schema()),
    ] {
        let schema = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        check_written(&format!("schemas/{name}.schema.json"), &schema);
    }
}

/// Asserts that `value` is what the schema says, for the few keywords that our schemas use.
pub fn check_schema(schema: &Value, value: &Value) {
    let problem = mismatch(schema, schema, value, "$");
    assert_eq!(problem, None, "{value:#}");
}

fn mismatch(root: &Value, schema: &Value, value: &Value, place: &str) -> Option<String> {
    if let Some(target) = schema["$ref"].as_str() {
        let target = root.pointer(target.trim_start_matches('#')).expect("a definition");
        return mismatch(root, target, value, place);
    }
    for alternatives in ["anyOf", "oneOf"] {
        if let Some(all) = schema[alternatives].as_array()
            && all.iter().all(|one| mismatch(root, one, value, place).is_some())
        {
            return Some(format!("{place}: none of {alternatives}"));
        }
    }
    let known = schema["enum"].as_array().is_none_or(|known| known.contains(value));
    if !known || schema.get("const").is_some_and(|only| only != value) {
        return Some(format!("{place}: {value} is not allowed"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(only) => vec![only],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    if !types.is_empty() && !types.iter().any(|name| is(name)) {
        return Some(format!("{place}: expected {types:?}, found {value}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            return Some(format!("{place}: lacks {name}"));
        }
    }
    let items = value.as_array().into_iter().flatten();
    let items = items.map(|item| (&schema["items"], item, format!("{place}[]")));
    // Alternatives name the fields themselves.
    let names_fields = ["properties", "additionalProperties"].iter().any(|k| !schema[*k].is_null());
    let fields = value.as_object().filter(|_| names_fields).into_iter().flatten();
    let fields = fields.map(|(name, field)| {
        let known = schema["properties"].get(name);
        (known.unwrap_or(&schema["additionalProperties"]), field, format!("{place}.{name}"))
    });
    items.chain(fields).find_map(|(schema, value, place)| {
        // Our types have no fields but those that they name.
        let named = schema.is_object() || schema == &Value::Bool(true);
        if named {
            mismatch(root, schema, value, &place)
        } else {
            Some(format!("{place}: unknown"))
        }
    })
}

/// Reports as `validate --json` prints them, which follow their schema.
pub fn reports(json: &str) -> Vec<Value> {
    let reports: Value = serde_json::from_str(json).unwrap();
    let schema = serde_json::to_value(Report::schema()).unwrap();
    check_schema(&schema, &reports);
    reports.as_array().unwrap().clone()
}

#[test]
fn strict_makes_errors_of_warnings_and_every_report_follows_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "sims", "4");
    std::fs::write(folder.path().join("bad.h5"), "no store").unwrap();
    let json = almt(folder.path(), &["validate", "sims.h5", "--json"]).ok().stdout();
    assert_eq!(reports(&json)[0]["findings"][0]["severity"], "warning");
    let strict = almt(folder.path(), &["validate", "sims.h5", "--json", "--strict"]);
    assert_eq!(strict.code(), 1, "{}", strict.explain());
    let report = &reports(&strict.stdout())[0];
    assert_eq!(
        (&report["valid"], &report["findings"][0]["severity"]),
        (&false.into(), &"error".into())
    );
    let both = almt(folder.path(), &["validate", "--json"]);
    assert_eq!(both.code(), 1);
    assert!(reports(&both.stdout())[0]["failure"].is_string());
    std::fs::write(folder.path().join("label.csv"), "id,label\na_1,high\n").unwrap();
    almt(folder.path(), &["validate", "sims.h5", "--labels", "label.csv"]).fails_with(&[
        "label.csv",
        "line 2",
        "expected a number, found `high`",
    ]);
}

/// Counts that were looked at one by one: the text features repeat where the words do, and MISA's
/// loader leaves out words for which GloVe has no vector.
#[test]
fn the_real_files_have_the_findings_that_were_judged_true() {
    let Some(table) = real_data("mosi_labels.csv") else { return };
    let judged = [
        ("mosi_text_minilm.pkl", &["AD019", "AD025", "AD025", "AD025"][..]),
        ("mosi_valid_misa.pkl", &["AD004", "AD004", "AD017", "AD023", "AD025", "AD034"]),
    ];
    for (name, expected) in judged {
        let Some(pickle) = real_data(name) else { return };
        let folder = tempfile::tempdir().unwrap();
        let path = pickle.to_str().unwrap();
        almt(folder.path(), &["convert", path, "-o", "real.h5", "--no-sync"]).ok();
        let labels = table.to_str().unwrap();
        let call = almt(folder.path(), &["validate", "real.h5", "--labels", labels, "--json"]).ok();
        let reports = reports(&call.stdout());
        let findings = reports[0]["findings"].as_array().unwrap();
        let found: Vec<&str> = findings.iter().filter_map(|f| f["rule"].as_str()).collect();
        assert_eq!(found, expected, "{name}\n{findings:#?}");
    }
}
