// A whole network by the plain reference: op by op as the model lists them, nothing fused, every value kept.
#ifndef TESTS_REFERENCE_REFERENCE_NETWORK_H
#define TESTS_REFERENCE_REFERENCE_NETWORK_H
#include "reference.h"

struct ref_network {
    const struct cnn_model *model;
    int n;
    bool training;                // batch norm by the batch's statistics
    double **values, **gradients; // by node
    // By parameter, in the model's layout. d_params of statistics: the batch's mean and unbiased variance.
    double **params, **d_params;
};

// For n samples, with params zero and to be filled in. Dropout passes everything through. Frees with destroy.
struct ref_network *ref_network_create(const struct cnn_model *model, int n, bool training);
void ref_network_destroy(struct ref_network *network);

void ref_network_forward(struct ref_network *network, const uint8_t *pixels, const double *mean,
                         const double *std);
const double *ref_network_logits(const struct ref_network *network);
// The sum of the samples' losses; leaves the logits' gradient, times scale, for backward.
double ref_network_loss(struct ref_network *network, const int32_t *labels, double smoothing, double scale);
void ref_network_backward(struct ref_network *network);

#endif
