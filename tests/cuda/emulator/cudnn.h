// Stands in for cuDNN's header: names for backend/cuda/cuda.h.
#ifndef TESTS_CUDA_EMULATOR_CUDNN_H
#define TESTS_CUDA_EMULATOR_CUDNN_H

typedef struct cudnnContext *cudnnHandle_t;
typedef int cudnnStatus_t;

#endif
