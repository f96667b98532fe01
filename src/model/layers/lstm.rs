//! Long short-term memory.

use tch::{Kind, Tensor};

use super::Init;
use crate::native::modes::Autocast;

/// One layer of LSTM in one direction, with the parameters and initial values of PyTorch's `nn.LSTM` (gates
/// in the order input, forget, cell, output; two biases).
#[derive(Debug)]
pub struct Lstm {
    /// `weight_ih` `[4 hidden, n_in]`, `weight_hh` `[4 hidden, hidden]`, and a bias `[4 hidden]` of each.
    weights: [Tensor; 4],
    hidden: i64,
}

impl Lstm {
    /// A layer from `n_in` features to `hidden`, named as in `nn.LSTM`.
    pub fn new(init: &Init<'_>, n_in: i64, hidden: i64) -> Lstm {
        Lstm::named(init, "_l0", n_in, hidden)
    }

    /// A layer named as an `nn.LSTMCell`.
    pub fn cell(init: &Init<'_>, n_in: i64, hidden: i64) -> Lstm {
        Lstm::named(init, "", n_in, hidden)
    }

    fn named(init: &Init<'_>, suffix: &str, n_in: i64, hidden: i64) -> Lstm {
        Lstm::of(init.recurrent(suffix, 4, n_in, hidden), n_in, hidden)
    }

    fn of(weights: [Tensor; 4], n_in: i64, hidden: i64) -> Lstm {
        if weights[0].device().is_cuda() {
            // cuDNN's layout: contiguous; otherwise it copies the weights at every call.
            const MODE: i64 = 2;
            let each = weights.len() as i64;
            let _ = tch::no_grad(|| {
                Tensor::internal_cudnn_rnn_flatten_weight(
                    &weights, each, n_in, MODE, hidden, 0, 1, true, false,
                )
            });
        }
        Lstm { weights, hidden }
    }

    /// `weight_ih`, `weight_hh` and their biases.
    pub fn weights(&self) -> &[Tensor; 4] {
        &self.weights
    }

    /// Hidden states of all steps, `[batch, seq_len, hidden]`, and of the last one, `[batch, hidden]`,
    /// for `x` `[batch, seq_len, n_in]`.
    fn run(&self, x: &Tensor) -> (Tensor, Tensor) {
        // oneDNN's layer in bfloat16 needs AVX-512.
        let _pause = Autocast::pause_on_cpu();
        let whole = match x.device().is_cuda() {
            true => x.shallow_clone(),
            false => x.to_kind(self.weights[0].kind()),
        };
        let x = &whole;
        let batch = x.size().first().copied().unwrap_or(0);
        let start = || x.new_zeros([1, batch, self.hidden], (x.kind(), x.device()));
        // cuDNN keeps the state for a backward pass only in training mode; the values are the same.
        let is_training = true;
        let (all, hidden, _) =
            x.lstm(&[start(), start()], &self.weights, true, 1, 0.0, is_training, false, true);
        (all, hidden.squeeze_dim(0))
    }

    /// Hidden state after the last step, padding included: `[batch, seq_len, n_in]` to
    /// `[batch, hidden]`.
    pub fn last(&self, x: &Tensor) -> Tensor {
        self.run(x).1
    }

    /// Hidden state after the last step before the padding, `[batch, hidden]`, like `nn.LSTM` on a
    /// packed sequence. `lengths` is int64 `[batch]`, from 1 to `seq_len`.
    pub fn last_of(&self, x: &Tensor, lengths: &Tensor) -> Tensor {
        let x = without_common_padding(x, lengths);
        at_end(&self.run(&x).0, lengths)
    }

    /// The gates' input from `x` and the biases, `[.., n_in]` to `[.., 4 hidden]`.
    pub fn gates(&self, x: &Tensor) -> Tensor {
        let [weight_ih, _, bias_ih, bias_hh] = &self.weights;
        x.linear(weight_ih, Some(&(bias_ih + bias_hh)))
    }

    /// One step: hidden and cell state `[batch, hidden]` from the previous ones and from
    /// [`gates`](Lstm::gates) `[batch, 4 hidden]`.
    pub fn step(&self, gates: &Tensor, (hidden, cell): &(Tensor, Tensor)) -> (Tensor, Tensor) {
        lstm_step(&(gates + hidden.linear::<Tensor>(&self.weights[1], None)), cell)
    }

