//! ALMT with its text encoder in the loop: from token ids to sentiment.
//!
//! Parameters are named as in the released model: those of the encoder begin with
//! `bertmodel.model.`, all others are those of [`Almt`] alone.

use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use super::almt::{Almt, AlmtConfig, Input, Trace};
use super::bert::{Bert, BertConfig, Tokens};
use super::dropout::Dropout;
use super::layers::Init;

/// Where the encoder's parameters are.
const ENCODER: &str = "bertmodel.model";

/// All sizes of the two models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WithBertConfig {
    /// The text encoder.
    pub bert: BertConfig,
    /// What reads its hidden states; `almt.text` is the extent of those.
    pub almt: AlmtConfig,
}

impl WithBertConfig {
    /// Number of parameters; `None` where a size is impossible, or where the encoder's hidden
    /// states are not what the rest reads.
    pub fn n_parameters(&self) -> Option<i64> {
        let fits = self.almt.text.feat_dim == self.bert.hidden_size
            && self.almt.text.seq_len <= self.bert.max_position_embeddings;
        let (bert, almt) = (self.bert.n_parameters()?, self.almt.n_parameters()?);
        fits.then(|| bert.checked_add(almt)).flatten()
    }
}

/// The part of the whole that a parameter belongs to; parts can be trained at their own rates, or
/// not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The text encoder.
    Bert,
    /// Everything else.
    Almt,
}

impl Part {
    /// The part that the parameter `name` belongs to.
    pub fn of(name: &str) -> Part {
        match name.strip_prefix(ENCODER) {
            Some(rest) if rest.starts_with('.') => Part::Bert,
            _ => Part::Almt,
        }
    }

    /// The number of the part's group in an optimizer: 0 is [`Part::Almt`], the only group of a
    /// model without an encoder; 1 is [`Part::Bert`].
    pub fn group(self) -> usize {
        match self {
            Part::Almt => 0,
            Part::Bert => 1,
        }
    }

    /// The part's parameters with their names, sorted by these.
    pub fn parameters(self, vars: &nn::VarStore) -> Vec<(String, Tensor)> {
        let mut parameters: Vec<(String, Tensor)> =
            vars.variables().into_iter().filter(|(name, _)| Part::of(name) == self).collect();
        parameters.sort_by(|one, other| one.0.cmp(&other.0));
        parameters
    }

    /// Keeps the part as it is: its parameters get no gradient, and so no step, any more.
    pub fn freeze(self, vars: &nn::VarStore) {
        for (_, parameter) in self.parameters(vars) {
            let _ = parameter.set_requires_grad(false);
        }
    }
}

/// ALMT and the encoder that its text comes from.
#[derive(Debug)]
pub struct AlmtWithBert {
    bert: Bert,
    almt: Almt,
}

impl AlmtWithBert {
    /// Adds the parameters of both below `init`. Those of ALMT start as they do without an encoder;
    /// those of the encoder are zero until its weights are copied into them, in
    /// [`AlmtWithBert::encoder_prefix`].
    pub fn new(init: &Init<'_>, config: &WithBertConfig) -> AlmtWithBert {
        AlmtWithBert {
            bert: Bert::new(&init.sub(ENCODER), &config.bert),
            almt: Almt::new(init, &config.almt),
        }
    }

    /// What the names of the encoder's parameters begin with.
    pub fn encoder_prefix() -> String {
        format!("{ENCODER}.")
    }

    /// The text encoder.
    pub fn bert(&self) -> &Bert {
        &self.bert
    }

    /// What reads its hidden states.
    pub fn almt(&self) -> &Almt {
        &self.almt
    }

    /// Predicted sentiment, `[batch, 1]`, from tokens, `[batch, seq_len, feat_dim]` audio and
    /// vision. `dropout` is the encoder's in training; the rest of the model has none.
    ///
    /// Of a frozen encoder no graph is kept: it costs a forward pass and no more.
    pub fn forward(
        &self,
        tokens: &Tokens,
        audio: Option<Tensor>,
        vision: Option<Tensor>,
        dropout: Option<Dropout>,
        trace: &mut Trace,
    ) -> Tensor {
        let text = self.bert.forward(tokens, dropout, trace);
        self.almt.forward(&Input { text, audio, vision }, trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_by_whole_levels_of_a_name() {
        assert_eq!(Part::of("bertmodel.model.embeddings.LayerNorm.bias"), Part::Bert);
        assert_eq!(Part::of("bertmodel.models.weight"), Part::Almt);
        assert_eq!(Part::of("proj_l.0.weight"), Part::Almt);
    }
}
