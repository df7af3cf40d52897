// Private to replica/: the object itself.
#ifndef CNN_REPLICA_PRIVATE_H
#define CNN_REPLICA_PRIVATE_H
#include "replica/step.h"

struct cnn_place {   // where a model's parameter is
    int step, index; // parameter number `index` of the step's plan; step -1: fused away nowhere (cannot
                     // happen in training)
    size_t at, count;
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
    float *pairs;    // sums of gradients that wait for others: cnn_replica_pair_levels arenas
    char *arena;     // activations
    bool borrows;    // parameters and arena are another replica's
    char *own_arena; // arena of a borrower that needs more than it could borrow
    float mean[3], std[3];
    double *sums;    // device: loss, top1, top5, n
    int32_t *labels; // host memory the device reads
    int32_t *partners;
    float *weights;
    struct cnn_micro_key key; // of the last forward, for backward
    bool profiling;
    uint64_t profiled; // forward passes
    double input_s, recompute_s;
};

// plan.c
enum cnn_status cnn_replica_plan(struct cnn_replica *replica) CNN_MUST_CHECK; // one plan per step
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
