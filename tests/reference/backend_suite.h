// The tests every backend has to pass: each kernel, forward and backward, against the plain reference, over
// shapes with single samples, single pixels, odd sizes and channels that fill no block. Results may be off by
// 1e-5 of the largest magnitude.
#ifndef TESTS_REFERENCE_BACKEND_SUITE_H
#define TESTS_REFERENCE_BACKEND_SUITE_H
#include "backend/backend.h"

// Runs the suite on a backend the caller made; returns the number of tests that failed.
int backend_suite_run(struct cnn_backend *backend);

#endif
