// Which GPU a rank takes. Private to backend/cuda.
#ifndef CNN_BACKEND_CUDA_DEVICE_H
#define CNN_BACKEND_CUDA_DEVICE_H
#include "backend/backend.h"

struct cnn_cuda_device {
    int number, count; // of the GPUs this process sees
    int processors;    // streaming multiprocessors
    int capability;    // 90 for 9.0
    char name[64];     // "NVIDIA H100 80GB HBM3"
};

// The GPU of a rank: by its number on the host, in turn where ranks are more than GPUs. CNN_ERR_UNSUPPORTED
// says what was found and what to do. Starts no GPU.
enum cnn_status cnn_cuda_choose(struct cnn_cuda_device *out,
                                const struct cnn_backend_options *options) CNN_MUST_CHECK;
// Whether there is a driver, be there GPUs or not.
bool cnn_cuda_has_driver(void);

#endif
