// Attention among a few tokens with the norms and projections before it, as one function of autograd:
// its products are so small that what libtorch does around them takes most of the time.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

#include "guarded.h"
#include "kernels.h"
#include "normed.h"

namespace almt {
namespace {

// Samples below which another thread is not worth it.
constexpr int64_t SAMPLE_GRAIN = 4;

// Tensors that say of what queries are made: rows, the norm's scale and shift, the projection; and of
// what keys and values are made: rows, and of each of both the norm's scale and shift and the
// projection.
constexpr int64_t OF_QUERIES = 4, OF_SOURCE = 7;

// The sum over all sources of `softmax(q k^T / sqrt(D)) v` of every head, where queries, keys and values
// are projections of normed rows. Axes: rows of queries [B, Q, dim], of a source [B, K, dim],
// projections [H * D, dim]; the output is [B, Q, H * D].
struct TokenAttention : torch::autograd::Function<TokenAttention> {
  struct Source {
    Normed normed;
    // Keys and values beside each other, or queries, keys and values, [B * K, ..].
    Tensor projected;
    Tensor weights;
  };

  // Queries that are made of the same rows as keys and values go with them.
  static bool is_own(at::TensorList inputs) {
    return inputs.size() == OF_QUERIES + OF_SOURCE && inputs[0].is_same(inputs[OF_QUERIES]);
  }

  static std::vector<NormedMap> query_maps(at::TensorList inputs) {
    return {{inputs[1], inputs[2], inputs[3], Tensor()}};
  }

  // Of the source that begins at `first`.
  static std::vector<NormedMap> source_maps(at::TensorList inputs, int64_t first, bool is_own) {
    std::vector<NormedMap> maps;
    if (is_own) {
      maps = query_maps(inputs);
    }
    maps.push_back({inputs[first + 1], inputs[first + 2], inputs[first + 3], Tensor()});
    maps.push_back({inputs[first + 4], inputs[first + 5], inputs[first + 6], Tensor()});
    return maps;
  }

  struct Extents {
    TokenExtents of_head;
    int64_t n_samples, heads;

    Extents(const Tensor &query_rows, const Tensor &source_rows, int64_t inner, int64_t heads,
            bool is_own)
        : n_samples(query_rows.size(0)), heads(heads) {
      const int64_t keys = source_rows.size(1);
      TORCH_CHECK(inner % (heads * LANES) == 0 && keys > 0 && source_rows.size(0) == n_samples,
                  "the shapes of token attention do not fit");
      of_head = {query_rows.size(1),
                 keys,
                 inner / heads,
                 is_own ? 3 * inner : inner,
                 is_own ? 3 * inner : 2 * inner,
                 inner,
                 (keys + LANES - 1) / LANES * LANES};
    }

    // Calls `work(offset among queries, among keys, among weights, among outputs)` for all samples
    // and heads.
    template <typename Work> void each_head(Work work) const {
      const TokenExtents &e = of_head;
      at::parallel_for(0, n_samples, SAMPLE_GRAIN, [&](int64_t begin, int64_t end) {
        for (int64_t sample = begin; sample < end; sample++) {
          for (int64_t head = 0; head < heads; head++) {
            work(sample * e.queries * e.query_stride + head * e.dim,
                 sample * e.keys * e.key_stride + head * e.dim,
                 (sample * heads + head) * e.queries * e.width,
                 sample * e.queries * e.out_stride + head * e.dim);
          }
        }
      });
    }

    float scale() const { return 1 / std::sqrt(static_cast<float>(of_head.dim)); }
  };

