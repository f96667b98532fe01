//! The schema of the data that a model was trained on, and how those of another store differ from it.
//!
//! A model reads numbers without names. Features in another order, of another extractor or pooled in
//! another way have the same shape and another meaning: the schema tells them apart.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Modality;
use super::column::ColumnKind;
use super::manifest::{Alignment, Manifest, TextEncoder};
use super::names::FeatureNames;
use super::values::ValueKind;
use crate::words::plural;

/// What a model sees of a store, and how that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSchema {
    /// Relation of the frames; absent with fewer than two modalities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Alignment>,
    /// The modalities that the model sees.
    pub modalities: BTreeMap<Modality, ModalitySchema>,
}

/// What a model sees of one modality.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModalitySchema {
    /// Steps of the longest split; of texts that an encoder reads, tokens.
    pub seq_len: usize,
    /// Features per step.
    pub feat_dim: usize,
    /// What computes or computed text features; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderSchema>,
    /// Names of the features; absent if the store has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<FeatureNames>,
    /// How the features were made, by the name of the policy in the store's manifest, such as `pool`,
    /// `length` or `failed_faces.action`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, String>,
}

/// A text encoder and its vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncoderSchema {
    /// Name of the encoder's folder.
    pub name: String,
    /// SHA-256 of the file with its weights, lower-case hexadecimal.
    pub sha256: String,
    /// The column that it reads: `text_bert`, or `raw_text` with its own tokenizer.
    pub source: String,
    /// BLAKE3 of what the tokenizer of these tokens was read from; absent if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer_blake3: Option<String>,
    /// Whether it is part of the model; otherwise it computed the features of the store.
    #[serde(default)]
    pub is_in_model: bool,
}

impl From<&TextEncoder> for EncoderSchema {
    fn from(encoder: &TextEncoder) -> EncoderSchema {
        EncoderSchema {
            name: encoder.name.clone(),
            sha256: encoder.sha256.clone(),
            source: encoder.source.clone(),
            tokenizer_blake3: encoder.tokenizer_blake3.clone(),
            is_in_model: false,
        }
    }
}

/// A respect in which a store differs from what a model was trained on, with both values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDifference {
    /// In words, on one line.
    pub words: String,
    /// What follows from it.
    pub weight: Weight,
}

/// What follows from a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The same numbers mean something else: predictions are meaningless.
    Meaning,
    /// The features were made in another way: predictions may be worse.
    Making,
    /// One of both stores does not record it.
    Unrecorded,
}

/// Policies that decide what a step of a modality is. With another one, the same numbers mean something
/// else.
const OF_A_STEP: [&str; 7] = ["aligned", "border", "pauses", "pool", "pooling", "steps", "values"];

/// Value of `steps` of features whose steps are frames, and not words.
const FRAMES: &str = "frames";

/// Policies that record no decision: extents, which the schema has already, and what was found in the
/// source.
const FOUND: [&str; 4] = ["blake3", "kinds", "max_len", "seq_len"];

impl DataSchema {
    /// The schema of some modalities of a store.
    pub fn of(manifest: &Manifest, modalities: &[Modality]) -> DataSchema {
        let of_modality =
            |modality: &Modality| (*modality, ModalitySchema::of(manifest, *modality));
        DataSchema {
            alignment: manifest.alignment.filter(|_| modalities.len() > 1),
            modalities: modalities.iter().map(of_modality).collect(),
        }
    }

    /// How a store with the schema `found` differs from the data of this one, in the modalities of this
    /// one. Extents are not compared: a model has its own.
    pub fn differences(&self, found: &DataSchema) -> Vec<DataDifference> {
        let mut all = Vec::new();
        for (modality, trained) in &self.modalities {
            let Some(found) = found.modalities.get(modality) else { continue };
            let of_modality = trained.differences(found).into_iter();
            all.extend(of_modality.map(|difference| DataDifference {
                words: format!("{modality}: {}", difference.words),
                ..difference
            }));
        }
        if let (Some(trained), Some(found)) = (self.alignment, found.alignment)
            && trained != found
        {
            let words = format!("{} here, {} in training", found.name(), trained.name());
            all.push(DataDifference { words, weight: Weight::Making });
        }
        all
    }
}

impl ModalitySchema {
    fn of(manifest: &Manifest, modality: Modality) -> ModalitySchema {
        let mut schema = ModalitySchema {
            names: manifest.features.get(&modality).cloned(),
            policies: policies(manifest, modality),
            ..ModalitySchema::default()
        };
        for column in manifest.columns.iter().filter(|it| it.modality() == Some(modality)) {
            if let &[_, seq_len, feat_dim] = &*column.shape {
                schema.seq_len = schema.seq_len.max(seq_len);
                schema.feat_dim = feat_dim;
            }
        }
        if let Some(encoder) = &manifest.text_encoder
            && modality == Modality::Text
        {
            schema.encoder = Some(encoder.into());
        }
        schema
    }

