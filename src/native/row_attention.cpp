// Attention of a few queries to many rows, none of which is projected, as one function of autograd.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "guarded.h"
#include "kernels.h"
#include "normed.h"

namespace almt {
namespace {

// Samples below which another thread is not worth it.
constexpr int64_t SAMPLE_GRAIN = 4;

// What queries gather of normed tokens, which are the same for all samples, and of normed rows by a
// softmax of their products, in the end scaled, shifted and projected. Axes: queries [B or 1, Q, H,
// dim], tokens [1, T, dim], rows [B, K, dim], a projection [H * D, dim]; the output is [B, Q, H * D].
struct RowAttention : torch::autograd::Function<RowAttention> {
  enum Input { QUERIES, TOKENS, ROWS, GAMMA, BETA, W, N_INPUTS };
  // What is kept beside the inputs: tokens and rows normed, [B, T + K, dim], what rows and what tokens
  // were multiplied with, the weights, [B, T + K, Q * H], and what is gathered, [B * Q, H, dim].
  enum Kept { X = N_INPUTS, ROW_SCALES, TOKENS_NORMED, TOKEN_SCALES, WEIGHTS, GATHERED };

  static std::vector<NormedMap> maps(at::TensorList inputs) {
    return {{inputs[GAMMA], inputs[BETA], inputs[W], Tensor()}};
  }

  struct Extents {
    int64_t n_samples, n_tokens, n_rows, n_targets, heads, dim, dim_head;
    // Whether queries are the same for all samples.
    bool is_shared;

    explicit Extents(at::TensorList inputs) {
      const Tensor &queries = inputs[QUERIES], &tokens = inputs[TOKENS], &rows = inputs[ROWS];
      TORCH_CHECK(queries.dim() == 4 && tokens.dim() == 3 && rows.dim() == 3,
                  "the axes of row attention do not fit");
      n_samples = rows.size(0), n_tokens = tokens.size(1), n_rows = rows.size(1);
      n_targets = queries.size(1), heads = queries.size(2), dim = rows.size(2);
      dim_head = inputs[W].size(0) / heads;
      is_shared = queries.size(0) == 1;
      TORCH_CHECK((is_shared || queries.size(0) == n_samples) && queries.size(3) == dim &&
                      tokens.size(0) == 1 && tokens.size(2) == dim && n_rows > 0 &&
                      lanes() % LANES == 0 && dim % LANES == 0 && dim_head % LANES == 0,
                  "the shapes of row attention do not fit");
    }

    int64_t lanes() const { return n_targets * heads; }
    int64_t n_columns() const { return n_tokens + n_rows; }
    RowExtents of_sample() const { return {lanes(), n_columns(), dim}; }
    // Where a sample's queries begin.
    int64_t query_place(int64_t sample) const { return is_shared ? 0 : sample * lanes() * dim; }

    // Calls `work(sample)` for all samples; `begin` makes what one thread needs for its own.
    template <typename Begin> void each_sample(Begin begin) const {
      at::parallel_for(0, n_samples, SAMPLE_GRAIN, [&](int64_t first, int64_t last) {
        auto work = begin();
        for (int64_t sample = first; sample < last; sample++) {
          work(sample);
        }
      });
    }

    // Calls `work(first target, number of targets, head)` for the targets of all samples.
    template <typename Work> void each_head(Work work) const {
      at::parallel_for(0, n_samples * n_targets, ROW_GRAIN, [&](int64_t first, int64_t last) {
        for (int64_t head = 0; head < heads; head++) {
          work(first, last - first, head);
        }
      });
    }
  };

