// What the tests that need a GPU share. Without one they are skipped: exit status 77. With
// CNN_TEST_NEEDS_GPU=1 in the environment that is a failure, for machines that are there to run them.
#ifndef TESTS_CUDA_GPU_H
#define TESTS_CUDA_GPU_H
#include "backend/ops.h"
#include <stdio.h>
#include <stdlib.h>

#define SKIPPED 77

static inline struct cnn_backend_options gpu_options(enum cnn_precision precision) {
    return (struct cnn_backend_options){
        .threads = 1, .local_size = 1, .precision = precision, .deterministic = true};
}

// GPU 0. NULL where there is none, or where it fails, with *out_exit for main to return.
static inline struct cnn_backend *gpu_open(enum cnn_precision precision, int *out_exit) {
    const struct cnn_backend_options options = gpu_options(precision);
    struct cnn_backend *backend = NULL;
    const enum cnn_status status = cnn_backend_create(&backend, CNN_BACKEND_CUDA, &options);
    if (status == CNN_OK)
        return backend;
    const char *needed = getenv("CNN_TEST_NEEDS_GPU");
    *out_exit = status == CNN_ERR_UNSUPPORTED && !(needed && needed[0] == '1') ? SKIPPED : 1;
    fprintf(stderr, "%s: %s\n", *out_exit == SKIPPED ? "skipped" : "failed", cnn_error_message());
    return NULL;
}

#endif
