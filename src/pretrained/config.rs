//! `config.json`: an encoder's type and sizes.

use std::path::Path;

use serde::Deserialize;

use super::{PretrainedError, read_text};
use crate::model::BertConfig;
use crate::name::nearest;

/// Keys in use.
const READ: [&str; 15] = [
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "hidden_act",
    "layer_norm_eps",
    "pad_token_id",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "model_type",
    "position_embedding_type",
    "is_decoder",
];

/// Keys of transformers that do not affect the computation of an encoder: names, heads, training,
/// storage of weights.
const WITHOUT_MEANING: [&str; 38] = [
    "_name_or_path",
    "add_cross_attention",
    "architectures",
    "attn_implementation",
    "_attn_implementation",
    "auto_map",
    "bos_token_id",
    "classifier_dropout",
    "cls_token_id",
    "directionality",
    "dtype",
    "eos_token_id",
    "finetuning_task",
    "gradient_checkpointing",
    "id2label",
    "initializer_range",
    "label2id",
    "language",
    "mask_token_id",
    "name",
    "num_labels",
    "num_hidden_groups",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "problem_type",
    "return_dict",
    "sep_token_id",
    "task_specific_params",
    "tie_word_embeddings",
    "torch_dtype",
    "transformers_version",
    "use_cache",
];

/// A configuration, and a sentence for each unknown key.
pub(super) type Read = (BertConfig, Vec<String>);

/// Distinguishes BERT from models with the same configuration keys.
#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
    position_embedding_type: Option<String>,
    is_decoder: Option<bool>,
    add_cross_attention: Option<bool>,
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
            .or((self.is_decoder == Some(true)).then(|| "`is_decoder`: is not an encoder".into()))
            .or((self.add_cross_attention == Some(true))
                .then(|| "`add_cross_attention`: needs another encoder".into()))
    }
}

/// Reads a configuration with valid sizes.
pub(super) fn read(path: &Path) -> Result<Read, PretrainedError> {
    parse(&read_text(path)?)
        .map_err(|problem| PretrainedError::Config { path: path.into(), problem })
}

fn parse(text: &str) -> Result<Read, String> {
    let malformed = |error: serde_json::Error| format!("is not a BERT configuration: {error}");
    if let Some(problem) = serde_json::from_str::<Kind>(text).map_err(malformed)?.problem() {
        return Err(problem);
    }
    let config: BertConfig = serde_json::from_str(text).map_err(malformed)?;
    if let Some(problem) = config.problem() {
        return Err(problem);
    }
    let keys: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(malformed)?;
    let is_known =
        |key: &&String| READ.contains(&key.as_str()) || WITHOUT_MEANING.contains(&key.as_str());
    let unknown = keys.keys().filter(|key| !is_known(key)).map(|key| {
        let meant = nearest(key, READ).map(|known| format!(": is `{known}` meant?"));
        format!("key `{key}` is not known and not used{}", meant.unwrap_or_default())
    });
    Ok((config, unknown.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = r#"{"vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 5,
        "type_vocab_size": 2, "hidden_act": "gelu", "use_cache": true}"#;

    #[test]
    fn what_is_left_out_is_as_in_the_original() {
        let (config, unknown) = parse(TINY).unwrap();
        assert!(unknown.is_empty(), "{unknown:?}");
        let (_, unknown) = parse(&TINY.replace("use_cache", "layer_norm_epsilon")).unwrap();
        let expected = "key `layer_norm_epsilon` is not known and not used: is `layer_norm_eps` \
                        meant?";
        assert_eq!(unknown, [expected]);
        assert_eq!((config.layer_norm_eps, config.hidden_dropout_prob), (1e-12, 0.1));
        assert_eq!(config.pad_token_id, 0);
    }

    #[test]
    fn other_models_and_impossible_sizes_are_refused() {
        let cases = [
            ("\"use_cache\": true", "\"model_type\": \"roberta\"", "found `roberta`"),
            ("\"use_cache\": true", "\"is_decoder\": true", "not an encoder"),
            ("\"use_cache\": true", "\"add_cross_attention\": true", "another encoder"),
            ("\"use_cache\": true", "\"position_embedding_type\": \"relative_key\"", "absolute"),
            ("\"use_cache\": true", "\"pad_token_id\": 9", "no token has the id 9"),
            ("\"use_cache\": true", "\"hidden_dropout_prob\": 1.0", "hidden_dropout_prob"),
            ("\"use_cache\": true", "\"layer_norm_eps\": 0", "above 0"),
            ("\"hidden_size\": 8", "\"hidden_size\": 9", "not a multiple of the 2 heads"),
            ("\"hidden_size\": 8", "\"hidden_size\": -8", "`hidden_size`"),
            ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 0", "`num_hidden_layers`"),
            ("\"vocab_size\": 9", "\"vocab_size\": 1e30", "not a BERT configuration"),
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
