// What the replica asks of a backend: one {plan, forward, backward} per kernel, a kernel being an op after
// fusion. A plan is made once; running it allocates nothing. Parameter gradients replace or accumulate, input
// gradients replace.
#ifndef CNN_BACKEND_OPS_H
#define CNN_BACKEND_OPS_H
#include "backend/backend.h"
#include "model/model.h"

// A batch of activations: [n][ceil(c / block)][h][w][block] elements; channels past c in the last block hold
// zeros. block 1 is NCHW, block c is NHWC. A vector is h = w = block = 1... c values a row.
struct cnn_tensor {
    int n, h, w, c, block;
    enum cnn_type type;
};
static inline size_t cnn_tensor_channels(const struct cnn_tensor *t) {
    return ((size_t)t->c + (size_t)t->block - 1) / (size_t)t->block * (size_t)t->block;
}
static inline size_t cnn_tensor_count(const struct cnn_tensor *t) {
    return (size_t)t->n * (size_t)t->h * (size_t)t->w * cnn_tensor_channels(t);
}
static inline size_t cnn_tensor_bytes(const struct cnn_tensor *t) {
    return cnn_tensor_count(t) * cnn_type_bytes(t->type);
}

enum cnn_kernel {
    CNN_KERNEL_CONV, // [+ bias] [+ relu]; in inference also a folded batch norm and [+ residual]
    CNN_KERNEL_NORM, // batch norm by batch statistics [+ residual] [+ relu]; in inference by running
                     // statistics
    CNN_KERNEL_MAX_POOL,
    CNN_KERNEL_AVG_POOL,
    CNN_KERNEL_ADAPTIVE_AVG_POOL,
    CNN_KERNEL_LINEAR, // [+ bias] [+ relu]
    CNN_KERNEL_ADD,    // [+ relu]
    CNN_KERNEL_RELU,
    CNN_KERNEL_DROPOUT,
    CNN_N_KERNELS
};

#define CNN_KERNEL_MAX_PARAMS 6

struct cnn_kernel_desc {
    enum cnn_kernel kernel;
    const struct cnn_node *node; // attributes; the convolution's where a norm is folded into it
    const struct cnn_node *norm; // CONV in inference: the batch norm folded in; otherwise NULL
    struct cnn_tensor in[2];     // in[1]: residual (NORM, CONV) or second summand (ADD)
    int n_in;
    bool from_pixels; // in[0] is the picture: its block is 0, for the plan to choose, and it gets no gradient
    bool accumulates; // backward will be run with accumulate
    const struct cnn_plan
        *like;              // a plan of the same node whose parameter layout this one must use; may be NULL
    struct cnn_shape shape; // of the output
    enum cnn_type out_type; // of the output: the backend's, floats where the network ends
    bool sync;              // NORM: statistics of the micro-batches of all ranks (run.sum)
    bool training, relu;
    bool relu_backward;  // false where the consumer takes relu's mask over (max pool, convolution)
    bool mask_by_output; // MAX_POOL: the pooled gradient is masked by output > 0 for the relu before it
    bool mask_by_input;  // CONV: the input's gradient is masked by input > 0 for the relu before it
    bool wants_moments;  // CONV: a batch norm by batch statistics reads the output
    uint64_t seed;       // DROPOUT
    uint32_t layer;      // DROPOUT: index that tells layers apart
};

// What a plan says of itself for fusion and the memory plan; filled by plan_create, first member of every
// plan.
struct cnn_plan {
    struct cnn_kernel_desc desc;
    struct cnn_tensor in, out; // layouts agreed on
    size_t workspace_bytes;    // lives from forward to backward
    size_t scratch_bytes;      // lives during a call; shared by all plans
    size_t constant_bytes;     // plan's own device memory (folded weights), filled by refresh
    int n_params;              // node's parameters, then norm's
    size_t param_counts[CNN_KERNEL_MAX_PARAMS]; // floats each takes in the arenas
    bool reads_in, reads_out;                   // backward looks at the forward's in[0], out
    bool recomputable;  // forward may be repeated in backward by `recompute` from in[0], in[1] and the
                        // workspace
    int in_place;       // backward writes d_in[in_place] over d_out[0]; -1: it may not
    bool over_input;    // backward may write d_in[0] over in[0]
    int max_gradients;  // gradients of the output backward can sum by itself (1 or 2)
    bool gives_moments; // forward leaves the output's moments (below) at the beginning of the workspace
    const char *implementation; // for profiles and error messages
};

// A tensor's moments: the sums of its channels' values, c floats, and of their squares, c floats that begin
// so many behind them.
static inline size_t cnn_moments_row(const struct cnn_tensor *t) { return ((size_t)t->c + 63) / 64 * 64; }

// Tensors are of their type; a gradient is of its tensor's type.
struct cnn_kernel_io {
    const void *in[2];
    const float *moments; // NORM: of in[0], by the kernel that made it; NULL: they are to be found
    void *out;
    const float *params[CNN_KERNEL_MAX_PARAMS];
    const void *compute[CNN_KERNEL_MAX_PARAMS]; // the same in the backend's type, element by element
    void *workspace, *scratch, *constants;
    // backward
    void *d_out[2]; // d_out[1] NULL unless summed here; both are the plan's to overwrite
    void *d_in[2];  // NULL: not wanted; d_in[1]: residual's
    float *d_params[CNN_KERNEL_MAX_PARAMS];
};
struct cnn_kernel_run {
    bool accumulate;                   // parameter gradients
    const struct cnn_control *control; // device memory
    cnn_sum_ranks sum;                 // of kernels that are synchronised over ranks
    void *sum_context;
    int ranks; // that take part in it
};

