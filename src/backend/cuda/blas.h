// A product of two matrices by cuBLASLt, planned once. Matrices are in cuBLAS's order, columns of numbers
// that lie together: a row of values of a layer is a column here.
#ifndef CNN_BACKEND_CUDA_BLAS_H
#define CNN_BACKEND_CUDA_BLAS_H
#include "backend/cuda/cuda.h"

// d (m x n) = op(a) op(b) [+ bias of m values to every column] [relu], summed in floats over k. Without gaps
// between columns.
struct cnn_matmul_shape {
    int m, n, k;
    bool transpose_a, transpose_b;
    enum cnn_type in, out; // a and b; d, and bias
    bool bias, relu;
};
struct cnn_matmul {
    struct cnn_matmul_shape shape;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulAlgo_t algorithm;
    int algorithm_number;
    size_t workspace_bytes;
};
// CNN_ERR_UNSUPPORTED where cuBLASLt has no algorithm for it: then without relu, or without bias and relu.
enum cnn_status cnn_matmul_init(struct cnn_matmul *out, const struct cnn_cuda *cuda,
                                const struct cnn_matmul_shape *shape) CNN_MUST_CHECK;
void cnn_matmul_finish(struct cnn_matmul *matmul); // accepts a zeroed one

struct cnn_matmul_memory {
    const void *a, *b, *bias;
    void *d, *workspace;
    bool accumulate; // d += instead of d =
};
// Queued on cuda->compute. `what` names layer and pass in messages.
enum cnn_status cnn_matmul_run(const struct cnn_matmul *matmul, const struct cnn_cuda *cuda,
                               const struct cnn_matmul_memory *memory, const char *what) CNN_MUST_CHECK;

#endif
