// What follows the attention in a transformer layer, as one function of autograd, and what goes before
// it where targets are few.

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

#include "guarded.h"
#include "normed.h"

namespace almt {
namespace {

// `y + W_2 gelu(W_1 norm(y) + b_1) + b_2` of `y = x + W gathered + b`. Axes: gathered [B, T, inner], x [B
// or 1, T, dim]; the output is [B, T, dim].
struct AfterAttention : torch::autograd::Function<AfterAttention> {
  enum Input { GATHERED, X, W, B, GAMMA, BETA, W_1, B_1, W_2, B_2, N_INPUTS };

  static std::vector<NormedMap> maps(at::TensorList inputs) {
    return {{inputs[GAMMA], inputs[BETA], inputs[W_1], inputs[B_1]}};
  }

  static Tensor forward(torch::autograd::AutogradContext *context, at::TensorList inputs,
                        double eps) {
    check_float(inputs);
    const Tensor &gathered = inputs[GATHERED], &x = inputs[X];
    const int64_t dim = x.size(2), n_rows = gathered.numel() / gathered.size(2);
    const Tensor y = at::empty({gathered.size(0), x.size(1), dim}, x.options());
    y.copy_(x + inputs[B]);
    const Tensor rows = y.view({n_rows, dim});
    rows.addmm_(gathered.view({n_rows, -1}), inputs[W].t());
    const Normed normed = Normed::of(y, eps);
    const Tensor before = FoldedMaps::of(maps(inputs)).forward(normed);
    const Tensor active = at::gelu(before);
    const Tensor out = y + inputs[B_2];
    out.view({n_rows, dim}).addmm_(active, inputs[W_2].t());
    std::vector<Tensor> saved(inputs.begin(), inputs.end());
    saved.insert(saved.end(), {normed.rows, normed.scale, before, active});
    context->save_for_backward(saved);
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list outputs) {
    const auto all = context->get_saved_variables();
    const at::TensorList inputs = at::TensorList(all).slice(0, N_INPUTS);
    const Normed normed{all[N_INPUTS], all[N_INPUTS + 1]};
    const Tensor &before = all[N_INPUTS + 2], &active = all[N_INPUTS + 3];
    const Tensor &gathered = inputs[GATHERED], &x = inputs[X];
    const Tensor d_out = outputs[0].contiguous().view_as(normed.rows);
    // Undefined for the norm's epsilon.
    torch::autograd::variable_list gradients(N_INPUTS + 1);
    gradients[W_2] = at::mm(d_out.t(), active);
    gradients[B_2] = d_out.sum(0);
    const Tensor d_before = at::gelu_backward(at::mm(d_out, inputs[W_2]), before);
    const auto maps = AfterAttention::maps(inputs);
    const NormedMap d_map = FoldedMaps::gradients(maps, normed, d_before)[0];
    gradients[GAMMA] = d_map.gamma, gradients[BETA] = d_map.beta;
    gradients[W_1] = d_map.weight, gradients[B_1] = d_map.bias;
    const Tensor d_y = normed.gradient(at::mm(d_before, FoldedMaps::of(maps).weight), d_out);
    gradients[W] = at::mm(d_y.t(), gathered.view({d_y.size(0), -1}));
    gradients[B] = d_y.sum(0);
    gradients[GATHERED] = at::mm(d_y, inputs[W]).view_as(gathered);
    const Tensor d_samples = d_y.view({gathered.size(0), x.size(1), x.size(2)});
    gradients[X] = x.size(0) == d_samples.size(0) ? d_samples : d_samples.sum(0, true);
    return gradients;
  }
};

// What takes the place of queries where keys are not projected: `gamma_k W_k^T q / sqrt(D)` of every
// head with `q = W_q norm_q(x)`. Axes: x [.., dim], projections [H * D, dim]; the output is [rows, H,
// dim]. The keys' shift adds the same to all scores of a query, and so nothing to the weights.
struct AbsorbedQueries : torch::autograd::Function<AbsorbedQueries> {
  enum Input { X, GAMMA_Q, BETA_Q, W_Q, GAMMA_K, BETA_K, W_K, N_INPUTS };

  static std::vector<NormedMap> maps(at::TensorList inputs) {
    return {{inputs[GAMMA_Q], inputs[BETA_Q], inputs[W_Q], Tensor()}};
  }

