// Attention among few tokens, as one function of autograd: libtorch's products of so small matrices are
// mostly calls.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <cmath>
#include <vector>

#include "guarded.h"
#include "kernels.h"

namespace almt {
namespace {

using at::Tensor;

// Samples below which another thread is not worth it.
constexpr int64_t SAMPLE_GRAIN = 4;

// `softmax(q k^T / sqrt(D)) v` of every head. Axes: q [B, Q, H * D], k and v [B, K, H * D]; the output is
// of the shape of q.
struct TokenAttention : torch::autograd::Function<TokenAttention> {
  struct Extents {
    int64_t n_samples, heads;
    TokenExtents of_head;

    Extents(at::TensorList inputs, int64_t n_heads) : n_samples(inputs[0].size(0)), heads(n_heads) {
      for (const Tensor &tensor : inputs) {
        TORCH_CHECK(tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.dim() == 3,
                    "token attention works on float32 tensors of three axes on the CPU");
      }
      const int64_t n_keys = inputs[1].size(1), inner = inputs[0].size(2), dim = inner / heads;
      const std::array<int64_t, 3> of_keys{n_samples, n_keys, inner};
      TORCH_CHECK(inputs[1].sizes() == at::IntArrayRef(of_keys) &&
                      inputs[2].sizes() == at::IntArrayRef(of_keys) &&
                      dim * heads == inner && dim % LANES == 0 && n_keys > 0,
                  "the shapes of token attention do not fit");
      const int64_t width = (n_keys + LANES - 1) / LANES * LANES;
      of_head = {inputs[0].size(1), n_keys, dim, inner, inner, width};
    }

    float scale() const { return static_cast<float>(1 / std::sqrt(static_cast<double>(of_head.dim))); }

    // Calls `work(start of the queries, of the keys, of the weights)` for all heads of all samples.
    template <typename Begin> void each_head(Begin begin) const {
      const TokenExtents &e = of_head;
      at::parallel_for(0, n_samples, SAMPLE_GRAIN, [&](int64_t first, int64_t last) {
        auto work = begin();
        for (int64_t sample = first; sample < last; sample++) {
          for (int64_t head = 0; head < heads; head++) {
            work(sample * e.queries * e.query_stride + head * e.dim,
                 sample * e.keys * e.key_stride + head * e.dim,
                 (sample * heads + head) * e.queries * e.width);
          }
        }
      });
    }
  };

  static Tensor forward(torch::autograd::AutogradContext *context, const Tensor &q, const Tensor &k,
                        const Tensor &v, int64_t heads) {
    const Extents e({q, k, v}, heads);
    const Tensor out = at::empty_like(q);
    const Tensor weights =
        at::empty({e.n_samples, heads, e.of_head.queries, e.of_head.width}, q.options());
    const float *const q_at = q.const_data_ptr<float>(), *const k_at = k.const_data_ptr<float>();
    const float *const v_at = v.const_data_ptr<float>();
    float *const weights_at = weights.mutable_data_ptr<float>();
    float *const out_at = out.mutable_data_ptr<float>();
    const Kernels &loops = kernels();
    e.each_head([&] {
      return [&](int64_t query, int64_t key, int64_t weight) {
        loops.attend(e.of_head, e.scale(), q_at + query, k_at + key, v_at + key,
                         weights_at + weight, out_at + query);
      };
    });
    context->saved_data["heads"] = heads;
    context->save_for_backward({q, k, v, weights});
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list outputs) {
    const auto saved = context->get_saved_variables();
    const Extents e(at::TensorList(saved).slice(0, 3), context->saved_data["heads"].toInt());
    const Tensor d_out = outputs[0].contiguous();
    const Tensor d_q = at::empty_like(saved[0]), d_k = at::empty_like(saved[1]);
    const Tensor d_v = at::empty_like(saved[2]);
    const float *from[4];
    for (int i = 0; i < 4; i++) {
      from[i] = saved[i].const_data_ptr<float>();
    }
    const float *const d_out_at = d_out.const_data_ptr<float>();
    float *const d_q_at = d_q.mutable_data_ptr<float>();
    float *const d_k_at = d_k.mutable_data_ptr<float>();
    float *const d_v_at = d_v.mutable_data_ptr<float>();
    const Kernels &loops = kernels();
    e.each_head([&] {
      return [&, room = std::vector<float>(e.of_head.queries * e.of_head.width)](
                 int64_t query, int64_t key, int64_t weight) mutable {
        loops.unattend(e.of_head, e.scale(), from[0] + query, from[1] + key, from[2] + key,
                           from[3] + weight, d_out_at + query, room.data(), d_q_at + query,
                           d_k_at + key, d_v_at + key);
      };
    });
    return {d_q, d_k, d_v, Tensor()};
  }
};

} // namespace
} // namespace almt

extern "C" {

// `TokenAttention`; `output` gets a new tensor, which is the caller's.
char *almt_token_attention(const at::Tensor *q, const at::Tensor *k, const at::Tensor *v,
                           int64_t heads, at::Tensor **output) {
  return guarded([&] {
    *output = new at::Tensor(
        almt::TokenAttention::apply(q->contiguous(), k->contiguous(), v->contiguous(), heads));
  });
}
}
