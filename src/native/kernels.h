// The loops of the functions beside this file, which are compiled for more than one processor.

#pragma once

#include <cstdint>

// Values that a loop works on at a time. Rows are a multiple of it wide.
constexpr int64_t LANES = 8;

// Rows that a loop works on at a time.
constexpr int64_t ROWS = 4;

// Values of a mask that LANES counters of the generator decide on: 4 words of 2 halves each.
constexpr int64_t MASKED = LANES * 8;

// Extents of the matrices of one sample and one head. A row belongs to a query, a column to a token, to
// a frame or to nothing, which fills up the width.
struct FrameExtents {
  int64_t rows, width, features;
  int64_t tokens, frames;
  // Of a value, a multiple of LANES.
  int64_t value_width;
};

// Extents of the matrices of one sample and one head: queries, keys and values, whose rows are so far
// apart.
struct TokenExtents {
  int64_t queries, keys, dim;
  int64_t query_stride, key_stride;
  // Of a row of weights: the keys, and what fills up a multiple of LANES.
  int64_t width;
};

// Matrices are contiguous, the last axis being the width, the features or the width of a value; but
// what is called transposed is in an order of the loops' own, of F * width values.
struct Kernels {
  // Frames, or something else of their shape [frames, F], to the transposed form, with zeros in the
  // columns that are no frames.
  void (*transpose)(const FrameExtents &e, const float *frames, float *transposed);

  // `1 / sqrt(max(f (G f + cross) + rest, 0) + eps)` of every frame `f`, with `gram` G [F, F],
  // `cross` transposed and `rest` [width]; 1 of the other columns. `scale` is [width].
  void (*scales)(const FrameExtents &e, const float *gram, const float *cross, const float *rest,
                 float eps, const float *transposed, float *scale);

  // The softmax over the width of `(base + queries frames^T) * scale`, times the scale once more,
  // [rows, width], and what it gathers of the features, [rows, F], and of the values [width,
  // value_width].
  void (*weigh)(const FrameExtents &e, const float *base, const float *queries,
                const float *transposed, const float *scale, const float *values, float *scaled,
                float *gathered, float *summed);

  // The gradients of that, all added to: of `base`, of `queries`, and of the scale times the scale
  // [width]. `means` [rows] are the sums over the width of the scaled weights times their
  // gradients; `values` are [value_width, width], and `room` is for [ROWS, width].
  void (*unweigh)(const FrameExtents &e, const float *base, const float *queries,
                  const float *transposed, const float *scale, const float *values,
                  const float *scaled, const float *d_gathered, const float *d_summed,
                  const float *means, float *room, float *d_base, float *d_queries,
                  float *d_scale);

  // Adds the products of scaled weights and gradients of what they gathered of the values to the
  // gradient of the values, [width, value_width], for samples that are so many values apart.
  void (*unsum)(const FrameExtents &e, int64_t n_samples, const float *scaled,
                int64_t scaled_stride, const float *d_summed, int64_t d_summed_stride,
                float *d_values);

  // The gradients of `scales`, all added to: [F, F], [frames, F] and [frames], by `d_scale` as
  // `unweigh` leaves it, which is used up. `room` is for [ROWS, width].
  void (*unscale)(const FrameExtents &e, float eps, const float *frames, const float *transposed,
                  const float *scale, float *d_scale, float *room, float *d_gram, float *d_cross,
                  float *d_rest);

  // The softmax of `scale q k^T`, [queries, width], and what it gathers of the values.
  void (*attend)(const TokenExtents &e, float scale, const float *q, const float *k,
                 const float *v, float *weights, float *out);

  // The gradients of that. `room` is for [queries, width].
  void (*unattend)(const TokenExtents &e, float scale, const float *q, const float *k,
                   const float *v, const float *weights, const float *d_out, float *room,
                   float *d_q, float *d_k, float *d_v);

  // For values from `first` to `last` of a mask, both multiples of MASKED but for the end of the mask: 0
  // where 16 bits of Philox4x32-10 (Salmon et al., SC 2011) are below `n_dropped`, else `kept`. `mask`
  // points to the beginning of the mask.
  void (*mask)(uint64_t key, int64_t first, int64_t last, uint32_t n_dropped, float kept,
               float *mask);
};

// For any processor, and, on x86-64, for those with AVX2 and FMA.
extern const Kernels *const portable_kernels;
extern const Kernels *const avx2_kernels;

// Those that this processor can run; a test may ask for those for any, in its own thread. So whoever
// hands work to others asks before.
const Kernels &kernels();
