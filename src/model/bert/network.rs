//! BERT, the released model's text encoder.
//!
//! Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
//! NAACL 2019, as in Hugging Face's `BertModel`; parameter names are the same. Most models read the
//! hidden states, so the pooler is optional. Read from top to bottom: input, embeddings, layers, the
//! whole.

use tch::{Kind, Tensor};

use super::{Activation, BertConfig};
use crate::model::dropout::Dropout;
use crate::model::layers::{Init, LayerNorm, Linear, join_heads, split_heads};
use crate::model::trace::Trace;

impl Activation {
    fn forward(self, x: &Tensor) -> Tensor {
        match self {
            Activation::Gelu => x.gelu("none"),
            Activation::GeluNew => x.gelu("tanh"),
            Activation::Relu => x.relu(),
        }
    }
}

/// One batch of text.
#[derive(Debug)]
pub struct Tokens {
    /// Token ids, int64 `[batch, seq_len]`.
    pub ids: Tensor,
    /// 1 for a token and 0 for padding, float32 `[batch, seq_len]`.
    pub mask: Tensor,
    /// Segment ids, int64 `[batch, seq_len]`.
    pub segments: Tensor,
}

impl Tokens {
    /// The three parts of a `text_bert` batch, `[batch, 3, seq_len]` of any integer type.
    pub fn of_text_bert(text_bert: &Tensor) -> Tokens {
        let part = |part, kind| text_bert.select(1, part).to_kind(kind);
        Tokens {
            ids: part(0, Kind::Int64),
            mask: part(1, Kind::Float),
            segments: part(2, Kind::Int64),
        }
    }
}

/// Embeddings of token, position and segment.
#[derive(Debug)]
struct Embeddings {
    words: Tensor,
    positions: Tensor,
    segments: Tensor,
    norm: LayerNorm,
    pad_token_id: i64,
}

impl Embeddings {
    fn new(init: &Init<'_>, config: &BertConfig) -> Embeddings {
        let width = config.hidden_size;
        let table = |name: &str, n| {
            init.sub(&format!("{name}_embeddings")).constant("weight", &[n, width], 0.0)
        };
        Embeddings {
            words: table("word", config.vocab_size),
            positions: table("position", config.max_position_embeddings),
            segments: table("token_type", config.type_vocab_size),
            norm: LayerNorm::new(&init.sub("LayerNorm"), width, config.layer_norm_eps),
            pad_token_id: config.pad_token_id,
        }
    }

    /// `[batch, seq_len, d_l]`.
    fn forward(&self, tokens: &Tokens) -> Tensor {
        let seq_len = tokens.ids.size()[1];
        let words = Tensor::embedding(&self.words, &tokens.ids, self.pad_token_id, false, false);
        let segments = Tensor::embedding(&self.segments, &tokens.segments, -1, false, false);
        self.norm.forward(&(words + segments + self.positions.narrow(0, 0, seq_len)))
    }
}

/// One layer: attention and feed-forward, each normed after its residual.
#[derive(Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    expand: Linear,
    reduce: Linear,
    norm: LayerNorm,
}

impl Layer {
    fn new(init: &Init<'_>, config: &BertConfig) -> Layer {
        let (width, inner, eps) =
            (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let linear = |name: &str, n_in, n_out| Linear::zeros(&init.sub(name), n_in, n_out);
        let norm = |name: &str| LayerNorm::new(&init.sub(name), width, eps);
        Layer {
            query: linear("attention.self.query", width, width),
            key: linear("attention.self.key", width, width),
            value: linear("attention.self.value", width, width),
            attention_output: linear("attention.output.dense", width, width),
            attention_norm: norm("attention.output.LayerNorm"),
            expand: linear("intermediate.dense", width, inner),
            reduce: linear("output.dense", inner, width),
            norm: norm("output.LayerNorm"),
        }
    }

    /// `[batch, seq_len, d_l]` to the same shape; `mask` is added to the logits,
    /// `[batch, 1, 1, seq_len]`.
    fn forward(&self, x: &Tensor, mask: &Tensor, drop: &LayerDropout<'_>) -> Tensor {
        let heads = drop.config.num_attention_heads;
        let scale = ((drop.config.hidden_size / heads) as f64).powf(-0.5);
        let q = split_heads(&(self.query.forward(x) * scale), heads);
        let k = split_heads(&self.key.forward(x), heads);
        let v = split_heads(&self.value.forward(x), heads);
        let weights = (q.matmul(&k.transpose(-2, -1)) + mask).softmax(-1, Kind::Float);
        let context = join_heads(&drop.weights(&weights).matmul(&v));
        let attended = drop.hidden("attention", &self.attention_output.forward(&context));
        let x = self.attention_norm.forward(&(attended + x));
        let inner = drop.config.hidden_act.forward(&self.expand.forward(&x));
        self.norm.forward(&(drop.hidden("output", &self.reduce.forward(&inner)) + x))
    }
}

/// Dropout of one layer; `None` outside training.
struct LayerDropout<'a> {
    config: &'a BertConfig,
    dropout: Option<Dropout>,
    layer: usize,
}

