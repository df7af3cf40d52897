// The update formulas, once, for every backend (host C and device C alike).
#ifndef CNN_BACKEND_UPDATE_H
#define CNN_BACKEND_UPDATE_H
#include "base/host_device.h"

struct cnn_sgd_factors {
    float rate, momentum, damped; // damped = 1 - dampening; 1 on a velocity's first step
    float decay, gradient_scale;
};

// Stochastic gradient descent with momentum as PyTorch defines it (velocity not scaled by the rate);
// Nesterov's variant after Sutskever et al., ICML 2013.
static inline CNN_HOST_DEVICE void cnn_update_sgd(float *w, float *v, float gradient,
                                                  struct cnn_sgd_factors f) {
    const float g = gradient * f.gradient_scale + f.decay * *w;
    *v = f.momentum * *v + f.damped * g;
    *w -= f.rate * *v;
}

static inline CNN_HOST_DEVICE void cnn_update_nesterov(float *w, float *v, float gradient,
                                                       struct cnn_sgd_factors f) {
    const float g = gradient * f.gradient_scale + f.decay * *w;
    *v = f.momentum * *v + f.damped * g;
    *w -= f.rate * (g + f.momentum * *v);
}

// Running statistic of batch norm: `share` is momentum / micro-batches, `sum` the sum of the micro-batches'
// statistics.
static inline CNN_HOST_DEVICE void cnn_update_statistic(float *w, float sum, float momentum, float share) {
    *w = (1.0f - momentum) * *w + share * sum;
}

#endif
