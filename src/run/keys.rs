//! Finds unknown keys in a run's documents, which another version may have written, using the schemas
//! that the program prints.

use serde_json::Value;

use crate::name::nearest;

/// A document of a run folder.
#[derive(Debug, Clone, Copy)]
pub(super) enum Document {
    /// `config.toml`.
    Config,
    /// `result.json`.
    Result,
    /// A line of `metrics.jsonl`.
    Epoch,
    /// `attention.json`.
    Attention,
}

impl Document {
    fn schema(self) -> &'static str {
        match self {
            Document::Config => include_str!("../../schemas/config.schema.json"),
            Document::Result => include_str!("../../schemas/result.schema.json"),
            Document::Epoch => include_str!("../../schemas/epoch.schema.json"),
            Document::Attention => include_str!("../../schemas/attention.schema.json"),
        }
    }

    /// Removes unknown keys, and returns a sentence for each.
    pub(super) fn drop_unknown_keys(self, value: &mut Value) -> Vec<String> {
        let Ok(schema) = serde_json::from_str::<Value>(self.schema()) else { return Vec::new() };
        let mut found = Vec::new();
        walk(&schema, &schema, value, &mut found);
        found
    }
}

/// Compares a value with a schema, for the few keywords that our schemas use.
fn walk(root: &Value, schema: &Value, value: &mut Value, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return walk(root, &root["$defs"][name], value, found);
    }
    // An optional value is one of two, itself or null; one of several alternatives has a tag.
    for alternatives in ["anyOf", "oneOf"].iter().filter_map(|key| schema[*key].as_array()) {
        for schema in alternatives {
            if !value.is_null() && schema["type"] != "null" && has_tags(schema, value) {
                walk(root, schema, value, found);
            }
        }
    }
    for item in value.as_array_mut().into_iter().flatten() {
        walk(root, &schema["items"], item, found);
    }
    let Some(entries) = value.as_object_mut() else { return };
    let Some(properties) = schema["properties"].as_object() else {
        for value in entries.values_mut() {
            walk(root, &schema["additionalProperties"], value, found);
        }
        return;
    };
    entries.retain(|key, value| {
        if let Some(schema) = properties.get(key) {
            walk(root, schema, value, found);
            return true;
        }
        let known = properties.keys().map(String::as_str);
        let meant = nearest(key, known).map(|known| format!(": is `{known}` meant?"));
        let meant = meant.unwrap_or_default();
        found.push(format!("key `{key}` is not known and not used{meant}"));
        false
    });
}

/// Whether a value has the constants that a schema requires.
fn has_tags(schema: &Value, value: &Value) -> bool {
    let mut properties = schema["properties"].as_object().into_iter().flatten();
    properties.all(|(key, schema)| schema.get("const").is_none_or(|tag| value[key] == *tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_at_every_level() {
        let mut value = serde_json::json!({
            "selected": {"by": "MAE", "epoc": 1, "valid": {"MAE": 1.0}},
            "best_on_test_per_metric": {"MAE": {"value": 1.0, "when": 2}},
            "n_samples": {"test": 1},
            "colour": "red",
        });
        let expected = [
            "key `epoc` is not known and not used: is `epoch` meant?",
            "key `when` is not known and not used",
            "key `colour` is not known and not used",
        ];
        assert_eq!(Document::Result.drop_unknown_keys(&mut value), expected);
        assert_eq!(Document::Result.drop_unknown_keys(&mut value), [""; 0]);
        assert_eq!(value["best_on_test_per_metric"], serde_json::json!({"MAE": {"value": 1.0}}));
    }

    #[test]
    fn one_of_several_is_told_by_its_tag() {
        let tokens = |tokens: Value| {
            let mut config = serde_json::json!({"text_encoder": {"tokens": tokens}});
            Document::Config.drop_unknown_keys(&mut config)
        };
        let raw = serde_json::json!({"from": "raw_text", "max_len": 5, "tokenizer_blake3": ""});
        assert_eq!(tokens(raw), [""; 0]);
        let stored = serde_json::json!({"from": "text_bert", "max_len": 5});
        assert_eq!(tokens(stored), ["key `max_len` is not known and not used"]);
    }
}
