#include "backend/libraries.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

// CUDA counts 1000 * major + 10 * minor.
static struct cnn_version cuda_version(int number) {
    return cnn_version_of(number / 1000, number % 1000 / 10, 0);
}

static struct cnn_version cudnn_version(size_t number) {
    int n = (int)number;
    return cnn_version_of(n / 10000, n / 100 % 100, n % 100);
}

static void add_cublas(struct cnn_libraries *list) {
    int major = 0, minor = 0, patch = 0;
    bool known = cublasLtGetProperty(MAJOR_VERSION, &major) == CUBLAS_STATUS_SUCCESS &&
                 cublasLtGetProperty(MINOR_VERSION, &minor) == CUBLAS_STATUS_SUCCESS &&
                 cublasLtGetProperty(PATCH_LEVEL, &patch) == CUBLAS_STATUS_SUCCESS;
    cnn_libraries_add(list, "cuBLAS",
                      cnn_version_of(CUBLAS_VER_MAJOR, CUBLAS_VER_MINOR, CUBLAS_VER_PATCH).text,
                      known ? cnn_version_of(major, minor, patch).text : NULL);
}

void cnn_cuda_libraries(struct cnn_libraries *list) {
    int runtime = 0, driver = 0;
    cudaRuntimeGetVersion(&runtime);
    cnn_libraries_add(list, "CUDA runtime", cuda_version(CUDART_VERSION).text, cuda_version(runtime).text);
    // 0: no driver, which is for the check of the devices to say
    if (cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0)
        cnn_libraries_add(list, "CUDA driver", cuda_version(CUDART_VERSION).text, cuda_version(driver).text)
            ->newer_is_fine = true;
    const size_t dnn = cudnnGetVersion(); // 0: it is not there
    cnn_libraries_add(list, "cuDNN", cudnn_version(CUDNN_VERSION).text, dnn ? cudnn_version(dnn).text : NULL);
    add_cublas(list);
}
