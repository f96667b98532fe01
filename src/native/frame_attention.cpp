// The attention that is most of a training step on audio and vision, as one function of autograd.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "guarded.h"

namespace {

using at::Tensor;

// Values that a loop over them keeps at a time, so that the compiler may use vectors: sums and
// maxima are otherwise bound to their order.
constexpr int64_t LANES = 8;

template <typename Value, typename Join>
float reduce(int64_t n, float start, Value value, Join join) {
  std::array<float, LANES> lanes;
  lanes.fill(start);
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    for (int64_t lane = 0; lane < LANES; lane++) {
      lanes[lane] = join(lanes[lane], value(i + lane));
    }
  }
  for (; i < n; i++) {
    lanes[0] = join(lanes[0], value(i));
  }
  return std::accumulate(lanes.begin() + 1, lanes.end(), lanes[0], join);
}

template <typename Value>
float sum(int64_t n, Value value) {
  return reduce(n, 0, value, [](float a, float b) { return a + b; });
}

template <typename Value>
float maximum(int64_t n, float start, Value value) {
  return reduce(n, start, value, [](float a, float b) { return a < b ? b : a; });
}

// Samples whose weights one thread has at hand, and groups that are summed one by one: a group is one
// task, whatever the number of threads, so that every sum has one order.
constexpr int64_t CHUNK = 8;
constexpr int64_t GROUPS = 8;

// The attention of few queries, the same for all samples, to tokens that are the same for all
// samples and to frames that are not.
//
// Axes: Q queries, H heads, K tokens, B samples, N frames, F features of a frame, D of a value.
// Scores are `token_scores` and `(frame_scores + feature_queries frames^T) * scale`; with the
// weights p that softmax makes of them, values are `p token_values + (p * scale) frame_values` and
// features `(p * scale) frames`.
struct FrameAttention : torch::autograd::Function<FrameAttention> {
  // The extents of all axes, compared with every input.
  struct Extents {
    int64_t queries, heads, tokens, samples, frames, features, width;

    Extents(const Tensor &token_scores, const Tensor &frame_scores, const Tensor &feature_queries,
            const Tensor &scale, const Tensor &frame_features, const Tensor &token_values,
            const Tensor &frame_values) {
      for (const Tensor &tensor : {token_scores, frame_scores, feature_queries, scale,
                                   frame_features, token_values, frame_values}) {
        TORCH_CHECK(tensor.is_cpu() && tensor.scalar_type() == at::kFloat,
                    "frame attention works on float32 tensors on the CPU");
      }
      TORCH_CHECK(frame_scores.dim() == 3 && frame_features.dim() == 3 &&
                      token_scores.dim() == 3 && frame_values.dim() == 3,
                  "frame attention works on three axes");
      queries = frame_scores.size(0), heads = frame_scores.size(1);
      tokens = token_scores.size(2), samples = frame_features.size(0);
      frames = frame_features.size(1), features = frame_features.size(2);
      width = frame_values.size(2);
      TORCH_CHECK(token_scores.sizes() == at::IntArrayRef({queries, heads, tokens}) &&
                      frame_scores.sizes() == at::IntArrayRef({queries, heads, frames}) &&
                      feature_queries.sizes() == at::IntArrayRef({queries, heads, features}) &&
                      scale.sizes() == at::IntArrayRef({samples, frames}) &&
                      token_values.sizes() == at::IntArrayRef({heads, tokens, width}) &&
                      frame_values.sizes() == at::IntArrayRef({heads, frames, width}) &&
                      tokens > 0 && frames > 0,
                  "the shapes of frame attention do not fit");
    }

    // Calls `work(group, first sample, number of samples)` for all chunks of all groups.
    template <typename Work>
    void each_chunk(Work work) const {
      const int64_t size = (samples + GROUPS - 1) / GROUPS;
      at::parallel_for(0, GROUPS, 1, [&](int64_t begin, int64_t end) {
        c10::NoGradGuard no_grad;
        for (int64_t group = begin; group < end; group++) {
          const int64_t last = std::min(samples, (group + 1) * size);
          for (int64_t first = group * size; first < last; first += CHUNK) {
            work(group, first, std::min(CHUNK, last - first));
          }
        }
      });
    }

    // Scores of one sample before they are scaled, [Q * H, N].
    void scores(Tensor out, const Tensor &frame_scores, const Tensor &feature_queries,
                const Tensor &frames_of_sample) const {
      at::addmm_out(out, frame_scores.view({-1, frames}), feature_queries.view({-1, features}),
                    frames_of_sample.t());
    }

    // Rows of one head among those of a chunk [count, Q, H, x]: [count * Q, x].
    static Tensor of_head(const Tensor &chunk, int64_t head) {
      return chunk.flatten(0, 1).select(1, head);
    }
  };

