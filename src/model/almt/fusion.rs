//! Fuses language and hyper-modality into one vector: the paper's fusion transformer, and the
//! techniques that it is compared with.

use tch::{Kind, Tensor};

use super::{AlmtConfig, FusionKind, FusionQuery, LOW_RANK};
use crate::model::form::Form;
use crate::model::layers::{Init, Linear, TransformerLayer, transformer_layers};

/// One of the fusion techniques.
#[derive(Debug)]
pub(super) enum Fusion {
    Transformer(FusionTransformer),
    Concatenation(Linear),
    Addition,
    Gru([Tensor; 4]),
    Tensor(Linear),
    LowRank(LowRank),
}

impl Fusion {
    /// Creates a fusion for the token counts of source and target.
    pub(super) fn new(
        init: &Init<'_>,
        config: &AlmtConfig,
        [n_source, n_target]: [i64; 2],
        form: Form,
    ) -> Fusion {
        let dim = config.sizes.token_dim;
        match config.variant.fusion {
            FusionKind::Transformer => Fusion::Transformer(FusionTransformer::new(
                init,
                config,
                [n_source, n_target],
                form,
            )),
            FusionKind::Concatenation => {
                Fusion::Concatenation(Linear::new(&init.sub("joint"), 2 * dim, dim, true))
            }
            FusionKind::Addition => Fusion::Addition,
            FusionKind::Gru => Fusion::Gru(init.sub("gru").recurrent("_l0", 3, dim, dim)),
            FusionKind::Tensor => {
                let n_products = (dim + 1) * (dim + 1);
                Fusion::Tensor(Linear::new(&init.sub("joint"), n_products, dim, true))
            }
            FusionKind::LowRank => Fusion::LowRank(LowRank::new(&init.sub("joint"), dim)),
        }
    }

    /// Language and hyper-modality, each `[batch, n_tokens, d]`, to `[batch, d]`.
    pub(super) fn forward(&self, language: &Tensor, hyper: &Tensor, query: FusionQuery) -> Tensor {
        let mean = |x: &Tensor| x.mean_dim(1, false, None);
        let with_one = |x: &Tensor| {
            let x = mean(x);
            Tensor::cat(&[x.new_ones([x.size()[0], 1], (x.kind(), x.device())), x], 1)
        };
        match self {
            Fusion::Transformer(transformer) => match query {
                FusionQuery::Language => transformer.summary(hyper, language),
                FusionQuery::Hyper => transformer.summary(language, hyper),
            },
            Fusion::Concatenation(joint) => {
                joint.forward(&Tensor::cat(&[mean(language), mean(hyper)], 1))
            }
            Fusion::Addition => mean(language) + mean(hyper),
            Fusion::Gru(weights) => {
                let tokens = Tensor::cat(&[language, hyper], 1);
                let (batch, _, dim) = tokens.size3().expect("tokens have three axes");
                let start = tokens.new_zeros([1, batch, dim], (tokens.kind(), tokens.device()));
                let (_, last) = tokens.gru(&start, weights, true, 1, 0.0, true, false, true);
                last.squeeze_dim(0)
            }
            Fusion::Tensor(joint) => {
                let (language, hyper) = (with_one(language), with_one(hyper));
                let products = language.unsqueeze(2) * hyper.unsqueeze(1);
                joint.forward(&products.flatten(1, 2))
            }
            Fusion::LowRank(joint) => joint.forward(&with_one(language), &with_one(hyper)),
        }
    }
}

/// `sum over r of (W_r [1, language]) * (V_r [1, hyper]) + b`.
#[derive(Debug)]
pub(super) struct LowRank {
    /// `[rank, d + 1, d]`.
    language: Tensor,
    /// `[rank, d + 1, d]`.
    hyper: Tensor,
    /// `[d]`.
    bias: Tensor,
}

impl LowRank {
    fn new(init: &Init<'_>, dim: i64) -> LowRank {
        let dims = [LOW_RANK, dim + 1, dim];
        // The bound that preserves the input's scale through both factors, like Xavier's.
        let bound = (6.0 / (2 * dim + 1) as f32).sqrt();
        LowRank {
            language: init.uniform("language", &dims, bound),
            hyper: init.uniform("hyper", &dims, bound),
            bias: init.constant("bias", &[dim], 0.0),
        }
    }

