// The CPU backend through the suite of tests/reference: with one thread, with two, and with channel blocks of
// the size that this processor would not choose, where oneDNN's fast implementations stand between reorders.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/cpu.h"
#include "reference/backend_suite.h"

// block 0: the processor's own.
static int run(int threads, int block) {
    const struct cnn_backend_options options = {.threads = threads, .precision = CNN_PRECISION_FP32};
    struct cnn_backend *backend = NULL;
    if (cnn_backend_create(&backend, CNN_BACKEND_CPU, &options) != CNN_OK) {
        fprintf(stderr, "%s\n", cnn_error_message());
        return 1;
    }
    struct cnn_cpu *cpu = (struct cnn_cpu *)(void *)backend;
    if (block)
        cpu->block = block;
    fprintf(stderr, "blocks of %d channels\n", cpu->block);
    const int failed = backend_suite_run(backend);
    cnn_backend_destroy(backend);
    return failed;
}

int main(void) {
    int failed = run(1, 0) + run(2, 0) + run(1, cnn_simd_block() == 8 ? 16 : 8);
    return failed != 0;
}
