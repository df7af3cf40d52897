// Private to base/: the loops over binary16, of which some processors have faster ones. All give the same
// bits.
#ifndef CNN_BASE_HALF_LOOPS_H
#define CNN_BASE_HALF_LOOPS_H
#include "base/half.h"

struct cnn_half_loops {
    void (*pack)(uint16_t *out, const float *in, size_t n);
    void (*unpack)(float *out, const uint16_t *in, size_t n);
    void (*round)(float *values, size_t n);
};

extern const struct cnn_half_loops cnn_fp16_loops_portable;
// Those for the processor at hand.
const struct cnn_half_loops *cnn_fp16_loops(void);

#endif