    /// Two `[batch, d + 1]` to `[batch, d]`.
    fn forward(&self, language: &Tensor, hyper: &Tensor) -> Tensor {
        let product = language.matmul(&self.language) * hyper.matmul(&self.hyper);
        product.sum_dim_intlist(0, false, Kind::Float) + &self.bias
    }
}

/// Cross-modality fusion transformer: target tokens query the source.
#[derive(Debug)]
pub(super) struct FusionTransformer {
    pub(super) pos_embedding_s: Tensor,
    pub(super) pos_embedding_t: Tensor,
    pub(super) extra_token: Tensor,
    pub(super) layers: Vec<TransformerLayer>,
    form: Form,
}

impl FusionTransformer {
    fn new(
        init: &Init<'_>,
        config: &AlmtConfig,
        [n_source, n_target]: [i64; 2],
        form: Form,
    ) -> FusionTransformer {
        let dim = config.sizes.token_dim;
        let layer =
            config.layer(config.sizes.fusion_heads, config.sizes.fusion_mlp_dim, form.kernels());
        FusionTransformer {
            pos_embedding_s: init.normal("pos_embedding_s", &[1, n_source + 1, dim]),
            pos_embedding_t: init.normal("pos_embedding_t", &[1, n_target + 1, dim]),
            extra_token: init.constant("extra_token", &[1, 1, dim], 0.0),
            layers: transformer_layers(
                &init.sub("CrossTransformerEncoder.layers"),
                config.sizes.fusion_depth,
                layer,
            ),
            form,
        }
    }

    /// `[batch, n_tokens, d]` with the extra token prepended.
    pub(super) fn with_token(&self, x: &Tensor, positions: &Tensor) -> Tensor {
        let token = self.extra_token.expand([x.size()[0], -1, -1], false);
        Tensor::cat(&[&token, x], 1) + positions
    }

    /// Source and target `[batch, n_tokens, d]` to `[batch, 1 + n_tokens, d]`; position 0 is the
    /// summary.
    pub(super) fn forward(&self, source: &Tensor, target: &Tensor) -> Tensor {
        let source = self.with_token(source, &self.pos_embedding_s);
        let target = self.with_token(target, &self.pos_embedding_t);
        self.layers.iter().fold(target, |target, layer| layer.forward(&target, &source))
    }

    /// Position 0 of [`forward`](FusionTransformer::forward), `[batch, d]`.
    fn summary(&self, source: &Tensor, target: &Tensor) -> Tensor {
        match self.form {
            Form::Reference => self.forward(source, target).select(1, 0),
            Form::Absorbed | Form::Batched | Form::Native => self.summary_absorbed(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, nn};

    use super::*;
    use crate::model::{AlmtSizes, Sequence, Variant, drawn};
    use crate::seed::stream;

    const DIM: usize = 16;
    const BATCH: usize = 3;

    type Rows = Vec<Vec<f64>>;

    fn rows(x: &Tensor) -> Rows {
        let width = x.size()[x.dim() - 1];
        Vec::try_from(x.to_kind(Kind::Double).reshape([-1, width])).unwrap()
    }

    /// `x W^T + b` of one row, with `W` `[n_out, n_in]`.
    fn linear(x: &[f64], weight: &Rows, bias: &[f64]) -> Vec<f64> {
        let product = |row: &Vec<f64>| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        weight.iter().zip(bias).map(|(row, bias)| product(row) + bias).collect()
    }

    /// Compares a fusion of random language and hyper-modality with `expected`, which gets the
    /// parameters by name and one sample's tokens of both.
    fn check(kind: FusionKind, expected: impl Fn(&dyn Fn(&str) -> Rows, &Rows, &Rows) -> Vec<f64>) {
        let mut rng = stream(5, "test");
        let store = nn::VarStore::new(Device::Cpu);
        let sequence = Sequence { seq_len: 7, feat_dim: 20 };
        let config = AlmtConfig {
            sizes: AlmtSizes::small(),
            text: sequence,
            audio: Some(sequence),
            vision: None,
            variant: Variant { fusion: kind, ..Variant::default() },
        };
        assert_eq!(config.sizes.token_dim as usize, DIM);
        let fusion = Fusion::new(&Init::new(store.root(), 1), &config, [4, 4], Form::Reference);
        let parameters = store.variables();
        let parameter = |name: &str| rows(&parameters[name].unsqueeze(0));
        let mut tokens = || drawn(&mut rng, &[BATCH as i64, 4, DIM as i64]);
        let (language, hyper) = (tokens(), tokens());
        let found = rows(&fusion.forward(&language, &hyper, FusionQuery::Language));
        assert_eq!(found.len(), BATCH);
        for (idx, found) in found.iter().enumerate() {
            let of = |x: &Tensor| rows(&x.get(idx as i64));
            let expected = expected(&parameter, &of(&language), &of(&hyper));
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-4, "{kind}: {found} and {expected}");
            }
        }
    }