struct cnn_kernel_ops {
    enum cnn_status (*plan_create)(struct cnn_plan **out, struct cnn_backend *backend,
                                   const struct cnn_kernel_desc *desc);
    enum cnn_status (*forward)(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                               const struct cnn_kernel_run *run);
    enum cnn_status (*backward)(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                const struct cnn_kernel_run *run);
    enum cnn_status (*recompute)(struct cnn_plan *plan,
                                 const struct cnn_kernel_io *io); // NULL unless recomputable
    enum cnn_status (*refresh)(struct cnn_plan *plan,
                               const struct cnn_kernel_io *io); // constants from params; may be NULL
    // One parameter between plain host layout and the arena's device layout.
    enum cnn_status (*param_set)(struct cnn_plan *plan, int param, float *arena, const float *values);
    enum cnn_status (*param_get)(struct cnn_plan *plan, int param, const float *arena, float *values);
    void (*plan_destroy)(struct cnn_plan *plan);
};

// Accumulated on the device, read once a step.
struct cnn_loss_args {
    const float *logits;   // n x classes
    float *d_logits;       // NULL in inference
    const int32_t *labels; // device memory, n
    // Of pictures that are a mixture of two, NULL otherwise; memory like the labels': sample i has label
    // labels[i] with weight weights[i] and partners[i] with the rest. A hit is of the weightier one.
    const int32_t *partners;
    const float *weights;
    int n, rows, classes;        // rows: of the micro-batch; d_logits rows past n become 0
    float smoothing, scale;      // d_logits is scaled by this and the control's loss_scale
    struct cnn_control *control; // its sums are added to
};

struct cnn_backend_ops {
    const char *name;
    // Whether this machine has a device that works; otherwise `why` says what is wrong with it, or is ""
    // where there is none to speak of. NULL: always.
    bool (*is_usable)(const struct cnn_backend_options *options, char *why, size_t bytes);
    enum cnn_status (*create)(struct cnn_backend **out, const struct cnn_backend_options *options);
    void (*destroy)(struct cnn_backend *backend);
    enum cnn_status (*alloc)(struct cnn_backend *backend, void **out, size_t bytes);
    void (*free)(struct cnn_backend *backend, void *memory);
    enum cnn_status (*alloc_host)(struct cnn_backend *backend, void **out, size_t bytes);
    void (*free_host)(struct cnn_backend *backend, void *memory);
    enum cnn_status (*upload)(struct cnn_backend *backend, void *device, const void *host, size_t bytes);
    enum cnn_status (*download)(struct cnn_backend *backend, void *host, const void *device, size_t bytes);
    enum cnn_status (*synchronize)(struct cnn_backend *backend);
    bool (*is_busy)(const struct cnn_backend *backend); // NULL: never, ops run while they are queued
    // Inputs, on a way beside the ops; all four NULL where the ops read host memory. `stage` copies once what
    // was marked used has been read; ops queued after stage_wait see what was staged; stage_used marks all of
    // it as read by the ops queued so far, and may be recorded.
    enum cnn_status (*stage)(struct cnn_backend *backend, void *device, const void *host, size_t bytes);
    enum cnn_status (*stage_wait)(struct cnn_backend *backend);
    enum cnn_status (*stage_used)(struct cnn_backend *backend);
    enum cnn_status (*stage_finish)(struct cnn_backend *backend); // waits until the host's memory was read
    // All four NULL where a backend cannot record.
    enum cnn_status (*record_begin)(struct cnn_backend *backend);
    enum cnn_status (*record_end)(struct cnn_backend *backend, struct cnn_recording **out);
    enum cnn_status (*replay)(struct cnn_backend *backend, struct cnn_recording *recording);
    void (*recording_destroy)(struct cnn_recording *recording);
    const struct cnn_kernel_ops *kernels[CNN_N_KERNELS]; // NULL: not supported on this backend
    // uint8 n x h x w x c pixels in device memory -> (pixel / 255 - mean) / std in `to`'s layout and type;
    // rows past n become 0.
    enum cnn_status (*normalize)(struct cnn_backend *backend, void *out, const struct cnn_tensor *to,
                                 const uint8_t *pixels, int n, const float mean[3], const float std[3]);
    enum cnn_status (*loss)(struct cnn_backend *backend, const struct cnn_loss_args *args);
    enum cnn_status (*add)(struct cnn_backend *backend, enum cnn_type type, void *into, const void *values,
                           size_t n); // into += values
    enum cnn_status (*copy)(struct cnn_backend *backend, float *to, const float *from, size_t n);
    // To the backend's 16-bit type; not called where that is floats.
    enum cnn_status (*narrow)(struct cnn_backend *backend, void *to, const float *from, size_t n);
    enum cnn_status (*check_finite)(struct cnn_backend *backend, const float *values, size_t n,
                                    struct cnn_control *control);
    enum cnn_status (*sgd)(struct cnn_backend *backend, const struct cnn_sgd *sgd);
    // Device memory left for others, in bytes; NULL where the system alone knows.
    enum cnn_status (*memory_left)(struct cnn_backend *backend, size_t *out);
    size_t (*peak_bytes)(const struct cnn_backend *backend); // NULL likewise
    // NULL: the arenas are host memory.
    enum cnn_status (*exchange_device)(struct cnn_exchange_device **out, struct cnn_backend *backend);
};

// First member of every backend.
struct cnn_backend {
    const struct cnn_backend_ops *ops;
    char description[256];
    enum cnn_type type; // of activations
};

extern const struct cnn_backend_ops cnn_backend_cpu;

// By enum cnn_backend_kind; NULL where this build has none, and for AUTO.
#define CNN_N_BACKENDS 3
extern const struct cnn_backend_ops *const cnn_backends[CNN_N_BACKENDS];

#endif
