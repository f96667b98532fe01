//! The names and values beside the data.

use serde_json::Value;

/// The names that a file of the SDK has, in its order; `uuid` and `md5` are filled in by the SDK itself.
pub(super) const NAMES: [&str; 13] = [
    "root name",
    "computational sequence description",
    "dimension names",
    "computational sequence version",
    "alignment compatible",
    "dataset name",
    "dataset version",
    "creator",
    "contact",
    "featureset bib citation",
    "dataset bib citation",
    "uuid",
    "md5",
];

/// A name that files of the SDK carry, because its template lacks a comma between two names.
const JOINED: &str = "dimension namescomputational sequence version";

/// The value of one name: the string in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataValue {
    /// The string as stored.
    pub raw: String,
    /// What it is as JSON, which newer files use; `None` of plain text.
    pub json: Option<Value>,
}

impl MetadataValue {
    pub(super) fn new(raw: String) -> MetadataValue {
        let json = serde_json::from_str(&raw).ok();
        MetadataValue { raw, json }
    }

    /// The text: of a JSON string its content, of anything else the string as stored.
    pub fn text(&self) -> &str {
        self.json.as_ref().and_then(Value::as_str).unwrap_or(&self.raw)
    }
}

/// Everything beside the data, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// Names and values.
    pub values: Vec<(String, MetadataValue)>,
}

impl Metadata {
    /// The value of a name. `dimension names` and `computational sequence version` are also found under
    /// the name that is both in one.
    pub fn get(&self, name: &str) -> Option<&MetadataValue> {
        let of = |wanted: &str| {
            let found = self.values.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value)
        };
        of(name).or_else(|| {
            let is_joined = ["dimension names", "computational sequence version"].contains(&name);
            of(JOINED).filter(|value| is_joined && !value.text().is_empty())
        })
    }

    /// Names of the columns, if the file has them.
    pub fn dimension_names(&self) -> Option<Vec<&str>> {
        let Some(Value::Array(names)) = &self.get("dimension names")?.json else { return None };
        names.iter().map(Value::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_or_else_plain_text() {
        let of = |raw: &str| MetadataValue::new(raw.into());
        assert_eq!(of("\"Zo\\u00eb\"").text(), "Zoë");
        assert_eq!((of("asdf").text(), of("asdf").json), ("asdf", None));
        assert_eq!((of("1").text(), of("null").json), ("1", Some(Value::Null)));
        let of_file = |values: &[(&str, &str)]| Metadata {
            values: values.iter().map(|(name, raw)| ((*name).into(), of(raw))).collect(),
        };
        let metadata = of_file(&[("dimension names", "[\"a0\", \"a1\"]"), (JOINED, "\"\"")]);
        assert_eq!(metadata.dimension_names(), Some(vec!["a0", "a1"]));
        assert_eq!(metadata.get("computational sequence version"), None);
        let metadata = of_file(&[(JOINED, "\"1.0\"")]);
        assert_eq!(metadata.get("computational sequence version").unwrap().text(), "1.0");
        assert_eq!((metadata.get("creator"), metadata.dimension_names()), (None, None));
    }
}
