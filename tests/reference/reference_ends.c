// The ends of a network and the optimizer.
#include "reference.h"
#include <math.h>

void ref_normalize(double *out, const uint8_t *pixels, struct ref_shape s, const double *mean,
                   const double *std) {
    const size_t area = (size_t)s.h * (size_t)s.w, channels = (size_t)s.c;
    for (size_t n = 0; n < (size_t)s.n; n++)
        for (size_t c = 0; c < channels; c++)
            for (size_t i = 0; i < area; i++)
                out[(n * channels + c) * area + i] =
                    ((double)pixels[(n * area + i) * channels + c] / 255 - mean[c]) / std[c];
}

static double log_sum_exp(const double *logits, int classes) {
    double most = logits[0], sum = 0;
    for (int j = 1; j < classes; j++)
        most = logits[j] > most ? logits[j] : most;
    for (int j = 0; j < classes; j++)
        sum += exp(logits[j] - most);
    return most + log(sum);
}

double ref_loss(double *d_logits, const double *logits, int n, int classes, const int32_t *labels,
                double smoothing, double scale) {
    double loss = 0;
    for (int i = 0; i < n; i++, logits += classes) {
        const double total = log_sum_exp(logits, classes);
        for (int j = 0; j < classes; j++) {
            const double target = (j == labels[i] ? 1 - smoothing : 0) + smoothing / classes;
            loss -= target * (logits[j] - total);
            if (d_logits)
                d_logits[i * classes + j] = (exp(logits[j] - total) - target) * scale;
        }
    }
    return loss;
}

bool ref_in_top(const double *logits, int classes, int label, int k) {
    int better = 0;
    if (isnan(logits[label]))
        return false;
    for (int j = 0; j < classes; j++)
        if (logits[j] > logits[label] || (logits[j] == logits[label] && j < label))
            better++;
    return better < k;
}

void ref_sgd_step(double *w, double *velocity, double gradient, const struct ref_sgd *sgd) {
    const double g = gradient + sgd->decay * *w;
    *velocity = sgd->first_step ? g : sgd->momentum * *velocity + (1 - sgd->dampening) * g;
    *w -= sgd->rate * (sgd->nesterov ? g + sgd->momentum * *velocity : *velocity);
}
