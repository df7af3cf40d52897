#include "backend/cuda/cuda.h"

#include "backend/cuda/cudnn_choose.h"
#include "backend/cuda/device.h"
#include "backend/cuda/exchange.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define LEAST_BF16 80 // compute capability; TF32's too
#define LEAST_FP16 70

static bool cuda_is_usable(const struct cnn_backend_options *options, char *why, size_t bytes) {
    struct cnn_cuda_device device;
    why[0] = 0;
    enum cnn_status status = cnn_cuda_choose(&device, options);
    if (status == CNN_OK)
        status = cnn_cuda_load_libraries();
    if (status != CNN_OK && cnn_cuda_has_driver())
        snprintf(why, bytes, "%s", cnn_error_message());
    return status == CNN_OK;
}

static enum cnn_status choose_precision(struct cnn_cuda *cuda, enum cnn_precision wanted, const char *name) {
    const int has = cuda->capability;
    if (wanted == CNN_PRECISION_AUTO)
        wanted = has >= LEAST_BF16 ? CNN_PRECISION_BF16 : CNN_PRECISION_FP32;
    const int least = wanted == CNN_PRECISION_FP32   ? 0
                      : wanted == CNN_PRECISION_FP16 ? LEAST_FP16
                                                     : LEAST_BF16;
    if (has < least)
        return cnn_fail(
            CNN_ERR_UNSUPPORTED,
            "train.precision: %s needs a GPU of compute capability %d.%d, but %s has %d.%d; use fp32 or auto",
            cnn_precision_name(wanted), least / 10, least % 10, name, has / 10, has % 10);
    cuda->precision = wanted;
    cuda->base.type = wanted == CNN_PRECISION_BF16   ? CNN_TYPE_BF16
                      : wanted == CNN_PRECISION_FP16 ? CNN_TYPE_F16
                                                     : CNN_TYPE_F32;
    return CNN_OK;
}

static enum cnn_status start_device(struct cnn_cuda *cuda) {
    CNN_CUDA_TRY(cudaSetDevice(cuda->device), "starting the GPU");
    CNN_CUDA_TRY(cudaStreamCreateWithFlags(&cuda->compute, cudaStreamNonBlocking), "starting the GPU");
    CNN_CUDA_TRY(cudaStreamCreateWithFlags(&cuda->copy, cudaStreamNonBlocking), "starting the GPU");
    CNN_CUDA_TRY(cudaEventCreateWithFlags(&cuda->staged, cudaEventDisableTiming), "starting the GPU");
    return cnn_cuda_check(cudaEventCreateWithFlags(&cuda->used, cudaEventDisableTiming), "starting the GPU");
}

static enum cnn_status start_libraries(struct cnn_cuda *cuda, const char *device) {
    const enum cnn_status status = cnn_cuda_load_libraries();
    if (status != CNN_OK)
        return cnn_fail_in(status, "backend: cuda");
    CNN_TRY(cnn_cudnn_check(cudnnCreate(&cuda->dnn), "starting"));
    CNN_TRY(cnn_cudnn_check(cudnnSetStream(cuda->dnn, cuda->compute), "starting"));
    CNN_TRY(cnn_cublas_check(cublasLtCreate(&cuda->blas), "starting"));
    return cnn_cudnn_chooser_create(&cuda->chooser, cuda, device);
}

static void describe(struct cnn_cuda *cuda, const char *name) {
    const size_t version = cudnnGetVersion(); // 10000 * major + 100 * minor + patch
    snprintf(cuda->base.description, sizeof cuda->base.description, "cuda: %s, %s, cuDNN %zu.%zu", name,
             cnn_precision_name(cuda->precision), version / 10000, version / 100 % 100);
}

// A launcher may show each rank a GPU of its own; then each sees one, and they share none.
static void tell_sharing(const struct cnn_cuda_device *device, const struct cnn_backend_options *options) {
    if (options->local_size > device->count && options->local_rank == 0)
        cnn_log_info("backend: cuda: %d ranks on this host, each of which sees %d GPU%s; ranks on the same "
                     "GPU take turns",
                     options->local_size, device->count, device->count == 1 ? "" : "s");
}

