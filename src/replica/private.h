// Private to replica/: the object itself.
#ifndef CNN_REPLICA_PRIVATE_H
#define CNN_REPLICA_PRIVATE_H
#include "replica/step.h"

struct cnn_place {   // where a model's parameter is
    int step, index; // parameter number `index` of the step's plan; step -1: fused away nowhere (cannot
                     // happen in training)
    size_t at, count;
};

// The micro-batch that is computed, where the device reads it.
struct cnn_replica_inputs {
    const uint8_t *pixels;
    struct cnn_targets targets;
    int n;
    char *memory; // of a device that does not read the host's: pixels, labels, partners, weights
    size_t labels_at, partners_at, weights_at, bytes;
    float *ones; // host: weights of pictures that are no mixtures
};

struct cnn_replica {
    struct cnn_replica_options options;
    const struct cnn_model *model;
    struct cnn_backend *backend;
    struct cnn_graph graph;
    struct cnn_place *places; // by parameter of the model
    struct cnn_segment *segments;
    size_t n_segments, count;
    float *parameters, *gradients;
    void *compute;   // the parameters in the backend's 16-bit type; NULL where that is floats
    float *pairs;    // sums of gradients that wait for others: cnn_replica_pair_levels arenas
    char *arena;     // activations
    bool borrows;    // parameters and arena are another replica's
    char *own_arena; // arena of a borrower that needs more than it could borrow
    float mean[3], std[3];
    struct cnn_replica_inputs inputs;
    struct cnn_control *control;       // device
    struct cnn_control *host_controls; // host memory that is copied from: one for each micro-batch under way
    int next_control;
    struct cnn_update_values update;
    bool profiling;
    uint64_t profiled; // forward passes
    double input_s, recompute_s;
};

// ---- forms.c
const char *cnn_kernel_name(enum cnn_kernel kernel); // "conv"

// ---- inputs.c
enum cnn_status cnn_replica_create_inputs(struct cnn_replica *r) CNN_MUST_CHECK;
void cnn_replica_destroy_inputs(struct cnn_replica *r);
enum cnn_status cnn_replica_load_pixels(struct cnn_replica *r, const uint8_t *pixels, int n) CNN_MUST_CHECK;
enum cnn_status cnn_replica_load_targets(struct cnn_replica *r, const struct cnn_targets *targets,
                                         int n) CNN_MUST_CHECK;
// What was staged has been read by the ops queued so far.
enum cnn_status cnn_replica_used(struct cnn_replica *r) CNN_MUST_CHECK;

// ---- plan.c
// One plan per step.
enum cnn_status cnn_replica_plan(struct cnn_replica *replica) CNN_MUST_CHECK;
enum cnn_status
cnn_replica_lay_out(struct cnn_replica *replica) CNN_MUST_CHECK; // parameters: places, segments, count
void cnn_replica_bind(struct cnn_replica *replica);              // pointers of every step
size_t cnn_replica_constant_bytes(const struct cnn_replica *replica);

// ---- pairs.c
int cnn_replica_pair_levels(const struct cnn_replica *r);
// After backward of a micro-batch that is not the step's last.
enum cnn_status cnn_replica_keep_pair(struct cnn_replica *r, int micro) CNN_MUST_CHECK;
// Gradients [from, to) of the last micro-batch become those of the step.
enum cnn_status cnn_replica_add_pairs(struct cnn_replica *r, size_t from, size_t to) CNN_MUST_CHECK;

#endif