  static Tensor forward(torch::autograd::AutogradContext *context, at::TensorList inputs,
                        int64_t heads, double eps) {
    check_float(inputs);
    const bool is_own = TokenAttention::is_own(inputs);
    const Tensor &rows = inputs[0];
    const int64_t inner = inputs[3].size(0), n_inputs = inputs.size();
    const Tensor out = at::empty({rows.size(0), rows.size(1), inner}, rows.options());
    std::vector<Tensor> saved(inputs.begin(), inputs.end());
    Tensor queries;
    if (!is_own) {
      const Normed normed = Normed::of(rows, eps);
      queries = FoldedMaps::of(query_maps(inputs)).forward(normed);
      saved.insert(saved.end(), {normed.rows, normed.scale, queries});
    }
    for (int64_t first = OF_QUERIES; first < n_inputs; first += OF_SOURCE) {
      const Normed normed = Normed::of(inputs[first], eps);
      const Tensor projected = FoldedMaps::of(source_maps(inputs, first, is_own)).forward(normed);
      const Extents e(rows, inputs[first], inner, heads, is_own);
      const Tensor weights =
          at::empty({e.n_samples, heads, e.of_head.queries, e.of_head.width}, rows.options());
      const float *const q = at(is_own ? projected : queries);
      const float *const k = at(projected) + (is_own ? inner : 0), *const v = k + inner;
      float *const weights_at = mutable_at(weights), *const out_at = mutable_at(out);
      const bool add = first > OF_QUERIES;
      e.each_head([&](int64_t query, int64_t key, int64_t weight, int64_t place) {
        kernels().attend(e.of_head, e.scale(), q + query, k + key, v + key, weights_at + weight,
                         add, out_at + place);
      });
      saved.insert(saved.end(), {normed.rows, normed.scale, projected, weights});
    }
    context->saved_data["heads"] = heads;
    context->saved_data["n_inputs"] = n_inputs;
    context->saved_data["is_own"] = is_own;
    context->save_for_backward(saved);
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list outputs) {
    const auto all = context->get_saved_variables();
    const int64_t heads = context->saved_data["heads"].toInt();
    const int64_t n_inputs = context->saved_data["n_inputs"].toInt();
    const at::TensorList inputs = at::TensorList(all).slice(0, n_inputs);
    const Tensor *saved = all.data() + n_inputs;
    const bool is_own = context->saved_data["is_own"].toBool();
    const Tensor &rows = inputs[0];
    const int64_t inner = inputs[3].size(0);
    const Tensor d_out = outputs[0].contiguous();
    // Undefined for the number of heads and for the norm's epsilon.
    torch::autograd::variable_list gradients(n_inputs + 2);
    const auto put = [&](int64_t first, const NormedMap &d) {
      gradients[first] = d.gamma, gradients[first + 1] = d.beta, gradients[first + 2] = d.weight;
    };
    Normed of_queries;
    Tensor queries, d_queries;
    if (!is_own) {
      of_queries = {saved[0], saved[1]}, queries = saved[2];
      d_queries = at::empty_like(queries);
      saved += 3;
    }
    for (int64_t first = OF_QUERIES; first < n_inputs; first += OF_SOURCE, saved += 4) {
      const Normed normed{saved[0], saved[1]};
      const Tensor &projected = saved[2], &weights = saved[3];
      const Tensor d_projected = at::empty_like(projected), room = at::empty_like(weights);
      const Extents e(rows, inputs[first], inner, heads, is_own);
      const float *const q = at(is_own ? projected : queries);
      const float *const k = at(projected) + (is_own ? inner : 0), *const v = k + inner;
      const float *const weights_at = at(weights), *const d_out_at = at(d_out);
      float *const room_at = mutable_at(room);
      float *const d_q = mutable_at(is_own ? d_projected : d_queries);
      float *const d_k = mutable_at(d_projected) + (is_own ? inner : 0), *const d_v = d_k + inner;
      const bool add = first > OF_QUERIES;
      e.each_head([&](int64_t query, int64_t key, int64_t weight, int64_t place) {
        kernels().unattend(e.of_head, e.scale(), q + query, k + key, v + key, weights_at + weight,
                           d_out_at + place, room_at + weight, add, d_q + query, d_k + key,
                           d_v + key);
      });
      const auto maps = source_maps(inputs, first, is_own);
      const auto d_maps = FoldedMaps::gradients(maps, normed, d_projected);
      put(first + 1, d_maps[d_maps.size() - 2]);
      put(first + 4, d_maps[d_maps.size() - 1]);
      const Tensor d_normed = at::mm(d_projected, FoldedMaps::of(maps).weight);
      gradients[first] = normed.gradient(d_normed, Tensor()).view_as(inputs[first]);
      if (is_own) {
        put(1, d_maps[0]);
      }
    }
    if (!is_own) {
      const auto maps = query_maps(inputs);
      put(1, FoldedMaps::gradients(maps, of_queries, d_queries)[0]);
      const Tensor d_normed = at::mm(d_queries, FoldedMaps::of(maps).weight);
      gradients[0] = of_queries.gradient(d_normed, Tensor()).view_as(rows);
    }
    return gradients;
  }
};

} // namespace
} // namespace almt

extern "C" {

// `TokenAttention` of the rows of queries, what makes queries of them, and of each of the sources, which
// are made to be contiguous; `output` gets a new tensor, which is the caller's.
char *almt_token_attention(at::Tensor **inputs, size_t n_sources, int64_t heads, double eps,
                           at::Tensor **output) {
  return guarded([&] {
    const auto tensors =
        almt::contiguous(inputs, almt::OF_QUERIES + n_sources * almt::OF_SOURCE);
    const at::TensorList list(tensors);
    *output = new at::Tensor(almt::TokenAttention::apply(list, heads, eps));
  });
}
}
