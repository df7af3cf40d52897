// cuDNN and cuBLASLt, opened when a GPU is first used: the program starts where they are missing. Each of
// their functions that is called somewhere stands here under its own name and passes on to the library's; the
// compiler holds it to the library's header, the linker says where one is missing.
#include "backend/cuda/cuda.h"
#include "base/shared_library.h"

#include <stdatomic.h>

#define TEXT_OF(value) #value
#define TEXT(value) TEXT_OF(value)

static struct cnn_shared_library dnn =
    CNN_SHARED_LIBRARY("cuDNN", "libcudnn.so." TEXT(CUDNN_MAJOR), CNN_CUDNN_LIBRARY);
static struct cnn_shared_library blas =
    CNN_SHARED_LIBRARY("cuBLASLt", "libcublasLt.so." TEXT(CUBLAS_VER_MAJOR), CNN_CUBLASLT_LIBRARY);

enum cnn_status cnn_cuda_load_libraries(void) {
    CNN_TRY(cnn_shared_library_open(&dnn));
    return cnn_shared_library_open(&blas);
}

// `otherwise`: what the caller gets where there is no library.
#define CALL(library, type, name, parameters, arguments, otherwise)                                          \
    __attribute__((visibility("hidden"))) type name parameters {                                             \
        static _Atomic(void *) known;                                                                        \
        void *function = atomic_load_explicit(&known, memory_order_relaxed);                                 \
        if (!function) {                                                                                     \
            function = cnn_shared_library_find(&(library), #name);                                           \
            atomic_store_explicit(&known, function, memory_order_relaxed);                                   \
        }                                                                                                    \
        return function ? ((__typeof__(&name))function)arguments : (otherwise);                              \
    }
#define DNN(name, parameters, arguments)                                                                     \
    CALL(dnn, cudnnStatus_t, name, parameters, arguments, CUDNN_STATUS_NOT_INITIALIZED)
#define BLAS(name, parameters, arguments)                                                                    \
    CALL(blas, cublasStatus_t, name, parameters, arguments, CUBLAS_STATUS_NOT_INITIALIZED)

// clang-format off
CALL(dnn, size_t, cudnnGetVersion, (void), (), 0)
CALL(dnn, const char *, cudnnGetErrorString, (cudnnStatus_t status), (status), "no cuDNN")
DNN(cudnnCreate, (cudnnHandle_t *out), (out))
DNN(cudnnDestroy, (cudnnHandle_t handle), (handle))
DNN(cudnnSetStream, (cudnnHandle_t handle, cudaStream_t stream), (handle, stream))
DNN(cudnnBackendCreateDescriptor, (cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *out), (type, out))
DNN(cudnnBackendDestroyDescriptor, (cudnnBackendDescriptor_t descriptor), (descriptor))
DNN(cudnnBackendFinalize, (cudnnBackendDescriptor_t descriptor), (descriptor))
DNN(cudnnBackendSetAttribute,
    (cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
     int64_t n, const void *values),
    (descriptor, name, type, n, values))
DNN(cudnnBackendGetAttribute,
    (cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
     int64_t wanted, int64_t *n, void *values),
    (descriptor, name, type, wanted, n, values))
DNN(cudnnBackendExecute,
    (cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack), (handle, plan, pack))
__attribute__((visibility("hidden"))) void cudnnGetLastErrorString(char *message, size_t bytes) {
    void *function = cnn_shared_library_find(&dnn, "cudnnGetLastErrorString");
    message[0] = 0;
    if (function)
        ((__typeof__(&cudnnGetLastErrorString))function)(message, bytes);
}

CALL(blas, const char *, cublasLtGetStatusString, (cublasStatus_t status), (status), "no cuBLASLt")
CALL(blas, size_t, cublasLtGetVersion, (void), (), 0)
BLAS(cublasLtGetProperty, (libraryPropertyType type, int *out), (type, out))
BLAS(cublasLtCreate, (cublasLtHandle_t *out), (out))
BLAS(cublasLtDestroy, (cublasLtHandle_t handle), (handle))
BLAS(cublasLtMatrixLayoutCreate,
     (cublasLtMatrixLayout_t *out, cudaDataType type, uint64_t rows, uint64_t columns, int64_t stride),
     (out, type, rows, columns, stride))
BLAS(cublasLtMatrixLayoutDestroy, (cublasLtMatrixLayout_t layout), (layout))
BLAS(cublasLtMatrixLayoutSetAttribute,
     (cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t name, const void *value, size_t bytes),
     (layout, name, value, bytes))
BLAS(cublasLtMatmulDescCreate, (cublasLtMatmulDesc_t *out, cublasComputeType_t compute, cudaDataType_t scale),
     (out, compute, scale))
BLAS(cublasLtMatmulDescDestroy, (cublasLtMatmulDesc_t desc), (desc))
BLAS(cublasLtMatmulDescSetAttribute,
     (cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name, const void *value, size_t bytes),
     (desc, name, value, bytes))
BLAS(cublasLtMatmulPreferenceCreate, (cublasLtMatmulPreference_t *out), (out))
BLAS(cublasLtMatmulPreferenceDestroy, (cublasLtMatmulPreference_t preference), (preference))
BLAS(cublasLtMatmulPreferenceSetAttribute,
     (cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t name, const void *value, size_t bytes),
     (preference, name, value, bytes))
BLAS(cublasLtMatmulAlgoGetHeuristic,
     (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
      cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference, int wanted,
      cublasLtMatmulHeuristicResult_t out[], int *n),
     (handle, desc, a, b, c, d, preference, wanted, out, n))
BLAS(cublasLtMatmulAlgoCapGetAttribute,
     (const cublasLtMatmulAlgo_t *algorithm, cublasLtMatmulAlgoCapAttributes_t name, void *out, size_t bytes,
      size_t *written),
     (algorithm, name, out, bytes, written))
BLAS(cublasLtMatmulAlgoConfigGetAttribute,
     (const cublasLtMatmulAlgo_t *algorithm, cublasLtMatmulAlgoConfigAttributes_t name, void *out, size_t bytes,
      size_t *written),
     (algorithm, name, out, bytes, written))
BLAS(cublasLtMatmulAlgoConfigSetAttribute,
     (cublasLtMatmulAlgo_t *algorithm, cublasLtMatmulAlgoConfigAttributes_t name, const void *value, size_t bytes),
     (algorithm, name, value, bytes))
BLAS(cublasLtMatmul,
     (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a,
      cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
      cublasLtMatrixLayout_t c_layout, void *d, cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algorithm,
      void *workspace, size_t bytes, cudaStream_t stream),
     (handle, desc, alpha, a, a_layout, b, b_layout, beta, c, c_layout, d, d_layout, algorithm, workspace, bytes, stream))
