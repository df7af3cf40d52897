// The CUDA backend through the suite of tests/reference, in one precision:   test_cuda_ops
// fp32|tf32|bf16|fp16
#include "gpu.h"
#include "reference/backend_suite.h"

#include <string.h>

static enum cnn_precision precision_of(const char *name) {
    for (int p = CNN_PRECISION_FP32; p <= CNN_PRECISION_FP16; p++)
        if (strcmp(name, cnn_precision_name((enum cnn_precision)p)) == 0)
            return (enum cnn_precision)p;
    return CNN_PRECISION_AUTO;
}

int main(int argc, char **argv) {
    const enum cnn_precision precision = argc == 2 ? precision_of(argv[1]) : CNN_PRECISION_AUTO;
    int status = 2;
    if (precision == CNN_PRECISION_AUTO) {
        fprintf(stderr, "usage: test_cuda_ops fp32|tf32|bf16|fp16\n");
        return status;
    }
    struct cnn_backend *backend = gpu_open(precision, &status);
    if (!backend)
        return status;
    const int failed = backend_suite_run(backend);
    cnn_backend_destroy(backend);
    return failed != 0;
}