  // [rows, H * D] to [H, rows, D].
  static Tensor by_head(const Tensor &x, int64_t heads) {
    return x.view({x.size(0), heads, -1}).transpose(0, 1);
  }

  static Tensor forward(torch::autograd::AutogradContext *context, at::TensorList inputs,
                        int64_t heads, double eps) {
    check_float(inputs);
    const Normed normed = Normed::of(inputs[X], eps);
    const Tensor queries = FoldedMaps::of(maps(inputs)).forward(normed);
    const int64_t n_rows = queries.size(0), inner = queries.size(1), dim = inputs[W_K].size(1);
    const Tensor to_keys = inputs[W_K].view({heads, -1, dim});
    const Tensor projected = at::bmm(by_head(queries, heads), to_keys).transpose(0, 1);
    const Tensor scale = inputs[GAMMA_K] / std::sqrt(static_cast<double>(inner / heads));
    Tensor out = at::empty({n_rows, heads, dim}, projected.options());
    at::mul_out(out, projected, scale);
    std::vector<Tensor> saved(inputs.begin(), inputs.end());
    saved.insert(saved.end(), {normed.rows, normed.scale, queries, projected, scale});
    context->saved_data["heads"] = heads;
    context->save_for_backward(saved);
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list outputs) {
    const auto all = context->get_saved_variables();
    const int64_t heads = context->saved_data["heads"].toInt();
    const at::TensorList inputs = at::TensorList(all).slice(0, N_INPUTS);
    const Normed normed{all[N_INPUTS], all[N_INPUTS + 1]};
    const Tensor &queries = all[N_INPUTS + 2], &projected = all[N_INPUTS + 3];
    const Tensor &scale = all[N_INPUTS + 4];
    const int64_t n_rows = queries.size(0), inner = queries.size(1), dim = inputs[W_K].size(1);
    const Tensor to_keys = inputs[W_K].view({heads, -1, dim});
    const Tensor &d_out = outputs[0];
    // Undefined for the number of heads and for the norm's epsilon.
    torch::autograd::variable_list gradients(N_INPUTS + 2);
    gradients[GAMMA_K] = (d_out * projected).sum(at::IntArrayRef{0, 1}) /
                         std::sqrt(static_cast<double>(inner / heads));
    // A gradient of zero is a gradient: without one, the parameter would not decay.
    gradients[BETA_K] = at::zeros_like(inputs[BETA_K]);
    const Tensor d_projected = (d_out * scale).transpose(0, 1);
    gradients[W_K] =
        at::bmm(by_head(queries, heads).transpose(1, 2), d_projected).view({inner, dim});
    const Tensor d_queries = at::bmm(d_projected, to_keys.transpose(1, 2))
                                 .transpose(0, 1)
                                 .reshape({n_rows, inner});
    const auto maps = AbsorbedQueries::maps(inputs);
    const NormedMap d_map = FoldedMaps::gradients(maps, normed, d_queries)[0];
    gradients[GAMMA_Q] = d_map.gamma, gradients[BETA_Q] = d_map.beta;
    gradients[W_Q] = d_map.weight;
    const Tensor d_normed = at::mm(d_queries, FoldedMaps::of(maps).weight);
    gradients[X] = normed.gradient(d_normed, Tensor()).view_as(inputs[X]);
    return gradients;
  }
};

} // namespace
} // namespace almt

extern "C" {

// `AfterAttention` of ten tensors; `output` gets a new tensor, which is the caller's.
char *almt_after_attention(at::Tensor **inputs, double eps, at::Tensor **output) {
  return guarded([&] {
    const auto tensors = almt::contiguous(inputs, almt::AfterAttention::N_INPUTS);
    const at::TensorList list(tensors);
    *output = new at::Tensor(almt::AfterAttention::apply(list, eps));
  });
}

// `AbsorbedQueries` of seven tensors; `output` gets a new tensor, which is the caller's.
char *almt_absorbed_queries(at::Tensor **inputs, int64_t heads, double eps, at::Tensor **output) {
  return guarded([&] {
    const auto tensors = almt::contiguous(inputs, almt::AbsorbedQueries::N_INPUTS);
    const at::TensorList list(tensors);
    *output = new at::Tensor(almt::AbsorbedQueries::apply(list, heads, eps));
  });
}
}