  static Tensor forward(torch::autograd::AutogradContext *context, at::TensorList inputs,
                        double eps) {
    check_float(inputs);
    const Extents e(inputs);
    const auto options = inputs[ROWS].options();
    const Normed tokens = Normed::of(inputs[TOKENS], eps);
    const Tensor x = at::empty({e.n_samples, e.n_columns(), e.dim}, options);
    const Tensor scales = at::empty({e.n_samples, e.n_rows}, options);
    const Tensor weights = at::empty({e.n_samples, e.n_columns(), e.lanes()}, options);
    const Tensor gathered = at::empty({e.n_samples * e.n_targets, e.heads, e.dim}, options);
    const Tensor transposed =
        inputs[QUERIES].view({-1, e.lanes(), e.dim}).transpose(1, 2).contiguous();
    const float *const rows_at = at(inputs[ROWS]), *const queries_at = at(transposed);
    const float *const tokens_at = at(tokens.rows);
    float *const x_at = mutable_at(x), *const scales_at = mutable_at(scales);
    float *const weights_at = mutable_at(weights), *const gathered_at = mutable_at(gathered);
    e.each_sample([&] {
      return [&](int64_t sample) {
        float *const own = x_at + sample * x.stride(0);
        std::copy_n(tokens_at, e.n_tokens * e.dim, own);
        kernels().normalise(e.n_rows, e.dim, eps, rows_at + sample * e.n_rows * e.dim,
                            own + e.n_tokens * e.dim, scales_at + sample * e.n_rows);
        kernels().attend_rows(e.of_sample(), queries_at + e.query_place(sample), own,
                              weights_at + sample * weights.stride(0),
                              gathered_at + sample * e.lanes() * e.dim);
      };
    });
    const FoldedMaps map = FoldedMaps::of(maps(inputs));
    const Tensor by_head =
        map.weight.view({e.heads, e.dim_head, e.dim}).transpose(1, 2).contiguous();
    const Tensor out = at::empty({e.n_samples, e.n_targets, e.heads * e.dim_head}, options);
    const float *const map_at = at(by_head), *const offset_at = at(map.offset);
    float *const out_at = mutable_at(out);
    e.each_head([&](int64_t first, int64_t n_targets, int64_t head) {
      const int64_t place = head * e.dim_head;
      kernels().product(n_targets, e.dim, e.dim_head,
                        gathered_at + (first * e.heads + head) * e.dim, e.heads * e.dim,
                        map_at + head * e.dim * e.dim_head, offset_at + place,
                        out_at + first * out.size(2) + place, out.size(2));
    });
    std::vector<Tensor> saved(inputs.begin(), inputs.end());
    saved.insert(saved.end(), {x, scales, tokens.rows, tokens.scale, weights, gathered});
    context->save_for_backward(saved);
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list outputs) {
    const auto all = context->get_saved_variables();
    const at::TensorList inputs = at::TensorList(all).slice(0, N_INPUTS);
    const Extents e(inputs);
    const Tensor &x = all[X], &weights = all[WEIGHTS], &gathered = all[GATHERED];
    const Tensor d_out = outputs[0].contiguous();
    // Undefined for the norm's epsilon.
    torch::autograd::variable_list gradients(N_INPUTS + 1);

    const auto maps = RowAttention::maps(inputs);
    const FoldedMaps map = FoldedMaps::of(maps);
    const Tensor d_by_head = d_out.view({-1, e.heads, e.dim_head});
    const Tensor d_weight = at::bmm(d_by_head.permute({1, 2, 0}), gathered.transpose(0, 1));
    const NormedMap d_map = FoldedMaps::gradients(
        maps, {d_weight.view_as(map.weight), d_out.view({-1, d_out.size(2)}).sum(0)})[0];
    gradients[GAMMA] = d_map.gamma, gradients[BETA] = d_map.beta, gradients[W] = d_map.weight;

    const Tensor d_gathered = at::empty_like(gathered);
    const float *const d_out_at = at(d_out), *const map_at = at(map.weight);
    float *const d_gathered_at = mutable_at(d_gathered);
    e.each_head([&](int64_t first, int64_t n_targets, int64_t head) {
      kernels().product(n_targets, e.dim_head, e.dim,
                        d_out_at + first * d_out.size(2) + head * e.dim_head, d_out.size(2),
                        map_at + head * e.dim_head * e.dim, nullptr,
                        d_gathered_at + (first * e.heads + head) * e.dim, e.heads * e.dim);
    });

    const Tensor d_x = at::empty_like(x), d_products = at::empty_like(weights);
    const Tensor d_rows = at::empty_like(inputs[ROWS]);
    const Tensor d_queries = e.is_shared ? Tensor() : at::empty_like(inputs[QUERIES]);
    const float *const queries_at = at(inputs[QUERIES]), *const x_at = at(x);
    const float *const scales_at = at(all[ROW_SCALES]), *const weights_at = at(weights);
    float *const d_x_at = mutable_at(d_x), *const d_products_at = mutable_at(d_products);
    float *const d_rows_at = mutable_at(d_rows);
    float *const d_queries_at = e.is_shared ? nullptr : mutable_at(d_queries);
    e.each_sample([&] {
      return [&, room = std::vector<float>(e.dim * e.lanes())](int64_t sample) mutable {
        const int64_t place = sample * x.stride(0), query = e.query_place(sample);
        kernels().unattend_rows(e.of_sample(), queries_at + query, x_at + place,
                                weights_at + sample * weights.stride(0),
                                d_gathered_at + sample * e.lanes() * e.dim, room.data(),
                                d_products_at + sample * weights.stride(0),
                                d_queries_at ? d_queries_at + query : nullptr, d_x_at + place);
        const int64_t first = place + e.n_tokens * e.dim;
        kernels().unnormalise(e.n_rows, e.dim, x_at + first, scales_at + sample * e.n_rows,
                              d_x_at + first, nullptr, d_rows_at + sample * e.n_rows * e.dim);
      };
    });
    gradients[ROWS] = d_rows;
    gradients[QUERIES] =
        e.is_shared ? at::mm(d_products.view({-1, e.lanes()}).t(), x.view({-1, e.dim}))
                          .view_as(inputs[QUERIES])
                    : d_queries;
    const Normed tokens{all[TOKENS_NORMED], all[TOKEN_SCALES]};
    const Tensor d_tokens = d_x.narrow(1, 0, e.n_tokens).sum(0);
    gradients[TOKENS] = tokens.gradient(d_tokens, Tensor()).view_as(inputs[TOKENS]);
    return gradients;
  }
};

} // namespace
} // namespace almt

extern "C" {

// `RowAttention` of six tensors, which are made to be contiguous; `output` gets a new tensor, which is
// the caller's.
char *almt_row_attention(at::Tensor **inputs, double eps, at::Tensor **output) {
  return guarded([&] {
    const auto tensors = almt::contiguous(inputs, almt::RowAttention::N_INPUTS);
    const at::TensorList list(tensors);
    *output = new at::Tensor(almt::RowAttention::apply(list, eps));
  });
}
}