    /// Text that an encoder in the model reads, as `seq_len` tokens, in place of the store's features.
    /// If the tokens are those of the store, so is their vocabulary.
    pub fn of_tokens(encoder: EncoderSchema, seq_len: usize, feat_dim: usize) -> ModalitySchema {
        ModalitySchema { seq_len, feat_dim, encoder: Some(encoder), ..ModalitySchema::default() }
    }

    fn differences(&self, found: &ModalitySchema) -> Vec<DataDifference> {
        let mut all = Vec::new();
        let is_in_model = self.encoder.as_ref().is_some_and(|encoder| encoder.is_in_model);
        all.extend(encoder_difference(self.encoder.as_ref(), found.encoder.as_ref()));
        if is_in_model {
            return all;
        }
        all.extend(name_difference(self.names.as_ref(), found.names.as_ref()));
        for (policy, trained) in &self.policies {
            match found.policies.get(policy) {
                Some(found) if found == trained => {}
                Some(found) => all.push(DataDifference {
                    words: format!("`{policy}` is {found} here, {trained} in training"),
                    weight: match is_of_a_step(policy) {
                        true => Weight::Meaning,
                        false => Weight::Making,
                    },
                }),
                None => all.extend(one_sided(policy, trained, "in training", "here")),
            }
        }
        let is_new = |(policy, _): &(&String, &String)| !self.policies.contains_key(*policy);
        let new = found.policies.iter().filter(is_new);
        all.extend(
            new.filter_map(|(policy, found)| one_sided(policy, found, "here", "in training")),
        );
        all
    }
}

/// The difference of a policy that only one of both stores records.
fn one_sided(policy: &str, value: &str, place: &str, other: &str) -> Option<DataDifference> {
    // One frame per step is what a file of features has.
    (is_of_a_step(policy) && !["1", FRAMES].contains(&value)).then(|| DataDifference {
        words: format!("`{policy}` is {value} {place} and not recorded {other}"),
        weight: Weight::Unrecorded,
    })
}

fn is_of_a_step(policy: &str) -> bool {
    OF_A_STEP.contains(&policy.rsplit('.').next().unwrap_or(policy))
}

/// How the encoder of the text differs, or the vocabulary of the tokens that a model's encoder reads.
fn encoder_difference(
    trained: Option<&EncoderSchema>,
    found: Option<&EncoderSchema>,
) -> Option<DataDifference> {
    let same_tokens = |one: &EncoderSchema, other: &EncoderSchema| {
        let digests = one.tokenizer_blake3.as_ref().zip(other.tokenizer_blake3.as_ref());
        digests.is_none_or(|(one, other)| one == other)
    };
    let (words, weight) = match (trained, found) {
        (Some(trained), found) if trained.is_in_model => {
            let found = found
                .filter(|found| trained.source == "text_bert" && !same_tokens(trained, found))?;
            let words = format!(
                "the tokens are of the vocabulary of {found} here, of {trained} in training"
            );
            (words, Weight::Meaning)
        }
        (Some(trained), Some(found)) if trained.sha256 != found.sha256 => {
            (format!("computed by {found} here, by {trained} in training"), Weight::Meaning)
        }
        (Some(trained), Some(found)) if !same_tokens(trained, found) => {
            let words = format!(
                "computed by {found} here, by {trained} in training, from tokens of different \
                 vocabularies"
            );
            (words, Weight::Meaning)
        }
        (Some(trained), Some(found)) if trained.source != found.source => {
            let (found, trained) = (&found.source, &trained.source);
            (format!("computed from {found} here, from {trained} in training"), Weight::Making)
        }
        (Some(trained), None) => {
            let words =
                format!("computed by {trained} in training; the encoder is not recorded here");
            (words, Weight::Unrecorded)
        }
        (None, Some(found)) => {
            let words =
                format!("computed by {found} here; the encoder is not recorded in training");
            (words, Weight::Unrecorded)
        }
        _ => return None,
    };
    Some(DataDifference { words, weight })
}

/// Such as `MiniLM (1f2e3d4c)`.
impl fmt::Display for EncoderSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sha256 = self.sha256.get(..8).unwrap_or(&self.sha256);
        write!(f, "{} ({sha256})", self.name)
    }
}

