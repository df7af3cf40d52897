// The CPU backend through the suite of tests/reference, with one thread and with two.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "reference/backend_suite.h"

int main(void) {
    int failed = 0;
    for (int threads = 1; threads <= 2; threads++) {
        const struct cnn_backend_options options = {.threads = threads, .precision = CNN_PRECISION_FP32};
        struct cnn_backend *backend = NULL;
        if (cnn_backend_create(&backend, CNN_BACKEND_CPU, &options) != CNN_OK) {
            fprintf(stderr, "%s\n", cnn_error_message());
            return 1;
        }
        failed += backend_suite_run(backend);
        cnn_backend_destroy(backend);
    }
    return failed != 0;
}