  static torch::autograd::variable_list
  forward(torch::autograd::AutogradContext *context, const Tensor &token_scores_,
          const Tensor &frame_scores_, const Tensor &feature_queries_, const Tensor &scale_,
          const Tensor &frames_, const Tensor &token_values_, const Tensor &frame_values_) {
    TORCH_CHECK(!frames_.requires_grad(), "frame attention has no gradient of frames");
    const Tensor token_scores = token_scores_.detach().contiguous();       // [Q, H, K]
    const Tensor frame_scores = frame_scores_.detach().contiguous();       // [Q, H, N]
    const Tensor feature_queries = feature_queries_.detach().contiguous(); // [Q, H, F]
    const Tensor scale = scale_.detach().contiguous();                     // [B, N]
    const Tensor frames = frames_.detach().contiguous();                   // [B, N, F]
    const Tensor token_values = token_values_.detach().contiguous();       // [H, K, D]
    const Tensor frame_values = frame_values_.detach().contiguous();       // [H, N, D]
    const Extents e(token_scores, frame_scores, feature_queries, scale, frames, token_values,
                    frame_values);
    const auto rows = [&](int64_t samples, int64_t width) {
      return at::empty({samples, e.queries, e.heads, width}, frames.options());
    };
    Tensor values = rows(e.samples, e.width), gathered = rows(e.samples, e.features);
    Tensor frame_weights = rows(e.samples, e.frames), token_weights = rows(e.samples, e.tokens);
    const int64_t n = e.frames, n_rows = e.queries * e.heads;
    e.each_chunk([&](int64_t, int64_t first, int64_t count) {
      Tensor p = frame_weights.narrow(0, first, count);
      Tensor p_tokens = token_weights.narrow(0, first, count);
      Tensor scaled = rows(count, n);
      float *p_at = p.mutable_data_ptr<float>(), *scaled_at = scaled.mutable_data_ptr<float>();
      float *tokens_at = p_tokens.mutable_data_ptr<float>();
      const float *scores_at = token_scores.const_data_ptr<float>();
      for (int64_t sample = 0; sample < count; sample++) {
        const float *__restrict own_scale = scale.const_data_ptr<float>() + (first + sample) * n;
        e.scores(p[sample].view({-1, n}), frame_scores, feature_queries, frames[first + sample]);
        for (int64_t row = 0; row < n_rows; row++) {
          const float *__restrict token_score = scores_at + row * e.tokens;
          float *__restrict p_row = p_at + (sample * n_rows + row) * n;
          float *__restrict token_row = tokens_at + (sample * n_rows + row) * e.tokens;
          for (int64_t i = 0; i < n; i++) {
            p_row[i] *= own_scale[i];
          }
          float largest = maximum(n, token_score[0], [&](int64_t i) { return p_row[i]; });
          largest = maximum(e.tokens, largest, [&](int64_t i) { return token_score[i]; });
          for (int64_t i = 0; i < n; i++) {
            p_row[i] -= largest;
          }
          for (int64_t i = 0; i < e.tokens; i++) {
            token_row[i] = token_score[i] - largest;
          }
        }
        p[sample].exp_();
        p_tokens[sample].exp_();
        for (int64_t row = 0; row < n_rows; row++) {
          float *__restrict p_row = p_at + (sample * n_rows + row) * n;
          float *__restrict token_row = tokens_at + (sample * n_rows + row) * e.tokens;
          float *__restrict scaled_row = scaled_at + (sample * n_rows + row) * n;
          const float share = 1 / (sum(n, [&](int64_t i) { return p_row[i]; }) +
                                   sum(e.tokens, [&](int64_t i) { return token_row[i]; }));
          for (int64_t i = 0; i < n; i++) {
            p_row[i] *= share;
            scaled_row[i] = p_row[i] * own_scale[i];
          }
          for (int64_t i = 0; i < e.tokens; i++) {
            token_row[i] *= share;
          }
        }
        Tensor features = gathered[first + sample].view({-1, e.features});
        at::mm_out(features, scaled[sample].view({-1, n}), frames[first + sample]);
      }
      for (int64_t head = 0; head < e.heads; head++) {
        Tensor out = Extents::of_head(values.narrow(0, first, count), head);
        at::mm_out(out, Extents::of_head(scaled, head), frame_values[head]);
        out.addmm_(Extents::of_head(p_tokens, head), token_values[head]);
      }
    });
    context->save_for_backward({frame_scores, feature_queries, scale, frames, token_values,
                                frame_values, frame_weights, token_weights});
    return {values, gathered};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list outputs) {
    const auto saved = context->get_saved_variables();
    const Tensor &frame_scores = saved[0], &feature_queries = saved[1], &scale = saved[2];
    const Tensor &frames = saved[3], &token_values = saved[4], &frame_values = saved[5];
    const Tensor &frame_weights = saved[6], &token_weights = saved[7];
    const Tensor d_values = outputs[0].contiguous(), d_gathered = outputs[1].contiguous();
    const Extents e(token_weights[0], frame_scores, feature_queries, scale, frames, token_values,
                    frame_values);
    // One of each per group, to be summed in the end.
    const auto zeros = [&](at::IntArrayRef sizes) {
      std::vector<int64_t> all{GROUPS};
      all.insert(all.end(), sizes.begin(), sizes.end());
      return at::zeros(all, frames.options());
    };
    Tensor d_token_scores = zeros({e.queries, e.heads, e.tokens});
    Tensor d_frame_scores = zeros(frame_scores.sizes());
    Tensor d_feature_queries = zeros(feature_queries.sizes());
    Tensor d_token_values = zeros(token_values.sizes());
    Tensor d_frame_values = zeros(frame_values.sizes());
    Tensor d_scale = at::zeros_like(scale);
    const int64_t n = e.frames, n_rows = e.queries * e.heads;
    e.each_chunk([&](int64_t group, int64_t first, int64_t count) {
      const Tensor p = frame_weights.narrow(0, first, count);
      const Tensor p_tokens = token_weights.narrow(0, first, count);
      const Tensor d_out = d_values.narrow(0, first, count);
      const auto rows = [&](int64_t width) {
        return at::empty({count, e.queries, e.heads, width}, frames.options());
      };
      // Of the scaled weights; one sample after another becomes that of the unscaled scores.
      Tensor d = rows(n), d_p_tokens = rows(e.tokens), scaled = rows(n);
      for (int64_t head = 0; head < e.heads; head++) {
        const Tensor d_out_of_head = Extents::of_head(d_out, head);
        Tensor d_of_head = Extents::of_head(d, head);
        Tensor d_p_tokens_of_head = Extents::of_head(d_p_tokens, head);
        at::mm_out(d_of_head, d_out_of_head, frame_values[head].t());
        at::mm_out(d_p_tokens_of_head, d_out_of_head, token_values[head].t());
      }
      Tensor scores = at::empty({n_rows, n}, frames.options());
      const float *score_at = scores.const_data_ptr<float>();
      float *d_scores_at = d_frame_scores[group].mutable_data_ptr<float>();
      float *d_token_scores_at = d_token_scores[group].mutable_data_ptr<float>();
      for (int64_t sample = 0; sample < count; sample++) {
        const Tensor own_frames = frames[first + sample];
        Tensor own_d = d[sample].view({-1, n});
        own_d.addmm_(d_gathered[first + sample].view({-1, e.features}), own_frames.t());
        e.scores(scores, frame_scores, feature_queries, own_frames);
        const float *__restrict own_scale = scale.const_data_ptr<float>() + (first + sample) * n;
        float *__restrict d_own_scale = d_scale.mutable_data_ptr<float>() + (first + sample) * n;
        for (int64_t row = 0; row < n_rows; row++) {
          const int64_t place = sample * n_rows + row;
          const float *__restrict p_row = p.const_data_ptr<float>() + place * n;
          const float *__restrict token_row = p_tokens.const_data_ptr<float>() + place * e.tokens;
          const float *__restrict d_token_row =
              d_p_tokens.const_data_ptr<float>() + place * e.tokens;
          const float *__restrict score_row = score_at + row * n;
          float *__restrict scaled_row = scaled.mutable_data_ptr<float>() + place * n;
          float *__restrict d_row = d.mutable_data_ptr<float>() + place * n;
          float *__restrict d_score_row = d_scores_at + row * n;
          float *__restrict d_token_score_row = d_token_scores_at + row * e.tokens;
          for (int64_t i = 0; i < n; i++) {
            scaled_row[i] = p_row[i] * own_scale[i];
          }
          const float mean =
              sum(n, [&](int64_t i) { return scaled_row[i] * d_row[i]; }) +
              sum(e.tokens, [&](int64_t i) { return token_row[i] * d_token_row[i]; });
          for (int64_t i = 0; i < n; i++) {
            const float d_score = p_row[i] * (d_row[i] * own_scale[i] - mean);
            d_own_scale[i] += d_row[i] * p_row[i] + d_score * score_row[i];
            d_row[i] = d_score * own_scale[i];
            d_score_row[i] += d_row[i];
          }
          for (int64_t i = 0; i < e.tokens; i++) {
            d_token_score_row[i] += token_row[i] * (d_token_row[i] - mean);
          }
        }
        d_feature_queries[group].view({-1, e.features}).addmm_(own_d, own_frames);
      }
      for (int64_t head = 0; head < e.heads; head++) {
        const Tensor d_out_of_head = Extents::of_head(d_out, head);
        d_frame_values[group][head].addmm_(Extents::of_head(scaled, head).t(), d_out_of_head);
        d_token_values[group][head].addmm_(Extents::of_head(p_tokens, head).t(), d_out_of_head);
      }
    });
    return {d_token_scores.sum(0), d_frame_scores.sum(0), d_feature_queries.sum(0), d_scale,
            Tensor(),              d_token_values.sum(0), d_frame_values.sum(0)};
  }
};

} // namespace

extern "C" {

// `FrameAttention` of seven tensors on the CPU; `outputs` gets two new ones, which are the caller's.
char *almt_frame_attention(at::Tensor **inputs, at::Tensor **outputs) {
  return guarded([&] {
    const auto results = FrameAttention::apply(*inputs[0], *inputs[1], *inputs[2], *inputs[3],
                                               *inputs[4], *inputs[5], *inputs[6]);
    outputs[0] = new at::Tensor(results[0]);
    outputs[1] = new at::Tensor(results[1]);
  });
}
}
