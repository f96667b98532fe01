// The attention that is most of a training step on audio and vision, as one function of autograd.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "guarded.h"
#include "kernels.h"

namespace almt {
namespace {

using at::Tensor;

const float *at(const Tensor &tensor) { return tensor.const_data_ptr<float>(); }
float *mutable_at(const Tensor &tensor) { return tensor.mutable_data_ptr<float>(); }

// Samples that go through the heads together, so that what belongs to a head stays in the cache, and
// groups that are summed one by one: a group is one task, whatever the number of threads, so that every
// sum has one order.
constexpr int64_t CHUNK = 8;
constexpr int64_t GROUPS = 8;

// A score of what fills up a row: below every real one, so that its weight is 0.
constexpr double NO_SCORE = -1e30;

// What a call works on, in the form in which the loops take it. Axes: Q queries, H heads, B samples,
// N frames, F features of a frame, D of a value; W, the width of a row: tokens, then frames, then
// nothing; V, the width of a value: D, then nothing.
struct Inputs {
  Tensor base;    // [H, Q, W]
  Tensor queries; // [H, Q, F]
  Tensor gram;    // [F, F]
  Tensor cross;   // [F, W], transposed
  Tensor rest;    // [W]
  Tensor frames;  // [B, N, F]
  Tensor values;  // [H, W, V]
  float eps;
  FrameExtents extents;
  const Kernels &loops = kernels();
  int64_t n_samples, n_heads, value_dim;

  static Inputs of(const Tensor &scores, const Tensor &queries, const Tensor &gram,
                   const Tensor &cross, const Tensor &rest, const Tensor &frames,
                   const Tensor &values, double eps) {
    TORCH_CHECK(!frames.requires_grad(), "frame attention has no gradient of frames");
    for (const Tensor &tensor : {scores, queries, gram, cross, rest, frames, values}) {
      TORCH_CHECK(tensor.is_cpu() && tensor.scalar_type() == at::kFloat,
                  "frame attention works on float32 tensors on the CPU");
    }
    TORCH_CHECK(scores.dim() == 3 && frames.dim() == 3 && values.dim() == 3,
                "frame attention works on three axes");
    Inputs in;
    in.eps = eps;
    in.n_samples = frames.size(0), in.n_heads = scores.size(1), in.value_dim = values.size(2);
    FrameExtents &e = in.extents;
    e.rows = scores.size(0), e.frames = frames.size(1), e.features = frames.size(2);
    const int64_t n_columns = scores.size(2);
    e.tokens = n_columns - e.frames;
    TORCH_CHECK(queries.sizes() == at::IntArrayRef({e.rows, in.n_heads, e.features}) &&
                    gram.sizes() == at::IntArrayRef({e.features, e.features}) &&
                    cross.sizes() == at::IntArrayRef({e.frames, e.features}) &&
                    rest.sizes() == at::IntArrayRef({e.frames}) &&
                    values.sizes() == at::IntArrayRef({in.n_heads, n_columns, in.value_dim}) &&
                    e.tokens >= 0 && e.frames > 0,
                "the shapes of frame attention do not fit");
    const auto rounded = [](int64_t n) { return (n + LANES - 1) / LANES * LANES; };
    e.value_width = rounded(in.value_dim), e.width = rounded(n_columns);
    // Rows that lie a large power of two apart would share few places of the cache.
    e.width += e.width % 128 == 0 ? LANES : 0;
    const auto pad = [](const Tensor &tensor, at::IntArrayRef sizes, double value) {
      return at::constant_pad_nd(tensor.detach(), sizes, value).contiguous();
    };
    const int64_t after = e.width - n_columns;
    in.base = pad(scores.transpose(0, 1), {0, after}, NO_SCORE);
    in.queries = queries.detach().transpose(0, 1).contiguous();
    in.gram = gram.detach().contiguous();
    in.rest = pad(rest, {e.tokens, after}, 0);
    in.frames = frames.detach().contiguous();
    in.values = pad(values, {0, e.value_width - in.value_dim, 0, after}, 0);
    in.cross = at::empty({e.features, e.width}, frames.options());
    in.loops.transpose(e, at(cross.detach().contiguous()), mutable_at(in.cross));
    return in;
  }

