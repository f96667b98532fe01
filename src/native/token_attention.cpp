// Attention among a few tokens, as one function of autograd: its products are so small that what
// libtorch does around them takes most of the time.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

#include "guarded.h"
#include "kernels.h"

namespace {

using at::Tensor;

// Samples below which another thread is not worth it.
constexpr int64_t GRAIN = 4;

// `softmax(q k^T / sqrt(D)) v` of every head. Axes: queries [B, Q, H * D], keys and values
// [B, K, H * D]; the output is as the queries.
struct TokenAttention : torch::autograd::Function<TokenAttention> {
  static TokenExtents extents(const Tensor &q, const Tensor &k, int64_t heads) {
    const int64_t width = (k.size(1) + LANES - 1) / LANES * LANES;
    return {q.size(1), k.size(1), q.size(2) / heads, q.size(2), width};
  }

  // Calls `work(offset among queries, offset among keys, offset among weights)` for all samples and
  // heads.
  template <typename Work>
  static void each_head(const TokenExtents &e, int64_t n_samples, int64_t heads, Work work) {
    at::parallel_for(0, n_samples, GRAIN, [&](int64_t begin, int64_t end) {
      for (int64_t sample = begin; sample < end; sample++) {
        for (int64_t head = 0; head < heads; head++) {
          work(sample * e.queries * e.stride + head * e.dim,
               sample * e.keys * e.stride + head * e.dim,
               (sample * heads + head) * e.queries * e.width);
        }
      }
    });
  }

  static Tensor forward(torch::autograd::AutogradContext *context, const Tensor &q_,
                        const Tensor &k_, const Tensor &v_, int64_t heads) {
    const Tensor q = q_.detach().contiguous(), k = k_.detach().contiguous();
    const Tensor v = v_.detach().contiguous();
    for (const Tensor &tensor : {q, k, v}) {
      TORCH_CHECK(tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.dim() == 3,
                  "token attention works on float32 tensors of three axes on the CPU");
    }
    TORCH_CHECK(k.sizes() == v.sizes() && q.size(0) == k.size(0) && q.size(2) == k.size(2) &&
                    q.size(2) % (heads * LANES) == 0 && k.size(1) > 0,
                "the shapes of token attention do not fit");
    const TokenExtents e = extents(q, k, heads);
    Tensor out = at::empty_like(q);
    Tensor weights = at::empty({q.size(0), heads, e.queries, e.width}, q.options());
    float *const out_at = out.mutable_data_ptr<float>();
    float *const weights_at = weights.mutable_data_ptr<float>();
    each_head(e, q.size(0), heads, [&](int64_t query, int64_t key, int64_t weight) {
      kernels().attend(e, 1 / std::sqrt(static_cast<float>(e.dim)),
                       q.const_data_ptr<float>() + query, k.const_data_ptr<float>() + key,
                       v.const_data_ptr<float>() + key, weights_at + weight, out_at + query);
    });
    context->save_for_backward({q_, k_, v_, weights});
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list outputs) {
    const auto saved = context->get_saved_variables();
    const Tensor q = saved[0].detach().contiguous(), k = saved[1].detach().contiguous();
    const Tensor v = saved[2].detach().contiguous(), &weights = saved[3];
    const Tensor d_out = outputs[0].contiguous();
    const int64_t heads = weights.size(1);
    const TokenExtents e = extents(q, k, heads);
    Tensor d_q = at::empty_like(q), d_k = at::empty_like(k), d_v = at::empty_like(v);
    float *const d_q_at = d_q.mutable_data_ptr<float>();
    float *const d_k_at = d_k.mutable_data_ptr<float>();
    float *const d_v_at = d_v.mutable_data_ptr<float>();
    Tensor room = at::empty_like(weights);
    float *const room_at = room.mutable_data_ptr<float>();
    each_head(e, q.size(0), heads, [&](int64_t query, int64_t key, int64_t weight) {
      kernels().unattend(e, 1 / std::sqrt(static_cast<float>(e.dim)),
                         q.const_data_ptr<float>() + query, k.const_data_ptr<float>() + key,
                         v.const_data_ptr<float>() + key, weights.const_data_ptr<float>() + weight,
                         d_out.const_data_ptr<float>() + query, room_at + weight, d_q_at + query,
                         d_k_at + key, d_v_at + key);
    });
    return {d_q, d_k, d_v, Tensor()};
  }
};

} // namespace

extern "C" {

// `TokenAttention` of queries, keys and values on the CPU; `output` gets a new tensor, which is the
// caller's.
char *almt_token_attention(at::Tensor **inputs, int64_t heads, at::Tensor **output) {
  return guarded([&] {
    *output = new at::Tensor(TokenAttention::apply(*inputs[0], *inputs[1], *inputs[2], heads));
  });
}
}
