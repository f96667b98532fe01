// The few calls of libtorch that `tch` does not offer. Each returns null, or a message that
// `almt_free_message` frees: no exception leaves this file.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/ops/_fused_adamw.h>
#include <c10/core/GradMode.h>
#include <torch/headeronly/version.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace {

template <typename Call>
char *guarded(Call call) {
  try {
    call();
    return nullptr;
  } catch (const std::exception &error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("unknown error");
  }
}

} // namespace

extern "C" {

void almt_free_message(char *message) { std::free(message); }

// The version of libtorch that this was compiled for.
const char *almt_libtorch_version() { return TORCH_VERSION; }

// One step of AdamW on `n` parameters; those that have no gradient are left alone, as PyTorch's
// optimizers do. Afterwards no parameter has a gradient, so that the next backward pass hands over
// its buffers and adds nothing.
char *almt_adamw_step(at::Tensor **parameters, at::Tensor **averages, at::Tensor **squares,
                      at::Tensor **steps, size_t n, double lr, double beta1, double beta2,
                      double weight_decay, double eps) {
  return guarded([&] {
    c10::NoGradGuard no_grad;
    std::vector<at::Tensor> params, grads, exp_avgs, exp_avg_sqs, state_steps;
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
      state_steps.push_back(*steps[i]);
      steps[i]->add_(1);
    }
    if (!params.empty()) {
      at::_fused_adamw_(params, grads, exp_avgs, exp_avg_sqs, {}, state_steps, lr, beta1, beta2,
                        weight_decay, eps, /*amsgrad=*/false, /*maximize=*/false);
    }
    for (size_t i = 0; i < n; i++) {
      parameters[i]->mutable_grad().reset();
    }
  });
}

// From now on an operation without a deterministic form is an error.
char *almt_use_deterministic_algorithms() {
  return guarded([] {
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
    // It fills every new tensor, against code that reads what it never wrote.
    at::globalContext().setDeterministicFillUninitializedMemory(false);
  });
}

// Lets the allocator keep freed memory: a training step frees and takes the same blocks again, and
// blocks given back to the system come in anew one page fault after another.
void almt_keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}
}