  // New rows of all samples.
  Tensor rows(int64_t length) const {
    return at::empty({n_samples, n_heads, extents.rows, length}, frames.options());
  }

  // Where the values of a sample and a head begin in a contiguous tensor [B, H, ..].
  template <typename Value> Value *place(Value *begin, const Tensor &tensor, int64_t sample,
                                         int64_t head = 0) const {
    return begin + sample * tensor.stride(0) + head * tensor.stride(1);
  }

  // Calls `work(group, first sample, number of samples)` for all chunks of all groups.
  template <typename Work> void each_chunk(Work work) const {
    const int64_t size = (n_samples + GROUPS - 1) / GROUPS;
    at::parallel_for(0, GROUPS, 1, [&](int64_t begin, int64_t end) {
      c10::NoGradGuard no_grad;
      for (int64_t group = begin; group < end; group++) {
        const int64_t last = std::min(n_samples, (group + 1) * size);
        for (int64_t first = group * size; first < last; first += CHUNK) {
          work(group, first, std::min(CHUNK, last - first));
        }
      }
    });
  }

  // The frames of some samples, each transposed.
  std::vector<float> transposed(int64_t first, int64_t count) const {
    const int64_t size = extents.features * extents.width;
    std::vector<float> result(count * size);
    for (int64_t i = 0; i < count; i++) {
      loops.transpose(extents, at(frames) + (first + i) * frames.stride(0),
                          result.data() + i * size);
    }
    return result;
  }
};

// Values `[.., dim]` in rows of `width`, contiguous.
Tensor widened(const Tensor &values, int64_t width) {
  return at::constant_pad_nd(values, {0, width - values.size(-1)}, 0).contiguous();
}

// The attention of few queries, the same for all samples, to tokens that are the same for all samples
// and to frames that are not.
//
// With `scale = 1 / sqrt(max(f (gram f + cross) + rest, 0) + eps)` of a frame `f` and 1 of a token,
// and with the weights p that softmax makes of `scores * scale`, to which `queries f` is added before
// where there is a frame, the outputs are `p * scale` times the values, [B, H, Q, D], and times the
// frames, [B, H, Q, F].
struct FrameAttention : torch::autograd::Function<FrameAttention> {
  static torch::autograd::variable_list
  forward(torch::autograd::AutogradContext *context, const Tensor &scores, const Tensor &queries,
          const Tensor &gram, const Tensor &cross, const Tensor &rest, const Tensor &frames,
          const Tensor &values, double eps) {
    const Inputs in = Inputs::of(scores, queries, gram, cross, rest, frames, values, eps);
    const FrameExtents &e = in.extents;
    Tensor summed = in.rows(e.value_width), gathered = in.rows(e.features);
    // Weights times scales, and the scales.
    Tensor scaled = in.rows(e.width);
    Tensor scale = at::empty({in.n_samples, e.width}, frames.options());
    float *const summed_at = mutable_at(summed), *const gathered_at = mutable_at(gathered);
    float *const scaled_at = mutable_at(scaled), *const scale_at = mutable_at(scale);
    in.each_chunk([&](int64_t, int64_t first, int64_t count) {
      const std::vector<float> transposed = in.transposed(first, count);
      const auto of_sample = [&](int64_t i) {
        return transposed.data() + i * e.features * e.width;
      };
      for (int64_t i = 0; i < count; i++) {
        in.loops.scales(e, at(in.gram), at(in.cross), at(in.rest), in.eps, of_sample(i),
                         scale_at + (first + i) * e.width);
      }
      for (int64_t head = 0; head < in.n_heads; head++) {
        const float *base = at(in.base) + head * e.rows * e.width;
        const float *own_queries = at(in.queries) + head * e.rows * e.features;
        const float *own_values = at(in.values) + head * e.width * e.value_width;
        for (int64_t i = 0; i < count; i++) {
          in.loops.weigh(e, base, own_queries, of_sample(i), scale_at + (first + i) * e.width,
                          own_values, in.place(scaled_at, scaled, first + i, head),
                          in.place(gathered_at, gathered, first + i, head),
                          in.place(summed_at, summed, first + i, head));
        }
      }
    });
    context->saved_data["eps"] = eps;
    context->save_for_backward({scores, queries, gram, cross, rest, frames, values, summed,
                                gathered, scaled, scale});
    return {summed.narrow(-1, 0, in.value_dim), gathered};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list outputs) {
    const auto saved = context->get_saved_variables();
    const Inputs in = Inputs::of(saved[0], saved[1], saved[2], saved[3], saved[4], saved[5],
                                 saved[6], context->saved_data["eps"].toDouble());
    const Tensor &summed = saved[7], &gathered = saved[8], &scaled = saved[9], &scale = saved[10];
    const FrameExtents &e = in.extents;
    const Tensor d_summed = widened(outputs[0], e.value_width);
    const Tensor d_gathered = outputs[1].contiguous();
    // The sum over a row of weights times their gradients is that over what they gathered.
    const Tensor means = (d_summed * summed).sum(-1) + (d_gathered * gathered).sum(-1);
    const Tensor values_as_columns = in.values.transpose(1, 2).contiguous();
    // One of each per group, to be summed in the end.
    const auto zeros = [&](const Tensor &like) {
      std::vector<int64_t> sizes{GROUPS};
      sizes.insert(sizes.end(), like.sizes().begin(), like.sizes().end());
      return at::zeros(sizes, like.options());
    };
    Tensor d_base = zeros(in.base), d_queries = zeros(in.queries), d_gram = zeros(in.gram);
    Tensor d_cross = zeros(saved[3]), d_rest = zeros(saved[4]), d_values = zeros(in.values);
    in.each_chunk([&](int64_t group, int64_t first, int64_t count) {
      const auto own = [&](const Tensor &of_groups, int64_t head = 0) {
        return in.place(mutable_at(of_groups), of_groups, group, head);
      };
      const std::vector<float> transposed = in.transposed(first, count);
      const auto of_sample = [&](int64_t i) {
        return transposed.data() + i * e.features * e.width;
      };
      std::vector<float> d_scale(count * e.width), room(ROWS * e.width);
      for (int64_t head = 0; head < in.n_heads; head++) {
        const auto part = [&](const Tensor &tensor, int64_t sample) {
          return in.place(at(tensor), tensor, sample, head);
        };
        for (int64_t i = 0; i < count; i++) {
          const int64_t sample = first + i;
          in.loops.unweigh(e, at(in.base) + head * e.rows * e.width,
                            at(in.queries) + head * e.rows * e.features, of_sample(i),
                            at(scale) + sample * e.width,
                            at(values_as_columns) + head * e.value_width * e.width,
                            part(scaled, sample), part(d_gathered, sample),
                            part(d_summed, sample), part(means, sample), room.data(),
                            own(d_base, head), own(d_queries, head),
                            d_scale.data() + i * e.width);
        }
        in.loops.unsum(e, count, part(scaled, first), scaled.stride(0), part(d_summed, first),
                        d_summed.stride(0), own(d_values, head));
      }
      for (int64_t i = 0; i < count; i++) {
        in.loops.unscale(e, in.eps, at(in.frames) + (first + i) * in.frames.stride(0),
                          of_sample(i), at(scale) + (first + i) * e.width,
                          d_scale.data() + i * e.width, room.data(), own(d_gram), own(d_cross),
                          own(d_rest));
      }
    });
    const int64_t n_columns = e.tokens + e.frames;
    return {d_base.sum(0).narrow(-1, 0, n_columns).transpose(0, 1),
            d_queries.sum(0).transpose(0, 1),
            d_gram.sum(0),
            d_cross.sum(0),
            d_rest.sum(0),
            Tensor(),
            d_values.sum(0).narrow(1, 0, n_columns).narrow(2, 0, in.value_dim),
            Tensor()};
  }
};

} // namespace
} // namespace almt

extern "C" {

// `FrameAttention` of seven tensors on the CPU; `outputs` gets two new ones, which are the caller's.
char *almt_frame_attention(at::Tensor **inputs, double eps, at::Tensor **outputs) {
  return guarded([&] {
    const auto results =
        almt::FrameAttention::apply(*inputs[0], *inputs[1], *inputs[2], *inputs[3], *inputs[4],
                                    *inputs[5], *inputs[6], eps);
    outputs[0] = new at::Tensor(results[0]);
    outputs[1] = new at::Tensor(results[1]);
  });
}
}