impl LayerDropout<'_> {
    fn weights(&self, x: &Tensor) -> Tensor {
        self.apply("weights", x, self.config.attention_probs_dropout_prob)
    }

    fn hidden(&self, place: &str, x: &Tensor) -> Tensor {
        self.apply(place, x, self.config.hidden_dropout_prob)
    }

    fn apply(&self, place: &str, x: &Tensor, rate: f64) -> Tensor {
        match self.dropout {
            Some(dropout) => dropout.apply(&format!("layer/{}/{place}", self.layer), x, rate),
            None => x.shallow_clone(),
        }
    }
}

/// The whole encoder.
#[derive(Debug)]
pub struct Bert {
    config: BertConfig,
    embeddings: Embeddings,
    layers: Vec<Layer>,
    pooler: Option<Linear>,
}

impl Bert {
    /// Adds the encoder's parameters below `init`, all zero (norm scales one): an encoder's weights are
    /// loaded from files.
    pub fn new(init: &Init<'_>, config: &BertConfig) -> Bert {
        let layer = |idx| Layer::new(&init.sub(&format!("encoder.layer.{idx}")), config);
        Bert {
            config: config.clone(),
            embeddings: Embeddings::new(&init.sub("embeddings"), config),
            layers: (0..config.num_hidden_layers).map(layer).collect(),
            pooler: None,
        }
    }

    /// Like [`new`](Bert::new), with a pooler.
    pub fn with_pooler(init: &Init<'_>, config: &BertConfig) -> Bert {
        let width = config.hidden_size;
        let pooler = Linear::zeros(&init.sub("pooler.dense"), width, width);
        Bert { pooler: Some(pooler), ..Bert::new(init, config) }
    }

    /// All sizes.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// The last hidden states, `[batch, seq_len, d_l]`, as in training with `dropout` and as in
    /// evaluation without.
    ///
    /// Nothing attends to padding, but its hidden states are computed like the rest, as in the released
    /// model. The tokens must have passed [`BertConfig::check_tokens`].
    pub fn forward(&self, tokens: &Tokens, dropout: Option<Dropout>, trace: &mut Trace) -> Tensor {
        let embedded = self.embed(tokens, dropout);
        trace.record("embeddings", &embedded);
        self.encode(&embedded, &tokens.mask, dropout, trace)
    }

    /// The pooler's output for the first token of the last hidden states `[batch, seq_len, d_l]`:
    /// `[batch, d_l]`; `None` without a pooler.
    pub fn pool(&self, hidden: &Tensor) -> Option<Tensor> {
        Some(self.pooler.as_ref()?.forward(&hidden.select(1, 0)).tanh())
    }

    /// The first half of [`forward`](Bert::forward): the input of the layers.
    pub fn embed(&self, tokens: &Tokens, dropout: Option<Dropout>) -> Tensor {
        let embedded = self.embeddings.forward(tokens);
        match dropout {
            Some(dropout) => {
                dropout.apply("embeddings", &embedded, self.config.hidden_dropout_prob)
            }
            None => embedded,
        }
    }