    /// States before the first step.
    pub fn start(&self, like: &Tensor, batch: i64) -> (Tensor, Tensor) {
        let zeros = || like.new_zeros([batch, self.hidden], (like.kind(), like.device()));
        (zeros(), zeros())
    }
}

/// Hidden and cell state `[batch, hidden]` from the gates' total inputs, `[batch, 4 hidden]`.
pub fn lstm_step(gates: &Tensor, cell: &Tensor) -> (Tensor, Tensor) {
    let parts = gates.chunk(4, 1);
    let cell = parts[1].sigmoid() * cell + parts[0].sigmoid() * parts[2].tanh();
    (parts[3].sigmoid() * cell.tanh(), cell)
}

/// One layer of LSTM in both directions over the steps before the padding, like `nn.LSTM` on a packed
/// sequence.
#[derive(Debug)]
pub struct BiLstm {
    forward: Lstm,
    backward: Lstm,
}

impl BiLstm {
    /// A layer from `n_in` features to `hidden` in each direction, named as in `nn.LSTM`.
    pub fn new(init: &Init<'_>, n_in: i64, hidden: i64) -> BiLstm {
        BiLstm {
            forward: Lstm::named(init, "_l0", n_in, hidden),
            backward: Lstm::named(init, "_l0_reverse", n_in, hidden),
        }
    }

    /// Like [`new`](BiLstm::new), with matrices drawn by Xavier's rule for the normal distribution.
    pub fn xavier(init: &Init<'_>, n_in: i64, hidden: i64) -> BiLstm {
        let direction = |suffix: &str| {
            let matrix = |name: &str, n_in: i64| {
                let std = (2.0 / (n_in + 4 * hidden) as f32).sqrt();
                init.scaled_normal(&format!("{name}{suffix}"), &[4 * hidden, n_in], std)
            };
            let bias = |name: &str| {
                init.uniform(
                    &format!("{name}{suffix}"),
                    &[4 * hidden],
                    1.0 / (hidden as f32).sqrt(),
                )
            };
            let weights = [
                matrix("weight_ih", n_in),
                matrix("weight_hh", hidden),
                bias("bias_ih"),
                bias("bias_hh"),
            ];
            Lstm::of(weights, n_in, hidden)
        };
        BiLstm { forward: direction("_l0"), backward: direction("_l0_reverse") }
    }

    /// Hidden states of all steps, `[batch, seq_len, 2 hidden]`, zeros in the padding, and the last one
    /// of each direction, `[batch, hidden]`. `lengths` is int64 `[batch]`, from 1 to `seq_len`; steps
    /// that are padding in all samples are left out.
    pub fn run(&self, x: &Tensor, lengths: &Tensor) -> (Tensor, [Tensor; 2]) {
        let x = without_common_padding(x, lengths);
        let order = reversed(lengths, x.size()[1]);
        let there = self.forward.run(&x).0;
        let back = self.backward.run(&in_order(&x, &order)).0;
        let last = [at_end(&there, lengths), at_end(&back, lengths)];
        let steps = Tensor::arange(x.size()[1], (Kind::Int64, x.device()));
        let is_real = steps.unsqueeze(0).less_tensor(&lengths.unsqueeze(1)).unsqueeze(2);
        let all = Tensor::cat(&[there, in_order(&back, &order)], 2);
        (all * is_real.to_kind(x.kind()), last)
    }
}

/// `x` `[batch, seq_len, n]` without the steps that are padding in all samples. On a GPU they stay,
/// because reading the maximum length would wait for all previous work.
fn without_common_padding(x: &Tensor, lengths: &Tensor) -> Tensor {
    if x.device().is_cuda() {
        return x.shallow_clone();
    }
    x.narrow(1, 0, lengths.max().int64_value(&[]))
}

/// Rows of `x` `[batch, seq_len, n]` at the last step of each sample, `[batch, n]`.
fn at_end(x: &Tensor, lengths: &Tensor) -> Tensor {
    let index = (lengths - 1).view([-1, 1, 1]).expand([-1, 1, x.size()[2]], false);
    x.gather(1, &index, false).squeeze_dim(1)
}

/// Each sample's steps in reverse order, with the padding in place, int64 `[batch, seq_len]`.
fn reversed(lengths: &Tensor, seq_len: i64) -> Tensor {
    let steps = Tensor::arange(seq_len, (Kind::Int64, lengths.device())).unsqueeze(0);
    let lengths = lengths.unsqueeze(1);
    let back = &lengths - 1 - &steps;
    back.where_self(&steps.less_tensor(&lengths), &steps)
}

