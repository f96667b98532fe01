// Layer norms and the linear maps that follow them, for the functions of autograd beside this file.

#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <vector>

#include "kernels.h"

namespace almt {

using at::Tensor;

// Rows below which another thread is not worth it.
constexpr int64_t ROW_GRAIN = 64;

inline const float *at(const Tensor &tensor) { return tensor.const_data_ptr<float>(); }
inline float *mutable_at(const Tensor &tensor) { return tensor.mutable_data_ptr<float>(); }

// Tensors, each made contiguous; what is so already is the same tensor.
inline std::vector<Tensor> contiguous(Tensor **tensors, size_t n) {
  std::vector<Tensor> result;
  for (size_t i = 0; i < n; i++) {
    result.push_back(tensors[i]->contiguous());
  }
  return result;
}

inline void check_float(at::TensorList tensors) {
  for (const Tensor &tensor : tensors) {
    TORCH_CHECK(tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.is_contiguous(),
                "this works on contiguous float32 tensors on the CPU");
  }
}

// Rows of mean 0 and variance 1, [rows, dim], and what each was multiplied with, [rows].
struct Normed {
  Tensor rows, scale;

  // `x` is contiguous, [.., dim].
  static Normed of(const Tensor &x, double eps) {
    const int64_t dim = x.size(-1), n_rows = x.numel() / dim;
    TORCH_CHECK(dim % LANES == 0, "a norm's width is a multiple of ", LANES);
    const Normed normed{at::empty({n_rows, dim}, x.options()), at::empty({n_rows}, x.options())};
    const float *from = at(x);
    float *const rows = mutable_at(normed.rows), *const scale = mutable_at(normed.scale);
    at::parallel_for(0, n_rows, ROW_GRAIN, [&](int64_t begin, int64_t end) {
      kernels().normalise(end - begin, dim, eps, from + begin * dim, rows + begin * dim,
                          scale + begin);
    });
    return normed;
  }

  // The gradient of `x` by that of the rows, plus `also`, which may be undefined. All are
  // contiguous, [rows, dim].
  Tensor gradient(const Tensor &d_rows, const Tensor &also) const {
    const int64_t dim = rows.size(1);
    const Tensor d_x = at::empty_like(rows);
    const float *const others = also.defined() ? at(also) : nullptr;
    const float *const normed = at(rows), *const scales = at(scale), *const d = at(d_rows);
    float *const to = mutable_at(d_x);
    at::parallel_for(0, rows.size(0), ROW_GRAIN, [&](int64_t begin, int64_t end) {
      const int64_t place = begin * dim;
      kernels().unnormalise(end - begin, dim, normed + place, scales + begin, d + place,
                            others ? others + place : nullptr, to + place);
    });
    return d_x;
  }
};

// A linear map of what a norm's scale and shift make of normed rows.
struct NormedMap {
  // [dim], [dim], [n_out, dim] and [n_out] or undefined.
  Tensor gamma, beta, weight, bias;
};

// Several such maps of the same normed rows as one: `rows weight^T + offset`, [rows, all n_out].
struct FoldedMaps {
  Tensor weight, offset;

  static FoldedMaps of(const std::vector<NormedMap> &maps) {
    int64_t n_out = 0;
    for (const NormedMap &map : maps) {
      check_float({map.gamma, map.beta, map.weight});
      n_out += map.weight.size(0);
    }
    const int64_t dim = maps[0].weight.size(1);
    const auto options = maps[0].weight.options();
    const FoldedMaps folded{at::empty({n_out, dim}, options), at::empty({n_out}, options)};
    float *weight = mutable_at(folded.weight), *offset = mutable_at(folded.offset);
    for (const NormedMap &map : maps) {
      const int64_t n_rows = map.weight.size(0);
      kernels().fold(n_rows, dim, at(map.weight), at(map.gamma), at(map.beta),
                     map.bias.defined() ? at(map.bias) : nullptr, weight, offset);
      weight += n_rows * dim, offset += n_rows;
    }
    return folded;
  }

  Tensor forward(const Normed &normed) const {
    return at::addmm(offset, normed.rows, weight.t());
  }

  // The gradients of each map by that of the result of `forward`.
  static std::vector<NormedMap> gradients(const std::vector<NormedMap> &maps, const Normed &normed,
                                          const Tensor &d_result) {
    return gradients(maps, FoldedMaps{at::mm(d_result.t(), normed.rows), d_result.sum(0)});
  }

  // The gradients of each map by that of all.
  static std::vector<NormedMap> gradients(const std::vector<NormedMap> &maps,
                                          const FoldedMaps &d_folded) {
    const auto &[d_weight, d_offset] = d_folded;
    std::vector<NormedMap> d_maps;
    const int64_t dim = d_weight.size(1);
    int64_t start = 0;
    for (const NormedMap &map : maps) {
      const int64_t n_rows = map.weight.size(0);
      NormedMap d{at::empty_like(map.gamma), at::empty_like(map.beta), at::empty_like(map.weight),
                  map.bias.defined() ? d_offset.narrow(0, start, n_rows) : Tensor()};
      kernels().unfold(n_rows, dim, at(map.weight), at(map.gamma), at(map.beta),
                       at(d_weight) + start * dim, at(d_offset) + start, mutable_at(d.weight),
                       mutable_at(d.gamma), mutable_at(d.beta));
      start += n_rows;
      d_maps.push_back(std::move(d));
    }
    return d_maps;
  }
};

} // namespace almt
