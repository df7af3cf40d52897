// The devices of a build without CUDA.
#include "backend/ops.h"

const struct cnn_backend_ops *const cnn_backends[CNN_N_BACKENDS] = {
    [CNN_BACKEND_CPU] = &cnn_backend_cpu,
};
