// Stands in for cuDNN's header of graphs: names for the headers of backend/cuda.
#ifndef TESTS_CUDA_EMULATOR_CUDNN_GRAPH_H
#define TESTS_CUDA_EMULATOR_CUDNN_GRAPH_H
#include "cudnn.h"

typedef void *cudnnBackendDescriptor_t;
typedef int cudnnBackendAttributeName_t, cudnnDataType_t;

#endif