/// The steps of `x` `[batch, seq_len, n]` in each sample's order.
fn in_order(x: &Tensor, order: &Tensor) -> Tensor {
    x.gather(1, &order.unsqueeze(2).expand([-1, -1, x.size()[2]], false), false)
}

#[cfg(test)]
mod tests {
    use tch::{Device, nn};

    use super::*;
    use crate::model::drawn;
    use crate::seed::stream;

    /// libtorch's result for a packed sequence: hidden states `[batch, seq_len, directions * hidden]`
    /// and the last ones `[directions, batch, hidden]`. Lengths must be in descending order.
    fn packed(x: &Tensor, lengths: &Tensor, weights: &[Tensor], is_both: bool) -> (Tensor, Tensor) {
        let (data, sizes) = Tensor::internal_pack_padded_sequence(x, lengths, true);
        let n_directions = if is_both { 2 } else { 1 };
        let hidden = weights[1].size()[1];
        let start =
            || Tensor::zeros([n_directions, x.size()[0], hidden], (Kind::Float, Device::Cpu));
        let (all, last, _) = Tensor::lstm_data(
            &data,
            &sizes,
            &[start(), start()],
            weights,
            true,
            1,
            0.0,
            true,
            is_both,
        );
        let (all, _) = Tensor::internal_pad_packed_sequence(&all, &sizes, true, 0.0, x.size()[1]);
        (all, last)
    }

    fn inputs() -> (Tensor, Tensor) {
        let x = drawn(&mut stream(3, "lstm"), &[4, 6, 3]);
        (x, Tensor::from_slice(&[6_i64, 4, 3, 1]))
    }

    #[test]
    fn the_last_state_is_that_of_a_packed_sequence() {
        let vars = nn::VarStore::new(Device::Cpu);
        let lstm = Lstm::new(&Init::new(vars.root(), 1), 3, 5);
        let (x, lengths) = inputs();
        let (_, last) = packed(&x, &lengths, &lstm.weights, false);
        assert!(lstm.last_of(&x, &lengths).allclose(&last.squeeze_dim(0), 1e-6, 1e-6, false));
    }

    #[test]
    fn both_directions_are_those_of_a_packed_sequence() {
        let vars = nn::VarStore::new(Device::Cpu);
        let both = BiLstm::new(&Init::new(vars.root(), 1), 3, 5);
        let (x, lengths) = inputs();
        let weights: Vec<Tensor> = [&both.forward, &both.backward]
            .iter()
            .flat_map(|it| it.weights.each_ref().map(Tensor::shallow_clone))
            .collect();
        let (all, last) = packed(&x, &lengths, &weights, true);
        let (found, found_last) = both.run(&x, &lengths);
        assert!(found.allclose(&all, 1e-6, 1e-6, false));
        for (idx, found) in found_last.iter().enumerate() {
            assert!(found.allclose(&last.get(idx as i64), 1e-6, 1e-6, false), "direction {idx}");
        }
        // Values in the padding do not matter.
        let x = x + 5.0
            * Tensor::arange(6, (Kind::Int64, Device::Cpu))
                .ge_tensor(&lengths.unsqueeze(1))
                .unsqueeze(2);
        assert!(both.run(&x, &lengths).0.allclose(&all, 1e-6, 1e-6, false));
    }

    #[test]
    fn steps_one_by_one_are_those_of_the_whole() {
        let vars = nn::VarStore::new(Device::Cpu);
        let lstm = Lstm::cell(&Init::new(vars.root(), 1), 3, 5);
        let (x, _) = inputs();
        let mut state = lstm.start(&x, 4);
        for gates in lstm.gates(&x).unbind(1) {
            state = lstm.step(&gates, &state);
        }
        assert!(state.0.allclose(&lstm.last(&x), 1e-6, 1e-6, false));
    }

    #[test]
    fn a_layer_on_a_cpu_stays_whole_in_autocast() {
        let vars = nn::VarStore::new(Device::Cpu);
        let lstm = Lstm::new(&Init::new(vars.root(), 1), 3, 5);
        let x = drawn(&mut stream(3, "lstm"), &[4, 6, 3]);
        let whole = lstm.last(&x);
        let _autocast = Autocast::begin(Device::Cpu).unwrap();
        assert_eq!(lstm.last(&x), whole);
        assert!(Autocast::is_on());
        assert_eq!(lstm.last(&x.to_kind(Kind::BFloat16)).kind(), Kind::Float);
    }
}
