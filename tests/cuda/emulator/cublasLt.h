// Stands in for cuBLAS's header: names for backend/cuda/cuda.h.
#ifndef TESTS_CUDA_EMULATOR_CUBLASLT_H
#define TESTS_CUDA_EMULATOR_CUBLASLT_H

typedef struct cublasLtContext *cublasLtHandle_t;
typedef int cublasStatus_t;

#endif
