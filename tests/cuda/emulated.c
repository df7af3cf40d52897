#include "emulated.h"
#include "backend/cuda/cuda.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum cnn_status cnn_cuda_check(cudaError_t error, const char *what) {
    return error == cudaSuccess ? CNN_OK : cnn_fail(CNN_ERR_BACKEND, "%s", what);
}

// Stands at the beginning of the pages, memory at their end; between them and behind the memory lies FILL.
struct guarded {
    size_t bytes, mapped;
};

#define FILL 0xa5

static size_t rounded(size_t bytes) { return cnn_align_up(bytes, CNN_ALIGN); }

static struct guarded *head_of(void *memory) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (struct guarded *)(((uintptr_t)memory - sizeof(struct guarded)) / page * page);
}

static enum cnn_status emulated_alloc(struct cnn_backend *backend, void **out, size_t bytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE),
                 mapped = cnn_align_up(sizeof(struct guarded) + rounded(bytes), page) + page;
    (void)backend;
    char *base = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + mapped - page, page, PROT_NONE) != 0)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory (%zu bytes)", bytes);
    char *memory = base + mapped - page - rounded(bytes);
    struct guarded *head = head_of(memory);
    head->bytes = bytes;
    head->mapped = mapped;
    memset(memory + bytes, FILL, rounded(bytes) - bytes);
    *out = memory;
    return CNN_OK;
}

static void emulated_free(struct cnn_backend *backend, void *memory) {
    const struct guarded *head = head_of(memory);
    const size_t bytes = head->bytes, mapped = head->mapped, page = (size_t)sysconf(_SC_PAGESIZE);
    (void)backend;
    for (size_t i = bytes; i < rounded(bytes); i++)
        if (((unsigned char *)memory)[i] != FILL) {
            fprintf(stderr, "memory of %zu bytes was written to at byte %zu\n", bytes, i);
            abort();
        }
    munmap((char *)memory + rounded(bytes) + page - mapped, mapped);
}

static enum cnn_status emulated_copy(struct cnn_backend *backend, void *to, const void *from, size_t bytes) {
    (void)backend;
    memcpy(to, from, bytes);
    return CNN_OK;
}

static enum cnn_status emulated_copy_floats(struct cnn_backend *backend, float *to, const float *from,
                                            size_t n) {
    return emulated_copy(backend, to, from, n * sizeof *to);
}

static enum cnn_status nothing(struct cnn_backend *backend) {
    (void)backend;
    return CNN_OK;
}

static enum cnn_type type_of(enum cnn_precision precision) {
    return precision == CNN_PRECISION_BF16   ? CNN_TYPE_BF16
           : precision == CNN_PRECISION_FP16 ? CNN_TYPE_F16
                                             : CNN_TYPE_F32;
}

static void emulated_destroy(struct cnn_backend *backend) {
    struct cnn_cuda *cuda = cnn_cuda_of(backend);
    cnn_cuda_forget_tiles(cuda);
    cnn_backend_free(backend, cuda->loss_sums);
    free(cuda);
}

static enum cnn_status emulated_create(struct cnn_backend **out, const struct cnn_backend_options *options) {
    struct cnn_cuda *cuda = NULL;
    CNN_TRY(cnn_calloc(&cuda, 1, sizeof *cuda));
    cuda->base.ops = &cnn_backend_cuda;
    cuda->base.type = type_of(options->precision);
    cuda->processors = EMULATED_PROCESSORS;
    cuda->deterministic = options->deterministic;
    cuda->recompute = options->recompute;
    snprintf(cuda->base.description, sizeof cuda->base.description, "emulated: %s, %d processors",
             cnn_precision_name(options->precision), cuda->processors);
    const enum cnn_status status =
        emulated_alloc(&cuda->base, (void **)&cuda->loss_sums, CNN_CUDA_LOSS_BLOCKS * 3 * sizeof(double));
    if (status != CNN_OK) {
        free(cuda);
        return status;
    }
    *out = &cuda->base;
    return CNN_OK;
}

const struct cnn_backend_ops cnn_backend_cuda = {
    .name = "emulated",
    .create = emulated_create,
    .destroy = emulated_destroy,
    .alloc = emulated_alloc,
    .free = emulated_free,
    .alloc_host = emulated_alloc,
    .free_host = emulated_free,
    .upload = emulated_copy,
    .download = emulated_copy,
    .synchronize = nothing,
    .stage = emulated_copy,
    .stage_wait = nothing,
    .stage_used = nothing,
    .stage_finish = nothing,
    .kernels =
        {
            [CNN_KERNEL_CONV] = &cnn_cuda_conv,
            [CNN_KERNEL_NORM] = &cnn_cuda_norm,
            [CNN_KERNEL_MAX_POOL] = &cnn_cuda_max_pool,
            [CNN_KERNEL_AVG_POOL] = &cnn_cuda_avg_pool,
            [CNN_KERNEL_ADAPTIVE_AVG_POOL] = &cnn_cuda_adaptive_avg_pool,
            [CNN_KERNEL_LINEAR] = &cnn_cuda_linear,
            [CNN_KERNEL_ADD] = &cnn_cuda_add,
            [CNN_KERNEL_RELU] = &cnn_cuda_relu,
            [CNN_KERNEL_DROPOUT] = &cnn_cuda_dropout,
        },
    .normalize = cnn_cuda_normalize,
    .loss = cnn_cuda_loss,
    .add = cnn_cuda_add_into,
    .copy = emulated_copy_floats,
    .narrow = cnn_cuda_narrow,
    .check_finite = cnn_cuda_check_finite,
    .sgd = cnn_cuda_sgd,
};

// In place of the library's own table.
const struct cnn_backend_ops *const cnn_backends[CNN_N_BACKENDS] = {
    [CNN_BACKEND_CPU] = &cnn_backend_cpu,
    [CNN_BACKEND_CUDA] = &cnn_backend_cuda,
};