/// How the names of features differ, or what their values are. Another number of features is the error
/// of another width.
fn name_difference(
    trained: Option<&FeatureNames>,
    found: Option<&FeatureNames>,
) -> Option<DataDifference> {
    let unrecorded = |words: String| Some(DataDifference { words, weight: Weight::Unrecorded });
    let meaning = |words: String| Some(DataDifference { words, weight: Weight::Meaning });
    let (trained, found) = match (trained, found) {
        (Some(trained), Some(found)) => (trained, found),
        (None, None) => return None,
        (Some(trained), None) => {
            let names = plural(trained.names.len(), "name");
            return unrecorded(format!("the features have no names here, {names} in training"));
        }
        (None, Some(found)) => {
            let names = plural(found.names.len(), "name");
            return unrecorded(format!("the features have {names} here, none in training"));
        }
    };
    let mut pairs = trained.names.iter().zip(&found.names).enumerate();
    if let Some((idx, (wanted, name))) = pairs.find(|(_, (wanted, name))| wanted != name) {
        if trained.names.len() != found.names.len() {
            return None;
        }
        let sorted = |names: &[String]| {
            let mut names = names.to_vec();
            names.sort();
            names
        };
        let how = match sorted(&trained.names) == sorted(&found.names) {
            true => "the features are in another order",
            false => "other features",
        };
        return meaning(format!("{how}: number {idx} is `{name}` here, `{wanted}` in training"));
    }
    match (trained.values, found.values) {
        (trained, found) if trained == found => None,
        (trained, found) => meaning(format!("values are {found} here, {trained} in training")),
    }
}

/// How a store records that features of a modality were made.
fn policies(manifest: &Manifest, modality: Modality) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    // Nothing of it holds for features that an encoder computed since.
    let is_encoded = modality == Modality::Text && manifest.text_encoder.is_some();
    let build = manifest.build.as_ref().and_then(|build| serde_json::to_value(build).ok());
    if let Some(build) = build {
        let features = &build["features"][modality.name()];
        flatten("", features, &mut all);
        if features["times"].is_string() && build["words"]["pooling"] != "none" {
            flatten("words", &build["words"], &mut all);
            all.insert("steps".into(), "words".into());
        } else if features.is_object() {
            all.insert("steps".into(), FRAMES.into());
        }
    }
    if let Some(Value::Object(modes)) = manifest.aligned_by().filter(|_| !is_encoded) {
        for (mode, options) in &modes {
            all.insert("aligned".into(), mode.clone());
            flatten("", options, &mut all);
        }
    }
    if let Some(values) = &manifest.values {
        let mut counts = values.counts.iter();
        let kind = ColumnKind::Features(modality);
        if counts.any(|it| it.column.kind == kind && it.kind != ValueKind::Overflow) {
            all.insert("on_nonfinite".into(), values.on_nonfinite.clone());
        }
    }
    all
}

