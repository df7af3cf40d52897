// Stands in for cuBLAS's header: names for the headers of backend/cuda.
#ifndef TESTS_CUDA_EMULATOR_CUBLASLT_H
#define TESTS_CUDA_EMULATOR_CUBLASLT_H

typedef struct cublasLtContext *cublasLtHandle_t;
typedef int cublasStatus_t;
typedef void *cublasLtMatmulDesc_t, *cublasLtMatrixLayout_t;
typedef struct {
    int number;
} cublasLtMatmulAlgo_t;

#endif
