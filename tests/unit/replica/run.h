// A model beside its replica and its plain reference, with the same parameters, pixels and labels.
#ifndef TEST_REPLICA_RUN_H
#define TEST_REPLICA_RUN_H
#include "nets.h"

#include "reference/reference_network.h"
#include "replica/replica.h"

struct run {
    const struct cnn_model *model;
    struct cnn_backend *backend;
    struct cnn_replica *replica;
    struct ref_network *reference; // of the whole micro-batch
    int micro;
    float **params; // by parameter, as given to both
    uint8_t *pixels;
    int32_t *labels;
};

#define RUN_SMOOTHING 0.1
extern const double run_mean[3], run_std[3];

struct cnn_backend *new_backend(int threads);
struct cnn_replica_options options_for(const struct cnn_model *model, struct cnn_backend *backend, int micro);
// A training replica; `options` may change what options_for says.
struct run *run_create(const struct cnn_model *model, struct cnn_backend *backend, int micro,
                       const struct cnn_replica_options *options);
void run_destroy(struct run *run);
// Gives another replica the run's parameters.
void run_give_params(const struct run *run, struct cnn_replica *replica);
// forward, loss and backward of the replica, as micro-batch 0 or 1 of a step.
void run_step(const struct run *run, int micro);
// The same of the reference; its loss.
double run_reference_step(struct run *run);

// One parameter of an arena, malloc'ed.
float *param_of(struct cnn_replica *replica, const float *arena, const struct cnn_model *model, int param);
// Fails unless each of n values is within `tolerance` of the reference's largest magnitude, or of `floor`.
void expect_near(const char *net, const char *what, const float *got, const double *want, size_t n,
                 double tolerance, double floor);

#endif
