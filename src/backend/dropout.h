// What dropout drops, once, for every backend (host C and device C alike): a function of (seed, layer, step,
// position of the sample in the epoch), so that backward draws it again and it is the same on any number of
// ranks.
#ifndef CNN_BACKEND_DROPOUT_H
#define CNN_BACKEND_DROPOUT_H
#include "base/philox.h"

struct cnn_dropping {
    uint32_t key[2];
    uint32_t threshold; // a draw below it drops
    float keep;         // what others are multiplied with: inverted dropout (Srivastava et al. 2014)
};

// `purpose` is CNN_PURPOSE_DROPOUT.
static inline struct cnn_dropping cnn_dropout_of(double p, uint64_t seed, uint32_t layer, uint32_t purpose) {
    struct cnn_dropping d;
    const double most = 4294967295.0, share = p * 4294967296.0;
    d.key[0] = (uint32_t)seed ^ layer * 0x9E3779B9u;
    d.key[1] = (uint32_t)(seed >> 32) ^ purpose;
    d.threshold = (uint32_t)(share > most ? most : share);
    d.keep = p < 1.0 ? (float)(1.0 / (1.0 - p)) : 0.0f;
    return d;
}

// Draws of a sample's elements 4 group ... 4 group + 3.
static inline CNN_HOST_DEVICE void cnn_dropout_draw(const struct cnn_dropping *d, uint64_t step,
                                                    uint64_t position, uint32_t group, uint32_t draws[4]) {
    const uint32_t counter[4] = {group, (uint32_t)position, (uint32_t)step,
                                 (uint32_t)(step >> 32) ^ (uint32_t)(position >> 32) << 16};
    cnn_philox(counter, d->key, draws);
}

static inline CNN_HOST_DEVICE float cnn_dropout_apply(const struct cnn_dropping *d, uint32_t draw,
                                                      float value) {
    return draw < d->threshold ? 0.0f : value * d->keep;
}

#endif
