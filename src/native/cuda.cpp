// What a GPU needs beyond `tch`: a library of its own, which is loaded after libtorch's CUDA part and
// finds everything there.

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>

#include <memory>

#include "guarded.h"

extern "C" {

// From now on this thread's work goes to a GPU, and there to a stream of its own: work on the default
// stream cannot be captured.
char *almt_cuda_own_stream(int device) {
  return guarded([&] {
    c10::cuda::set_device(static_cast<c10::DeviceIndex>(device));
    c10::cuda::device_synchronize();
    c10::cuda::setCurrentCUDAStream(
        c10::cuda::getStreamFromPool(/*isHighPriority=*/false, static_cast<c10::DeviceIndex>(device)));
  });
}

// Begins to record what this thread gives the GPU to do, and does nothing of it; `graph` gets what
// records it.
char *almt_cuda_begin(at::cuda::CUDAGraph **graph) {
  return guarded([&] {
    c10::cuda::device_synchronize();
    auto recording = std::make_unique<at::cuda::CUDAGraph>();
    recording->capture_begin();
    *graph = recording.release();
  });
}

char *almt_cuda_end(at::cuda::CUDAGraph *graph) {
  return guarded([&] { graph->capture_end(); });
}

// Does what was recorded.
char *almt_cuda_replay(at::cuda::CUDAGraph *graph) {
  return guarded([&] { graph->replay(); });
}

void almt_cuda_drop(at::cuda::CUDAGraph *graph) { delete graph; }

// Number of GPUs; that there is none is an error which says why.
char *almt_cuda_count(int *count) {
  return guarded([&] { *count = c10::cuda::device_count_ensure_non_zero(); });
}

// The name of a GPU, at most `size` bytes with a zero at the end, and the bytes of its memory.
char *almt_cuda_describe(int device, char *name, size_t size, size_t *memory) {
  return guarded([&] {
    cudaDeviceProp properties{};
    C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
    std::strncpy(name, properties.name, size - 1);
    name[size - 1] = '\0';
    *memory = properties.totalGlobalMem;
  });
}

}
