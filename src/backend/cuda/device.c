#include "backend/cuda/device.h"

#include "backend/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>

#define MAJOR(version) ((version) / 1000)
#define MINOR(version) ((version) % 1000 / 10)

// The newest CUDA the driver serves, 1000 * major + 10 * minor; 0 without a driver.
static int driver_version(void) {
    int version = 0;
    if (cudaDriverGetVersion(&version) != cudaSuccess) {
        (void)cudaGetLastError();
        return 0;
    }
    return version;
}

bool cnn_cuda_has_driver(void) { return driver_version() > 0; }

static enum cnn_status refuse(cudaError_t error) {
    const int version = driver_version();
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    (void)cudaGetLastError();
    if (version == 0 || error == cudaErrorStubLibrary)
        return cnn_fail(
            CNN_ERR_UNSUPPORTED,
            "backend: cuda: there is no NVIDIA driver on this machine; install one, or use backend: cpu");
    if (error == cudaErrorInsufficientDriver)
        return cnn_fail(
            CNN_ERR_UNSUPPORTED,
            "backend: cuda: the NVIDIA driver supports CUDA up to %d.%d, but this build needs %d.%d; update "
            "the driver, build with an older CUDA Toolkit, or use backend: cpu",
            MAJOR(version), MINOR(version), MAJOR(CUDART_VERSION), MINOR(CUDART_VERSION));
    if (error == cudaErrorNoDevice)
        return cnn_fail(
            CNN_ERR_UNSUPPORTED,
            "backend: cuda: no GPU is visible to this process (CUDA_VISIBLE_DEVICES is %s); request one "
            "from the scheduler, or use backend: cpu",
            visible ? visible : "not set");
    return cnn_fail(
        CNN_ERR_UNSUPPORTED,
        "backend: cuda: the NVIDIA driver does not work: %s (%s); see nvidia-smi, or use backend: cpu",
        cudaGetErrorString(error), cudaGetErrorName(error));
}

static cudaError_t ask(struct cnn_cuda_device *out) {
    struct cudaDeviceProp properties;
    const cudaError_t error = cudaGetDeviceProperties(&properties, out->number);
    if (error != cudaSuccess)
        return error;
    out->processors = properties.multiProcessorCount;
    out->capability = 10 * properties.major + properties.minor;
    snprintf(out->name, sizeof out->name, "%.63s", properties.name);
    return cudaSuccess;
}

static enum cnn_status check_capability(const struct cnn_cuda_device *device) {
    const int least = CNN_CUDA_LEAST_CAPABILITY, is = device->capability;
    if (is >= least)
        return CNN_OK;
    return cnn_fail(
        CNN_ERR_UNSUPPORTED,
        "backend: cuda: GPU %d (%s) has compute capability %d.%d, but this build needs %d.%d; build with "
        "-DCMAKE_CUDA_ARCHITECTURES=%d, or use backend: cpu",
        device->number, device->name, is / 10, is % 10, least / 10, least % 10, is);
}

enum cnn_status cnn_cuda_choose(struct cnn_cuda_device *out, const struct cnn_backend_options *options) {
    out->count = 0;
    cudaError_t error = cudaGetDeviceCount(&out->count);
    if (error == cudaSuccess && out->count == 0)
        error = cudaErrorNoDevice;
    if (error != cudaSuccess)
        return refuse(error);
    out->number = options->local_rank % out->count;
    error = ask(out);
    return error == cudaSuccess ? check_capability(out) : refuse(error);
}
