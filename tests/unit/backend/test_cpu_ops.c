// The CPU backend through the suite of tests/reference: with one thread, with two, and with channel blocks of
// the size that this processor would not choose, where oneDNN's fast implementations stand between reorders.
// With the argument `bf16`, the same in bf16, emulated where the processor has none; skipped where oneDNN
// cannot do that either.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/cpu.h"
#include "reference/backend_suite.h"

#define SKIPPED 77

static enum cnn_precision precision = CNN_PRECISION_FP32;

// block 0: the processor's own.
static int run(int threads, int block) {
    const struct cnn_backend_options options = {.threads = threads, .precision = precision};
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

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "bf16")) {
        precision = CNN_PRECISION_BF16;
        setenv("CNN_CPU_BF16", "emulate", 1);
        if (cnn_onednn_bf16() == CNN_ONEDNN_NO_BF16) {
            fprintf(stderr, "skipped: oneDNN has no bf16 on a processor with %s\n", cnn_onednn_isa());
            return SKIPPED;
        }
    }
    int failed = run(1, 0) + run(2, 0) + run(1, cnn_simd_block() == 8 ? 16 : 8);
    return failed != 0;
}
