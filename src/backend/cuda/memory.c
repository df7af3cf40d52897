// Memory of the device and of the host, and copies in order with the ops.
#include "base/memory.h"
#include "backend/cuda/cuda.h"

#include <stdlib.h>
#include <string.h>

static void note_taken(struct cnn_cuda *cuda, void *memory, size_t bytes) {
    cuda->blocks[cuda->n_blocks++] = (struct cnn_cuda_block){memory, bytes};
    cuda->taken_bytes += bytes;
    if (cuda->taken_bytes > cuda->peak_bytes)
        cuda->peak_bytes = cuda->taken_bytes;
}

static void note_freed(struct cnn_cuda *cuda, const void *memory) {
    for (size_t i = 0; i < cuda->n_blocks; i++)
        if (cuda->blocks[i].memory == memory) {
            cuda->taken_bytes -= cuda->blocks[i].bytes;
            cuda->blocks[i] = cuda->blocks[--cuda->n_blocks];
            return;
        }
}

size_t cnn_cuda_peak_bytes(const struct cnn_backend *backend) {
    return ((const struct cnn_cuda *)(const void *)backend)->peak_bytes;
}

// Zeros are there when this returns, for copies that do not wait for the ops.
static enum cnn_status fill_with_zeros(struct cnn_cuda *cuda, void *memory, size_t bytes) {
    CNN_CUDA_TRY(cudaMemsetAsync(memory, 0, bytes, cuda->compute), "clearing memory");
    return cnn_cuda_check(cudaStreamSynchronize(cuda->compute), "clearing memory");
}

enum cnn_status cnn_cuda_alloc(struct cnn_backend *backend, void **out, size_t bytes) {
    void *memory = NULL;
    const size_t some = bytes ? bytes : 1;
    struct cnn_cuda *cuda = cnn_cuda_of(backend);
    CNN_TRY(cnn_make_room(&cuda->blocks, &cuda->block_room, cuda->n_blocks, sizeof *cuda->blocks));
    CNN_CUDA_TRY(cudaMalloc(&memory, some), "allocating memory");
    const enum cnn_status status = fill_with_zeros(cuda, memory, some);
    if (status != CNN_OK) {
        cudaFree(memory);
        return status;
    }
    note_taken(cuda, memory, some);
    *out = memory;
    return CNN_OK;
}

// What is wrong at this point was said before, or is said by the next call.
void cnn_cuda_free(struct cnn_backend *backend, void *memory) {
    note_freed(cnn_cuda_of(backend), memory);
    cudaFree(memory);
}

enum cnn_status cnn_cuda_alloc_host(struct cnn_backend *backend, void **out, size_t bytes) {
    void *memory = NULL;
    const size_t some = bytes ? bytes : 1;
    (void)backend;
    const cudaError_t error = cudaHostAlloc(&memory, some, cudaHostAllocDefault);
    if (error == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError();
        return cnn_fail(CNN_ERR_MEMORY, "cuda: out of page-locked host memory (%zu bytes)", some);
    }
    CNN_CUDA_TRY(error, "allocating host memory");
    memset(memory, 0, some);
    *out = memory;
    return CNN_OK;
}

void cnn_cuda_free_host(struct cnn_backend *backend, void *memory) {
    (void)backend;
    cudaFreeHost(memory);
}

enum cnn_status cnn_cuda_upload(struct cnn_backend *backend, void *device, const void *host, size_t bytes) {
    return cnn_cuda_check(
        cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, cnn_cuda_of(backend)->compute),
        "copying to the device");
}

enum cnn_status cnn_cuda_download(struct cnn_backend *backend, void *host, const void *device, size_t bytes) {
    return cnn_cuda_check(
        cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, cnn_cuda_of(backend)->compute),
        "copying from the device");
}

enum cnn_status cnn_cuda_copy(struct cnn_backend *backend, float *to, const float *from, size_t n) {
    return cnn_cuda_check(
        cudaMemcpyAsync(to, from, n * sizeof *to, cudaMemcpyDeviceToDevice, cnn_cuda_of(backend)->compute),
        "copying on the device");
}

enum cnn_status cnn_cuda_synchronize(struct cnn_backend *backend) {
    return cnn_cuda_check(cudaStreamSynchronize(cnn_cuda_of(backend)->compute), "waiting for the device");
}

// An error is for the next call to report that can.
bool cnn_cuda_is_busy(const struct cnn_backend *backend) {
    const struct cnn_cuda *cuda = (const struct cnn_cuda *)(const void *)backend;
    if (cudaStreamQuery(cuda->compute) != cudaErrorNotReady)
        return false;
    (void)cudaGetLastError(); // "not ready" stays behind as if it were an error
    return true;
}

enum cnn_status cnn_cuda_memory_left(struct cnn_backend *backend, size_t *out) {
    size_t total = 0;
    (void)backend;
    return cnn_cuda_check(cudaMemGetInfo(out, &total), "asking for the memory that is left");
}
