// A oneDNN product fitted to given layouts: where the fast implementation wants others, reorders stand around
// it.
#ifndef CNN_BACKEND_CPU_FIT_H
#define CNN_BACKEND_CPU_FIT_H
#include "backend/cpu/onednn.h"

struct cnn_fit {
    struct cnn_primitive *product, *reorders[CNN_N_SLOTS];
    size_t offsets[CNN_N_SLOTS]; // of the reordered copies in scratch, after the product's own
    size_t scratch_bytes;
    enum cnn_pass pass;
};

// Fits `wanted` (layouts of `any` are left to oneDNN) to the outside: first with its layouts as they are,
// then, if that gives a lesser implementation, with layouts of oneDNN's choosing and reorders to and from the
// wanted ones.
enum cnn_status cnn_fit_create(struct cnn_fit *out, struct cnn_onednn *dnn,
                               const struct cnn_product *wanted) CNN_MUST_CHECK;
void cnn_fit_finish(struct cnn_fit *fit); // accepts a zeroed one
enum cnn_status cnn_fit_run(const struct cnn_fit *fit, void *const slots[CNN_N_SLOTS],
                            void *scratch) CNN_MUST_CHECK;

#endif
