// The few calls of libtorch that `tch` does not offer.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <vector>

#include "guarded.h"
#include "kernels.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

// Whether this thread asked for the loops for any processor.
static thread_local bool is_portable = false;

const Kernels &kernels() {
  static const Kernels *const chosen = [] {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      return avx2_kernels;
    }
#endif
    return portable_kernels;
  }();
  return is_portable ? *portable_kernels : *chosen;
}

extern "C" {

// Has this thread's calls use the loops for any processor, or those for this one: for tests.
void almt_use_portable_loops(bool portable) { is_portable = portable; }

void almt_free_message(char *message) { std::free(message); }

// The version of libtorch that this was compiled for.
const char *almt_libtorch_version() { return TORCH_VERSION; }

// One step of Adam on `n` parameters, or of AdamW with `decoupled`; those that have no gradient are left
// alone, as PyTorch's optimizers do. `largest` is null but for AMSGrad. Afterwards no parameter has a
// gradient, so that the next backward pass hands over its buffers and adds nothing. `lr` is a float64
// scalar on the CPU, and a float32 scalar on a GPU for parameters there, whose kernels read it when they
// run.
char *almt_adam_step(at::Tensor **parameters, at::Tensor **averages, at::Tensor **squares,
                     at::Tensor **largest, at::Tensor **steps, size_t n, at::Tensor *lr,
                     double beta1, double beta2, double weight_decay, double eps, bool decoupled) {
  return guarded([&] {
    c10::NoGradGuard no_grad;
    std::vector<at::Tensor> params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps;
    for (size_t i = 0; i < n; i++) {
      at::Tensor &grad = parameters[i]->mutable_grad();
      if (!grad.defined()) {
        continue;
      }
      params.push_back(*parameters[i]);
      // The kernel takes contiguous memory, and a gradient may be a transposed view.
      grads.push_back(grad.contiguous());
      exp_avgs.push_back(*averages[i]);
      exp_avg_sqs.push_back(*squares[i]);
      if (largest) {
        max_exp_avg_sqs.push_back(*largest[i]);
      }
      state_steps.push_back(*steps[i]);
    }
    if (!params.empty()) {
      at::_foreach_add_(state_steps, 1);
      using Fused = void(at::TensorList, at::TensorList, at::TensorList, at::TensorList,
                         at::TensorList, at::TensorList, const at::Tensor &, double, double, double,
                         double, bool, bool, const std::optional<at::Tensor> &,
                         const std::optional<at::Tensor> &);
      Fused *const fused = decoupled ? static_cast<Fused *>(at::_fused_adamw_)
                                       : static_cast<Fused *>(at::_fused_adam_);
      fused(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, *lr, beta1, beta2,
            weight_decay, eps, /*amsgrad=*/largest != nullptr, /*maximize=*/false, std::nullopt,
            std::nullopt);
    }
    for (size_t i = 0; i < n; i++) {
      parameters[i]->mutable_grad().reset();
    }
  });
}

// Drops the gradients of `n` parameters.
void almt_drop_gradients(at::Tensor **parameters, size_t n) {
  for (size_t i = 0; i < n; i++) {
    parameters[i]->mutable_grad().reset();
  }
}

// A mask of the shape of `like` on the CPU; see `Kernels::mask`. It does not depend on how many threads
// make it.
char *almt_mask(at::Tensor *like, uint64_t key, uint32_t n_dropped, float kept,
                at::Tensor **output) {
  return guarded([&] {
    at::Tensor mask = at::empty(like->sizes(), at::TensorOptions().dtype(at::kFloat));
    const int64_t n_values = mask.numel(), n_pieces = (n_values + MASKED - 1) / MASKED;
    float *const values = mask.mutable_data_ptr<float>();
    const Kernels &loops = kernels();
    at::parallel_for(0, n_pieces, /*grain_size=*/1 << 9, [&](int64_t first, int64_t last) {
      loops.mask(key, first * MASKED, std::min(last * MASKED, n_values), n_dropped, kept, values);
    });
    *output = new at::Tensor(std::move(mask));
  });
}

// Where a GPU's own generator goes on from.
char *almt_seed_gpu(int device, uint64_t seed) {
  return guarded([&] {
    at::Generator generator =
        at::globalContext().defaultGenerator(at::Device(at::kCUDA, static_cast<at::DeviceIndex>(device)));
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_current_seed(seed);
  });
}

// From now on an operation without a deterministic form is an error.
char *almt_use_deterministic_algorithms() {
  return guarded([] {
    // cuBLAS reads it when it is first used; without it, its sums have no fixed order.
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
    // It fills every new tensor, against code that reads what it never wrote.
    at::globalContext().setDeterministicFillUninitializedMemory(false);
  });
}

// Whether products and recurrent layers of float32 may use TF32 on a GPU: faster, with 10 bits of
// mantissa.
char *almt_allow_tf32(bool allowed) {
  return guarded([&] {
    at::globalContext().setAllowTF32CuBLAS(allowed);
    at::globalContext().setAllowTF32CuDNN(allowed);
  });
}

// From now on this thread's operations on a device's tensors choose bfloat16 where that is safe, or
// do so no more.
char *almt_autocast(bool on_gpu, bool enabled) {
  return guarded([&] {
    const at::DeviceType device = on_gpu ? at::kCUDA : at::kCPU;
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    at::autocast::set_autocast_enabled(device, enabled);
    // Casts of parameters are kept for as long as the parameters stay the same.
    at::autocast::clear_cache();
  });
}

bool almt_is_autocast_enabled() {
  return at::autocast::is_autocast_enabled(at::kCPU) || at::autocast::is_autocast_enabled(at::kCUDA);
}

// Switches this thread's autocast on the CPU off without forgetting the casts that it keeps, and says
// whether it was on.
bool almt_pause_autocast_on_cpu() {
  const bool was_on = at::autocast::is_autocast_enabled(at::kCPU);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  return was_on;
}

void almt_resume_autocast_on_cpu() { at::autocast::set_autocast_enabled(at::kCPU, true); }

// Lets the allocator keep freed memory: a training step frees and takes the same blocks again, and
// blocks given back to the system come in anew one page fault after another.
void almt_keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}
}
