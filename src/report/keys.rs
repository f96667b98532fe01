//! Keys of a run's documents that the program does not write, told by the schemas that it prints.

use serde_json::Value;

use crate::name::nearest;

/// A document of a run folder.
#[derive(Debug, Clone, Copy)]
pub(super) enum Document {
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
            Document::Result => include_str!("../../schemas/result.schema.json"),
            Document::Epoch => include_str!("../../schemas/epoch.schema.json"),
            Document::Attention => include_str!("../../schemas/attention.schema.json"),
        }
    }

    /// A sentence for each key that is not known.
    pub(super) fn unknown_keys(self, value: &Value) -> Vec<String> {
        let Ok(schema) = serde_json::from_str::<Value>(self.schema()) else { return Vec::new() };
        let mut found = Vec::new();
        walk(&schema, &schema, value, &mut found);
        found
    }
}

/// Compares a value with a schema, for the few keywords that our schemas use.
fn walk(root: &Value, schema: &Value, value: &Value, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return walk(root, &root["$defs"][name], value, found);
    }
    // What may be absent is one of two: itself or null.
    let alternatives = ["anyOf", "oneOf"].iter().filter_map(|key| schema[*key].as_array());
    for schema in alternatives.flatten().filter(|_| !value.is_null()) {
        if schema["type"] != "null" {
            walk(root, schema, value, found);
        }
    }
    for item in value.as_array().into_iter().flatten() {
        walk(root, &schema["items"], item, found);
    }
    let (Some(entries), Some(properties)) = (value.as_object(), schema["properties"].as_object())
    else {
        for value in value.as_object().into_iter().flat_map(|entries| entries.values()) {
            walk(root, &schema["additionalProperties"], value, found);
        }
        return;
    };
    for (key, value) in entries {
        match properties.get(key) {
            Some(schema) => walk(root, schema, value, found),
            None => {
                let known = properties.keys().map(String::as_str);
                let meant = nearest(key, known).map(|known| format!(": is `{known}` meant?"));
                let meant = meant.unwrap_or_default();
                found.push(format!("key `{key}` is not known and not used{meant}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_at_every_level() {
        let value = serde_json::json!({
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
        assert_eq!(Document::Result.unknown_keys(&value), expected);
    }
}
