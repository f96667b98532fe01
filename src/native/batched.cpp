// Functions of autograd over libtorch's own operations, for any device and type: each takes fewer of
// them than libtorch would by itself, which on a GPU is what small ones cost.

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "guarded.h"

namespace almt {
namespace {

using at::Tensor;

// `x W^T + b` of several groups. Axes: x [groups, rows, n_in], W [groups, n_out, n_in], b [groups, n_out]
// or none; the output is [groups, rows, n_out]. The gradient of W lies in memory as W does, so that
// it need not be copied.
struct GroupedLinear : torch::autograd::Function<GroupedLinear> {
  static Tensor forward(torch::autograd::AutogradContext *context, const Tensor &x,
                        const Tensor &weight, const std::optional<Tensor> &bias) {
    context->saved_data["has_bias"] = bias.has_value();
    context->save_for_backward({x, weight});
    if (x.size(0) == 1) {
      const auto own_bias = bias ? std::optional(bias->squeeze(0)) : std::nullopt;
      return at::linear(x.squeeze(0), weight.squeeze(0), own_bias).unsqueeze(0);
    }
    const Tensor out = at::bmm(x, weight.transpose(1, 2));
    return bias ? out.add_(bias->unsqueeze(1)) : out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list outputs) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &d_out = outputs[0];
    const bool is_from_data = !context->needs_input_grad(0);
    return {is_from_data ? Tensor() : at::bmm(d_out, weight), at::bmm(d_out.transpose(1, 2), x),
            context->saved_data["has_bias"].toBool() ? d_out.sum(1) : Tensor()};
  }
};

// What queries gather of the rows of every sample, which are keys and values at once: `P^T x` with `P =
// softmax(x Q^T)` over the rows. Axes: x [groups, batch, n_rows, dim], Q [groups, n_queries, dim]; the
// output is [groups, batch, n_queries, dim].
struct GatherRows : torch::autograd::Function<GatherRows> {
  static Tensor forward(torch::autograd::AutogradContext *context, const Tensor &x,
                        const Tensor &queries) {
    const auto size = x.sizes();
    const Tensor by_group = x.view({size[0], -1, size[3]}), by_sample = x.flatten(0, 1);
    const Tensor scores = at::bmm(by_group, queries.transpose(1, 2));
    // Autocast has it in float32.
    const Tensor p =
        scores.view({by_sample.size(0), size[2], -1}).softmax(1).to(x.scalar_type());
    context->save_for_backward({x, queries, p});
    const Tensor gathered = at::bmm(p.transpose(1, 2), by_sample);
    return gathered.view({size[0], size[1], -1, size[3]});
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list outputs) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &queries = saved[1], &p = saved[2];
    const Tensor by_group = x.flatten(1, 2), by_sample = x.flatten(0, 1);
    const Tensor d_out = outputs[0].flatten(0, 1);
    const Tensor d_p = at::bmm(by_sample, d_out.transpose(1, 2));
    const Tensor d_scores =
        at::_softmax_backward_data(d_p, p, 1, p.scalar_type()).view({x.size(0), -1, p.size(2)});
    const Tensor d_x = at::bmm(p, d_out).view_as(by_group);
    d_x.baddbmm_(d_scores, queries);
    return {d_x.view_as(x), at::bmm(d_scores.transpose(1, 2), by_group)};
  }
};

} // namespace
} // namespace almt

extern "C" {

// `GroupedLinear`; `bias` may be null. `output` gets a new tensor, which is the caller's.
char *almt_grouped_linear(const at::Tensor *x, const at::Tensor *weight, const at::Tensor *bias,
                          at::Tensor **output) {
  return guarded([&] {
    const auto own_bias = bias ? std::optional(*bias) : std::nullopt;
    *output = new at::Tensor(
        almt::GroupedLinear::apply(x->contiguous(), weight->contiguous(), own_bias));
  });
}

// `GatherRows`; `output` gets a new tensor, which is the caller's.
char *almt_gather_rows(const at::Tensor *x, const at::Tensor *queries, at::Tensor **output) {
  return guarded([&] {
    *output = new at::Tensor(almt::GatherRows::apply(x->contiguous(), queries->contiguous()));
  });
}
}