    fn mean(tokens: &Rows) -> Vec<f64> {
        let of = |idx: usize| tokens.iter().map(|token| token[idx]).sum::<f64>();
        (0..DIM).map(|idx| of(idx) / tokens.len() as f64).collect()
    }

    fn with_one(tokens: &Rows) -> Vec<f64> {
        [vec![1.0], mean(tokens)].concat()
    }

    #[test]
    fn concatenation_and_addition_are_of_the_means() {
        check(FusionKind::Concatenation, |parameter, language, hyper| {
            let both = [mean(language), mean(hyper)].concat();
            linear(&both, &parameter("joint.weight"), &parameter("joint.bias")[0])
        });
        check(FusionKind::Addition, |_, language, hyper| {
            mean(language).iter().zip(mean(hyper)).map(|(l, h)| l + h).collect()
        });
    }

    #[test]
    fn tensor_fusion_is_of_the_outer_product() {
        check(FusionKind::Tensor, |parameter, language, hyper| {
            let hyper = with_one(hyper);
            let products: Vec<f64> =
                with_one(language).iter().flat_map(|l| hyper.iter().map(move |h| l * h)).collect();
            linear(&products, &parameter("joint.weight"), &parameter("joint.bias")[0])
        });
    }

    #[test]
    fn low_rank_fusion_sums_over_all_ranks() {
        check(FusionKind::LowRank, |parameter, language, hyper| {
            let (language, hyper) = (with_one(language), with_one(hyper));
            // Rows `r * (d + 1) + i` of `[rank, d + 1, d]`.
            let (for_l, for_h) = (parameter("joint.language"), parameter("joint.hyper"));
            let product = |x: &[f64], weight: &Rows, rank: usize, out: usize| -> f64 {
                x.iter().enumerate().map(|(i, x)| x * weight[rank * (DIM + 1) + i][out]).sum()
            };
            let bias = parameter("joint.bias");
            (0..DIM)
                .map(|out| {
                    let of = |rank| {
                        product(&language, &for_l, rank, out) * product(&hyper, &for_h, rank, out)
                    };
                    (0..LOW_RANK as usize).map(of).sum::<f64>() + bias[0][out]
                })
                .collect()
        });
    }

    #[test]
    fn the_recurrent_unit_reads_language_and_then_the_hyper_modality() {
        check(FusionKind::Gru, |parameter, language, hyper| {
            let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
            let (w_in, w_state) = (parameter("gru.weight_ih_l0"), parameter("gru.weight_hh_l0"));
            let (b_in, b_state) = (parameter("gru.bias_ih_l0"), parameter("gru.bias_hh_l0"));
            let mut state = vec![0.0; DIM];
            for token in language.iter().chain(hyper) {
                let of_input = linear(token, &w_in, &b_in[0]);
                let of_state = linear(&state, &w_state, &b_state[0]);
                let next = (0..DIM).map(|i| {
                    let reset = sigmoid(of_input[i] + of_state[i]);
                    let update = sigmoid(of_input[DIM + i] + of_state[DIM + i]);
                    let new = (of_input[2 * DIM + i] + reset * of_state[2 * DIM + i]).tanh();
                    (1.0 - update) * new + update * state[i]
                });
                state = next.collect();
            }
            state
        });
    }
}