    /// The second half of [`forward`](Bert::forward): all layers, `[batch, seq_len, d_l]` to the
    /// same shape.
    pub fn encode(
        &self,
        embedded: &Tensor,
        mask: &Tensor,
        dropout: Option<Dropout>,
        trace: &mut Trace,
    ) -> Tensor {
        // Finite, so that all weights are equal if everything is masked.
        let mask: Tensor = (1.0 - mask) * f64::from(f32::MIN);
        let mask = mask.unsqueeze(1).unsqueeze(1);
        let mut x = embedded.shallow_clone();
        for (idx, layer) in self.layers.iter().enumerate() {
            x = layer.forward(
                &x,
                &mask,
                &LayerDropout { config: &self.config, dropout, layer: idx },
            );
            trace.record_layer("layer", idx, &x);
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::stream;
    use ndarray::Array3;
    use rand_distr::{Distribution, StandardNormal};
    use tch::{Device, nn};

    fn config() -> BertConfig {
        BertConfig {
            vocab_size: 50,
            hidden_size: 64,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            intermediate_size: 96,
            max_position_embeddings: 16,
            type_vocab_size: 2,
            hidden_act: Activation::Gelu,
            layer_norm_eps: 1e-12,
            pad_token_id: 0,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.2,
        }
    }

    /// Reproducible values, independent of what other tests draw from libtorch's global generator.
    fn random(name: &str, shape: &[i64]) -> Tensor {
        let mut rng = stream(5, name);
        let n_values = shape.iter().product::<i64>();
        let values: Vec<f32> = (0..n_values).map(|_| StandardNormal.sample(&mut rng)).collect();
        Tensor::from_slice(&values).view(shape)
    }

    /// Hidden states and the gradient of every parameter of an encoder with random weights.
    fn run(dropout: Option<Dropout>) -> Vec<Tensor> {
        let vars = nn::VarStore::new(Device::Cpu);
        let bert = Bert::new(&Init::new(vars.root(), 0), &config());
        let mut variables: Vec<(String, Tensor)> = vars.variables().into_iter().collect();
        variables.sort_by(|one, other| one.0.cmp(&other.0));
        tch::no_grad(|| {
            for (name, variable) in &mut variables {
                *variable += random(name, &variable.size()) * 0.3;
            }
        });
        let text_bert = Array3::from_shape_fn((24, 3, 16), |(sample_idx, part, step)| match part {
            0 => ((7 * sample_idx + 3 * step) % 50) as i32,
            1 => i32::from(step <= sample_idx % 16),
            _ => i32::from(step > 9),
        });
        config().check_tokens(text_bert.view()).unwrap();
        let values: Vec<i32> = text_bert.iter().copied().collect();
        let tokens = Tokens::of_text_bert(&Tensor::from_slice(&values).view([24, 3, 16]));
        let hidden = bert.forward(&tokens, dropout, &mut Trace::default());
        (&hidden * random("loss", &hidden.size())).sum(Kind::Float).backward();
        let gradients = variables.iter().map(|(_, variable)| variable.grad());
        [hidden].into_iter().chain(gradients).collect()
    }

    #[test]
    fn dropout_depends_on_seed_and_step_alone() {
        let with = |seed, step| run(Some(Dropout::new(seed, step)));
        let first = with(1, 7);
        assert_eq!(first, with(1, 7));
        for other in [with(1, 8), with(2, 7), run(None)] {
            assert_ne!(first[0], other[0]);
        }
        let n_threads = tch::get_num_threads();
        for threads in [1, 2] {
            tch::set_num_threads(threads);
            // Gradients are sums whose order libtorch chooses by the number of threads.
            assert_eq!(first[0], with(1, 7)[0], "{threads} threads");
        }
        tch::set_num_threads(n_threads);
    }

    #[test]
    fn a_sample_without_any_token_has_no_nan() {
        let vars = nn::VarStore::new(Device::Cpu);
        let bert = Bert::new(&Init::new(vars.root(), 0), &config());
        let text_bert = Tensor::zeros([1, 3, 4], (Kind::Int, Device::Cpu));
        let tokens = Tokens::of_text_bert(&text_bert);
        let hidden = bert.forward(&tokens, None, &mut Trace::default());
        assert!(bool::try_from(hidden.isfinite().all()).unwrap());
    }

    #[test]
    fn tokens_that_have_no_embedding_are_refused() {
        let check = |change: fn(&mut Array3<i32>)| {
            let mut text_bert = Array3::zeros((2, 3, 16));
            change(&mut text_bert);
            config().check_tokens(text_bert.view()).map_err(|error| error.to_string())
        };
        assert_eq!(check(|_| {}), Ok(()));
        let unknown = check(|all| all[[1, 0, 3]] = 50).unwrap_err();
        assert!(unknown.starts_with("token 50 in sample 1, step 3: the encoder knows 0 to 49"));
        assert!(check(|all| all[[0, 0, 0]] = -1).unwrap_err().starts_with("token -1"));
        assert!(check(|all| all[[0, 2, 0]] = 2).unwrap_err().starts_with("segment 2"));
        for shape in [(2, 3, 17), (2, 2, 16), (2, 3, 0)] {
            let error = config().check_tokens(Array3::zeros(shape).view()).unwrap_err();
            assert!(error.to_string().contains("1 to 16"), "{error}");
        }
    }

    #[test]
    fn impossible_sizes_have_no_number_of_parameters() {
        let count = |change: fn(&mut BertConfig)| {
            let mut config = config();
            change(&mut config);
            config.n_parameters()
        };
        assert!(count(|_| {}).is_some());
        assert_eq!(count(|config| config.num_attention_heads = 5), None);
        assert_eq!(count(|config| config.vocab_size = i64::MAX), None);
        assert_eq!(count(|config| config.hidden_dropout_prob = f64::NAN), None);
    }
}
