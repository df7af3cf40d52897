// The libraries' errors in words. An error of a kernel is noticed by a later call, and every call after it
// fails.
#include "backend/cuda/cuda.h"

#include <stdio.h>

// Faults of what was queued before, not of the call that returns them.
static bool is_earlier_fault(cudaError_t error) {
    switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorIllegalInstruction:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
        return true;
    default:
        return false;
    }
}

static const char *advice(cudaError_t error) {
    if (is_earlier_fault(error))
        return "; reported here, but caused by an earlier operation; to find it, set train.record=false and "
               "CUDA_LAUNCH_BLOCKING=1 in the environment";
    if (error == cudaErrorECCUncorrectable || error == cudaErrorDevicesUnavailable)
        return "; nvidia-smi shows the state of the GPU";
    return "";
}

enum cnn_status cnn_cuda_check(cudaError_t error, const char *what) {
    if (error == cudaSuccess)
        return CNN_OK;
    (void)cudaGetLastError(); // or the next kernel's launch would seem to have failed
    if (error == cudaErrorMemoryAllocation)
        return cnn_fail(CNN_ERR_MEMORY, "cuda: %s: out of device memory", what);
    return cnn_fail(CNN_ERR_BACKEND, "cuda: %s: %s (%s)%s", what, cudaGetErrorString(error),
                    cudaGetErrorName(error), advice(error));
}

enum cnn_status cnn_cudnn_check(cudnnStatus_t status, const char *what) {
    if (status == CUDNN_STATUS_SUCCESS)
        return CNN_OK;
    char detail[512] = "";
    cudnnGetLastErrorString(detail, sizeof detail);
    const bool memory = status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ||
                        status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    return cnn_fail(memory ? CNN_ERR_MEMORY : CNN_ERR_BACKEND, "cuDNN: %s: %s%s%s", what,
                    cudnnGetErrorString(status), detail[0] ? ": " : "", detail);
}

enum cnn_status cnn_cublas_check(cublasStatus_t status, const char *what) {
    if (status == CUBLAS_STATUS_SUCCESS)
        return CNN_OK;
    return cnn_fail(status == CUBLAS_STATUS_ALLOC_FAILED ? CNN_ERR_MEMORY : CNN_ERR_BACKEND,
                    "cuBLASLt: %s: %s", what, cublasLtGetStatusString(status));
}
