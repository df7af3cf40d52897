// Private to replica/: a network as fused steps, and the values and buffers between them.
#ifndef CNN_REPLICA_STEP_H
#define CNN_REPLICA_STEP_H
#include "backend/ops.h"
#include "replica/replica.h"

// A value is named by the model node that ends the step that makes it.
struct cnn_step {
    struct cnn_kernel_desc desc;
    const struct cnn_kernel_ops *ops;
    struct cnn_plan *plan;
    int in[2], out;                              // values
    int params[CNN_KERNEL_MAX_PARAMS], n_params; // of the model
    size_t param_at[CNN_KERNEL_MAX_PARAMS];      // in the arenas
    size_t ready;                                // gradients that are final once this step's backward is done
    bool recompute;                              // its output is made again in backward instead of being kept
    void *constants;
    struct cnn_kernel_io forward, backward, again; // pointers, resolved once
    double forward_s, backward_s;
};

// A stretch of the activation arena that is taken from `first` to `last` (times of memory.h).
struct cnn_buffer {
    size_t bytes, offset;
    int first, last;
};

struct cnn_value {
    struct cnn_tensor tensor;
    int producer;                  // step, -1: the input
    int buffer, again;             // of its data in forward, and in backward where it is recomputed (else -1)
    int gradients[2], n_gradients; // buffers of what its consumers gave; further ones are added to the first
    int kept;                      // how many the producer sums itself: 1 or 2
};

// After the backward of `step`: buffer `from` is added to buffer `into`.
struct cnn_addition {
    int step, into, from;
    size_t count;
    enum cnn_type type;
};
// Before the backward of `step`: the output of `what` is made again.
struct cnn_recomputation {
    int step, what;
};

struct cnn_graph {
    const struct cnn_model *model;
    bool training;
    struct cnn_step *steps;
    int n_steps;
    struct cnn_value *values; // by node
    int input, output;        // values
    struct cnn_buffer *buffers;
    int n_buffers, *workspaces; // workspaces: buffer of each step or -1
    int (*d_in)[2];             // buffers each step's input gradients are written to, or -1
    int scratch;                // buffer
    struct cnn_addition *additions;
    int n_additions;
    struct cnn_recomputation *recomputations;
    int n_recomputations;
    size_t arena_bytes, unshared_bytes, scratch_bytes;
};

// fuse.c: the model's nodes as steps, in an order that can be run.
enum cnn_status cnn_graph_fuse(struct cnn_graph *graph, const struct cnn_model *model,
                               bool training) CNN_MUST_CHECK;
// memory.c: decides what is recomputed, when each buffer lives and where it lies.
enum cnn_status cnn_graph_place(struct cnn_graph *graph) CNN_MUST_CHECK;
void cnn_graph_finish(struct cnn_graph *graph);

#endif
