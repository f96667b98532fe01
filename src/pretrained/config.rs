//! `config.json`: which model it is, and its sizes.

use std::path::Path;

use serde::Deserialize;

use super::{PretrainedError, read_text};
use crate::model::BertConfig;

/// What tells a BERT from the models whose configuration has the same sizes.
#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
    position_embedding_type: Option<String>,
    is_decoder: Option<bool>,
}

impl Kind {
    fn problem(&self) -> Option<String> {
        let other = |name: &str, expected: &str, found: &Option<String>| {
            let found = found.as_deref().unwrap_or(expected);
            (found != expected)
                .then(|| format!("`{name}`: only `{expected}` is supported, found `{found}`"))
        };
        other("model_type", "bert", &self.model_type)
            .or(other("position_embedding_type", "absolute", &self.position_embedding_type))
            .or((self.is_decoder == Some(true)).then(|| "`is_decoder`: is no encoder".into()))
    }
}

/// Reads a configuration whose sizes an encoder can have.
pub(super) fn read(path: &Path) -> Result<BertConfig, PretrainedError> {
    parse(&read_text(path)?)
        .map_err(|problem| PretrainedError::Config { path: path.into(), problem })
}

fn parse(text: &str) -> Result<BertConfig, String> {
    let malformed = |error: serde_json::Error| format!("is no configuration of a BERT: {error}");
    if let Some(problem) = serde_json::from_str::<Kind>(text).map_err(malformed)?.problem() {
        return Err(problem);
    }
    let config: BertConfig = serde_json::from_str(text).map_err(malformed)?;
    config.problem().map_or(Ok(config), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = r#"{"vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 5,
        "type_vocab_size": 2, "hidden_act": "gelu", "use_cache": true}"#;

    #[test]
    fn what_is_left_out_is_as_in_the_original() {
        let config = parse(TINY).unwrap();
        assert_eq!((config.layer_norm_eps, config.hidden_dropout_prob), (1e-12, 0.1));
        assert_eq!(config.pad_token_id, 0);
    }

    #[test]
    fn other_models_and_impossible_sizes_are_refused() {
        let cases = [
            ("\"use_cache\": true", "\"model_type\": \"roberta\"", "found `roberta`"),
            ("\"use_cache\": true", "\"is_decoder\": true", "no encoder"),
            ("\"use_cache\": true", "\"position_embedding_type\": \"relative_key\"", "absolute"),
            ("\"use_cache\": true", "\"pad_token_id\": 9", "no token has the id 9"),
            ("\"use_cache\": true", "\"hidden_dropout_prob\": 1.0", "hidden_dropout_prob"),
            ("\"use_cache\": true", "\"layer_norm_eps\": 0", "above 0"),
            ("\"hidden_size\": 8", "\"hidden_size\": 9", "no multiple of the 2 heads"),
            ("\"hidden_size\": 8", "\"hidden_size\": -8", "`hidden_size`"),
            ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 0", "`num_hidden_layers`"),
            ("\"vocab_size\": 9", "\"vocab_size\": 1e30", "no configuration"),
            ("\"hidden_act\": \"gelu\"", "\"hidden_act\": \"mish\"", "mish"),
            ("\"hidden_act\": \"gelu\",", "", "hidden_act"),
        ];
        for (before, after, expected) in cases {
            let changed = TINY.replace(before, after);
            assert_ne!(changed, TINY);
            let problem = parse(&changed).unwrap_err();
            assert!(problem.contains(expected), "{after}: {problem}");
        }
    }
}
