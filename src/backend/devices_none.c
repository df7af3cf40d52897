// A build without CUDA knows no GPUs.
#include "backend/devices.h"
#include "backend/libraries.h"

#include <stdio.h>

void cnn_devices_find(struct cnn_devices *out) {
    *out = (struct cnn_devices){.state = CNN_DEVICES_NOT_BUILT};
    snprintf(out->problem, sizeof out->problem, "built without CUDA");
}

void cnn_cuda_libraries(struct cnn_libraries *list) {}
