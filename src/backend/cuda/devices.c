// Asks the CUDA runtime for devices. Every call may fail on a machine without a driver, or with a broken one,
// and nothing here takes that for an error of the program.
#include "backend/devices.h"

#include <cuda_runtime_api.h>
#include <stdio.h>

#define LEAST_CAPABILITY CNN_CUDA_LEAST_CAPABILITY // of what the kernels were compiled for

static bool fail_device(struct cnn_device *out, const char *doing, cudaError_t error) {
    snprintf(out->problem, sizeof out->problem, "%s: %s", doing, cudaGetErrorString(error));
    cudaGetLastError(); // later calls would report it again
    return false;
}

static bool ask_properties(struct cnn_device *out, int number) {
    struct cudaDeviceProp properties;
    int mode = cudaComputeModeDefault;
    cudaError_t error = cudaGetDeviceProperties(&properties, number);
    if (error != cudaSuccess)
        return fail_device(out, "cannot be asked what it is", error);
    if (cudaDeviceGetAttribute(&mode, cudaDevAttrComputeMode, number) != cudaSuccess)
        mode = cudaComputeModeDefault;
    snprintf(out->name, sizeof out->name, "%.127s", properties.name);
    out->total_bytes = properties.totalGlobalMem;
    out->capability[0] = properties.major;
    out->capability[1] = properties.minor;
    out->supported = properties.major * 10 + properties.minor >= LEAST_CAPABILITY;
    out->prohibited = mode == cudaComputeModeProhibited;
    out->exclusive = mode == cudaComputeModeExclusiveProcess;
    return true;
}

static bool ask_memory(struct cnn_device *out, int number) {
    cudaError_t error = cudaSetDevice(number);
    if (error == cudaSuccess)
        error = cudaMemGetInfo(&out->free_bytes, &out->total_bytes);
    return error == cudaSuccess ? true : fail_device(out, "cannot be started", error);
}

static enum cnn_link link_of(int from, int to) {
    int reaches = 0, atomics = 0;
    if (cudaDeviceCanAccessPeer(&reaches, from, to) != cudaSuccess || !reaches)
        return CNN_LINK_HOST;
    // Between GPUs, atomics work over NVLink but not over PCIe.
    if (cudaDeviceGetP2PAttribute(&atomics, cudaDevP2PAttrNativeAtomicSupported, from, to) != cudaSuccess)
        atomics = 0;
    return atomics ? CNN_LINK_NVLINK : CNN_LINK_PCIE;
}

static void ask_all(struct cnn_devices *out) {
    int current = 0;
    const bool chosen = cudaGetDevice(&current) == cudaSuccess;
    for (int i = 0; i < out->n; i++)
        if (ask_properties(&out->items[i], i) && !out->items[i].prohibited)
            ask_memory(&out->items[i], i);
    if (chosen)
        cudaSetDevice(current); // a backend of this thread goes on with its own
    for (int from = 0; from < out->n; from++)
        for (int to = 0; to < out->n; to++)
            if (from != to)
                out->links[from][to] = link_of(from, to);
    cudaGetLastError();
}

static enum cnn_devices_state state_of(cudaError_t error, int n, int driver) {
    if (driver == 0 || error == cudaErrorInsufficientDriver || error == cudaErrorStubLibrary)
        return CNN_DEVICES_NO_DRIVER;
    if (error == cudaErrorNoDevice || (error == cudaSuccess && n == 0))
        return CNN_DEVICES_NONE;
    return error == cudaSuccess ? CNN_DEVICES_FOUND : CNN_DEVICES_FAILED;
}

void cnn_devices_find(struct cnn_devices *out) {
    int driver = 0, n = 0;
    *out = (struct cnn_devices){0};
    snprintf(out->needed, sizeof out->needed, "%d.%d", LEAST_CAPABILITY / 10, LEAST_CAPABILITY % 10);
    if (cudaDriverGetVersion(&driver) != cudaSuccess)
        driver = 0;
    if (driver > 0)
        snprintf(out->driver, sizeof out->driver, "%d.%d", driver / 1000, driver % 1000 / 10);
    cudaError_t error = cudaGetDeviceCount(&n);
    out->state = state_of(error, n, driver);
    if (out->state != CNN_DEVICES_FOUND) {
        snprintf(out->problem, sizeof out->problem, "%s",
                 error == cudaSuccess ? "no device" : cudaGetErrorString(error));
        cudaGetLastError();
        return;
    }
    out->n = n < CNN_MAX_DEVICES ? n : CNN_MAX_DEVICES;
    ask_all(out);
}