static enum cnn_status start(struct cnn_cuda *cuda, const struct cnn_backend_options *options) {
    struct cnn_cuda_device device;
    CNN_TRY(cnn_cuda_choose(&device, options));
    cuda->device = device.number;
    cuda->processors = device.processors;
    cuda->capability = device.capability;
    cuda->deterministic = options->deterministic;
    cuda->recompute = options->recompute;
    CNN_TRY(choose_precision(cuda, options->precision, device.name));
    CNN_TRY(start_device(cuda));
    CNN_TRY(start_libraries(cuda, device.name));
    CNN_TRY(
        cnn_cuda_alloc(&cuda->base, (void **)&cuda->loss_sums, CNN_CUDA_LOSS_BLOCKS * 3 * sizeof(double)));
    tell_sharing(&device, options);
    describe(cuda, device.name);
    return CNN_OK;
}

static void cuda_destroy(struct cnn_backend *backend) {
    struct cnn_cuda *cuda = cnn_cuda_of(backend);
    if (!cuda)
        return;
    cnn_cudnn_chooser_destroy(cuda->chooser);
    if (cuda->blas)
        cublasLtDestroy(cuda->blas);
    if (cuda->dnn)
        cudnnDestroy(cuda->dnn);
    cnn_cuda_forget_tiles(cuda);
    cnn_backend_free(&cuda->base, cuda->loss_sums);
    if (cuda->used)
        cudaEventDestroy(cuda->used);
    if (cuda->staged)
        cudaEventDestroy(cuda->staged);
    if (cuda->copy)
        cudaStreamDestroy(cuda->copy);
    if (cuda->compute)
        cudaStreamDestroy(cuda->compute);
    free(cuda->blocks);
    free(cuda);
}

static enum cnn_status cuda_create(struct cnn_backend **out, const struct cnn_backend_options *options) {
    struct cnn_cuda *cuda = NULL;
    CNN_TRY(cnn_calloc(&cuda, 1, sizeof *cuda));
    cuda->base.ops = &cnn_backend_cuda;
    const enum cnn_status status = start(cuda, options);
    if (status != CNN_OK) {
        cuda_destroy(&cuda->base);
        return status;
    }
    *out = &cuda->base;
    return CNN_OK;
}

const struct cnn_backend_ops cnn_backend_cuda = {
    .name = "cuda",
    .is_usable = cuda_is_usable,
    .create = cuda_create,
    .destroy = cuda_destroy,
    .alloc = cnn_cuda_alloc,
    .free = cnn_cuda_free,
    .alloc_host = cnn_cuda_alloc_host,
    .free_host = cnn_cuda_free_host,
    .upload = cnn_cuda_upload,
    .download = cnn_cuda_download,
    .synchronize = cnn_cuda_synchronize,
    .is_busy = cnn_cuda_is_busy,
    .stage = cnn_cuda_stage,
    .stage_wait = cnn_cuda_stage_wait,
    .stage_used = cnn_cuda_stage_used,
    .stage_finish = cnn_cuda_stage_finish,
    .record_begin = cnn_cuda_record_begin,
    .record_end = cnn_cuda_record_end,
    .replay = cnn_cuda_replay,
    .recording_destroy = cnn_cuda_recording_destroy,
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
    .copy = cnn_cuda_copy,
    .narrow = cnn_cuda_narrow,
    .check_finite = cnn_cuda_check_finite,
    .sgd = cnn_cuda_sgd,
    .memory_left = cnn_cuda_memory_left,
    .peak_bytes = cnn_cuda_peak_bytes,
    .exchange_device = cnn_cuda_exchange_device,
};

const struct cnn_backend_ops *const cnn_backends[CNN_N_BACKENDS] = {
    [CNN_BACKEND_CPU] = &cnn_backend_cpu,
    [CNN_BACKEND_CUDA] = &cnn_backend_cuda,
};
