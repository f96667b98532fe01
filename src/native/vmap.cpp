// PyTorch's `vmap`: operations that do not know of a tensor's first axis.

#include <ATen/ATen.h>
#include <ATen/functorch/BatchedTensorImpl.h>
#include <ATen/functorch/DynamicLayer.h>

#include "guarded.h"

extern "C" {

// From now on this thread's operations on tensors that `almt_vmap_add` made work along their first
// axis, of the extent `size`, as if it were not there.
char *almt_vmap_begin(int64_t size) {
  return guarded([&] {
    at::functorch::initAndPushDynamicLayer(at::functorch::TransformType::Vmap, size,
                                           at::functorch::RandomnessType::Error);
  });
}

char *almt_vmap_end() {
  return guarded([] { at::functorch::popDynamicLayerAndDeleteMetadata(); });
}

// Hides the first axis of a tensor; `output` gets a new one, which is the caller's.
char *almt_vmap_add(at::Tensor *tensor, at::Tensor **output) {
  return guarded([&] {
    const auto layer = at::functorch::maybeCurrentDynamicLayer();
    TORCH_CHECK(layer.has_value(), "there is no axis to hide");
    *output = new at::Tensor(at::functorch::addBatchDim(*tensor, 0, layer->layerId()));
  });
}

// Shows the axis again, as the first one.
char *almt_vmap_remove(at::Tensor *tensor, at::Tensor **output) {
  return guarded([&] {
    const auto layer = at::functorch::maybeCurrentDynamicLayer();
    TORCH_CHECK(layer.has_value(), "there is no axis to show");
    const auto *batched = at::functorch::maybeGetBatchedImpl(*tensor);
    const bool has_axis = batched != nullptr && batched->level() == layer->layerId();
    TORCH_CHECK(has_axis, "the tensor does not depend on what has the hidden axis");
    *output = new at::Tensor(batched->value().movedim(batched->bdim(), 0));
  });
}

// Whether the tensor has a hidden axis.
bool almt_is_vmapped(at::Tensor *tensor) {
  return at::functorch::maybeGetBatchedImpl(*tensor) != nullptr;
}
}