/// Takes single values with their path, such as `failed_faces.action`.
fn flatten(path: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let is_found = field.starts_with("n_") || FOUND.contains(&&**field);
                let path = match path {
                    "" => field.clone(),
                    path => format!("{path}.{field}"),
                };
                if !is_found {
                    flatten(&path, value, all);
                }
            }
        }
        Value::String(text) => {
            all.insert(path.into(), text.clone());
        }
        Value::Number(_) | Value::Bool(_) => {
            all.insert(path.into(), value.to_string());
        }
        Value::Null | Value::Array(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::names::FeatureValues;

    fn named(names: &[&str]) -> ModalitySchema {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let names = FeatureNames { set: None, values: FeatureValues::Frames, names };
        ModalitySchema { names: Some(names), ..ModalitySchema::default() }
    }

    fn encoded(name: &str, tokenizer: Option<&str>) -> ModalitySchema {
        let encoder = EncoderSchema {
            name: name.into(),
            sha256: format!("{name}0000000"),
            source: "raw_text".into(),
            tokenizer_blake3: tokenizer.map(Into::into),
            is_in_model: false,
        };
        ModalitySchema { encoder: Some(encoder), ..ModalitySchema::default() }
    }

    fn made(policies: &[(&str, &str)]) -> ModalitySchema {
        let policies = policies.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        ModalitySchema { policies: policies.collect(), ..ModalitySchema::default() }
    }

    fn check(trained: &ModalitySchema, found: &ModalitySchema, expected: &[(&str, Weight)]) {
        let schema = |it: &ModalitySchema| DataSchema {
            alignment: None,
            modalities: [(Modality::Text, it.clone())].into(),
        };
        let all = schema(trained).differences(&schema(found));
        let all: Vec<(&str, Weight)> = all.iter().map(|it| (&*it.words, it.weight)).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn names_in_another_order_or_others_change_the_meaning() {
        use Weight::{Meaning, Unrecorded};
        let trained = named(&["F0", "VUV", "NAQ"]);
        check(&trained, &trained, &[]);
        let order =
            "text: the features are in another order: number 1 is `NAQ` here, `VUV` in training";
        check(&trained, &named(&["F0", "NAQ", "VUV"]), &[(order, Meaning)]);
        let other = "text: other features: number 2 is `QOQ` here, `NAQ` in training";
        check(&trained, &named(&["F0", "VUV", "QOQ"]), &[(other, Meaning)]);
        let none = "text: the features have no names here, 3 names in training";
        check(&trained, &made(&[]), &[(none, Unrecorded)]);
        // The model's width says so already.
        check(&trained, &named(&["F0", "NAQ"]), &[]);
        let mut averaged = trained.clone();
        averaged.names.as_mut().unwrap().values = FeatureValues::Averaged;
        let values = "text: values are averaged here, frames in training";
        check(&trained, &averaged, &[(values, Meaning)]);
    }

    #[test]
    fn encoders_are_their_weights_and_their_vocabulary() {
        use Weight::{Making, Meaning, Unrecorded};
        let trained = encoded("a", Some("1"));
        check(&trained, &encoded("a", None), &[]);
        let other = "text: computed by b (b0000000) here, by a (a0000000) in training";
        check(&trained, &encoded("b", Some("1")), &[(other, Meaning)]);
        let tokens = "text: computed by a (a0000000) here, by a (a0000000) in training, from tokens of \
                      different vocabularies";
        check(&trained, &encoded("a", Some("2")), &[(tokens, Meaning)]);
        let unknown =
            "text: computed by a (a0000000) in training; the encoder is not recorded here";
        check(&trained, &made(&[]), &[(unknown, Unrecorded)]);
        let mut stored = trained.clone();
        stored.encoder.as_mut().unwrap().source = "text_bert".into();
        let source = "text: computed from raw_text here, from text_bert in training";
        check(&stored, &trained, &[(source, Making)]);
        // An encoder in the model reads tokens, whoever computed the features.
        let encoder = stored.encoder.as_mut().unwrap();
        encoder.is_in_model = true;
        check(&stored, &encoded("b", Some("1")), &[]);
        let vocabulary = "text: the tokens are of the vocabulary of b (b0000000) here, of a (a0000000) in \
                          training";
        check(&stored, &encoded("b", Some("2")), &[(vocabulary, Meaning)]);
    }

    #[test]
    fn policies_of_a_step_change_the_meaning_and_others_do_not() {
        use Weight::{Making, Meaning, Unrecorded};
        let trained =
            made(&[("pool", "5"), ("length", "longest"), ("failed_faces.action", "keep")]);
        let found = made(&[("pool", "1"), ("length", "50"), ("failed_faces.action", "zero")]);
        let expected = [
            ("text: `failed_faces.action` is zero here, keep in training", Making),
            ("text: `length` is 50 here, longest in training", Making),
            ("text: `pool` is 1 here, 5 in training", Meaning),
        ];
        check(&trained, &found, &expected);
        let unknown = ("text: `pool` is 5 in training and not recorded here", Unrecorded);
        check(&trained, &made(&[]), &[unknown]);
        let unknown = ("text: `pool` is 5 here and not recorded in training", Unrecorded);
        check(&made(&[]), &trained, &[unknown]);
        check(&made(&[]), &found, &[]);
        let (words, frames) = (made(&[("steps", "words")]), made(&[("steps", "frames")]));
        check(&words, &frames, &[("text: `steps` is frames here, words in training", Meaning)]);
        check(&made(&[]), &frames, &[]);
    }

    #[test]
    fn policies_are_single_values_of_any_depth_without_counts() {
        let record = serde_json::json!({
            "kinds": ["WAV"], "n_files": 3, "blake3": "0", "pool": 5, "length": "mean+3sd", "seq_len": 9,
            "failed_faces": {"action": "zero", "n_failed": 2, "min_confidence": 0.5},
            "max_len": {"audio": 3}, "words": null,
        });
        let mut all = BTreeMap::new();
        flatten("", &record, &mut all);
        let expected = [
            ("failed_faces.action", "zero"),
            ("failed_faces.min_confidence", "0.5"),
            ("length", "mean+3sd"),
            ("pool", "5"),
        ];
        assert_eq!(all, made(&expected).policies);
    }
}
