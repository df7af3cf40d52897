// One executable copy of a model on one backend: fused, planned and laid out once, then run without
// allocating.
#ifndef CNN_REPLICA_REPLICA_H
#define CNN_REPLICA_REPLICA_H
#include "backend/backend.h"
#include "model/model.h"

struct cnn_replica;
struct cnn_replica_options {
    const struct cnn_model *model; // borrowed
    struct cnn_backend *backend;   // borrowed
    int micro_batch;
    bool training;          // false: running statistics, no gradients
    int micros;             // micro-batches of a step whose gradients are added up; 0 counts as 1
    struct cnn_replica *of; // evaluation only, may be NULL: a training replica whose parameters (and idle
                            // memory) this one borrows
    double label_smoothing; // Szegedy et al. 2016
    double mean[3], std[3]; // of pixels scaled to 0..1, taken out of the uint8 input
    uint64_t seed;          // dropout
    // With sync_norm, batch norm's statistics are those of the micro-batches of `ranks` ranks, summed by
    // `sum`.
    bool sync_norm;
    cnn_sum_ranks sum;
    void *sum_context;
    int ranks;
};
// Fuses, plans every op and the memory. CNN_ERR_UNSUPPORTED names the layer a backend cannot run;
// CNN_ERR_MEMORY says how much was needed. Not collective.
enum cnn_status cnn_replica_create(struct cnn_replica **out,
                                   const struct cnn_replica_options *options) CNN_MUST_CHECK;
void cnn_replica_destroy(struct cnn_replica *replica);

// The arenas: `count` floats of device memory each, the same layout; gradients lie in the order backward
// finishes them.
size_t cnn_replica_count(const struct cnn_replica *replica);
float *cnn_replica_parameters(struct cnn_replica *replica);
float *cnn_replica_gradients(struct cnn_replica *replica);         // NULL unless training
void *cnn_replica_compute_parameters(struct cnn_replica *replica); // the 16-bit copy; NULL without one
const struct cnn_segment *cnn_replica_segments(const struct cnn_replica *replica, size_t *out_n);

// One parameter of the model in its plain layout (cnn_param_count floats on the host), out of or into an
// arena laid out like the parameters (parameters, gradients, velocity). Synchronous.
enum cnn_status cnn_replica_get(struct cnn_replica *replica, const float *arena, int param,
                                float *out) CNN_MUST_CHECK;
enum cnn_status cnn_replica_set(struct cnn_replica *replica, float *arena, int param,
                                const float *values) CNN_MUST_CHECK;
// A checksum of where parameters lie in the arenas: where two are the same, gradients may be added up as they
// lie. Writes over the parameters. Not collective.
enum cnn_status cnn_replica_layout(struct cnn_replica *replica, uint32_t *out) CNN_MUST_CHECK;
// Fills every parameter by cnn_param_init.
enum cnn_status cnn_replica_init(struct cnn_replica *replica, uint64_t seed) CNN_MUST_CHECK;
// To be called after parameters were set, or changed under an evaluation replica: makes again what is derived
// from them (16-bit copies, BN folded into convolutions). An update does it for its own replica.
enum cnn_status cnn_replica_refresh(struct cnn_replica *replica) CNN_MUST_CHECK;

// Where a micro-batch stands, so that dropout is the same on any number of ranks.
struct cnn_micro_key {
    uint64_t step;     // of the run
    uint64_t position; // of its first sample, in the epoch
};
// What the next updates are made with, and the factor of the loss's gradient (1 without scaling).
struct cnn_update_values {
    float rate, loss_scale;
    bool first; // the optimizer has made no update yet
};
void cnn_replica_set_update(struct cnn_replica *replica, struct cnn_update_values values);
// The device's control block, for the optimizer.
struct cnn_control *cnn_replica_control(struct cnn_replica *replica);

// pixels: host, n x H x W x C uint8, n <= micro_batch (fewer only in evaluation). They may be overwritten
// once the loss was taken (replica on the host) or this returns.
enum cnn_status cnn_replica_forward(struct cnn_replica *replica, const uint8_t *pixels, int n,
                                    struct cnn_micro_key key) CNN_MUST_CHECK;
// What n samples ought to be (host). Where pictures are mixtures of two, sample i is labels[i] with weight
// weights[i] and partners[i] with the rest; otherwise partners and weights are NULL.
struct cnn_targets {
    const int32_t *labels, *partners;
    const float *weights;
};
// Softmax cross-entropy of the last forward against the targets. Adds to the metrics; in training, leaves the
// logits' gradient times `scale` (1 / global batch) for backward.
enum cnn_status cnn_replica_loss(struct cnn_replica *replica, const struct cnn_targets *targets, int n,
                                 float scale) CNN_MUST_CHECK;
// `n_ready`: the first n_ready gradients of the arena are final.
typedef void (*cnn_gradients_ready)(void *context, size_t n_ready);
// Of micro-batch `micro` (0 .. micros - 1) of a step; after the last one the gradients are the sums of all.
// Sums are made in pairs, pairs of pairs and so on, like those over ranks (comm/fold.h): cut over any number
// of ranks, a step sums in the same order, as long as each rank's micro-batches are a power of two. on_ready,
// if not NULL, is called in the last one only.
enum cnn_status cnn_replica_backward(struct cnn_replica *replica, int micro, cnn_gradients_ready on_ready,
                                     void *context) CNN_MUST_CHECK;

// The same three in parts that can be recorded (backend.h) and run ahead: `load` queues the copy of the next
// micro-batch (all of it; the host's memory stays as it is until `loaded`), `begin` makes it current,
// `compute` is forward, loss and backward of it. One may be loaded while another is computed.
enum cnn_status cnn_replica_load(struct cnn_replica *replica, const uint8_t *pixels,
                                 const struct cnn_targets *targets, int n) CNN_MUST_CHECK;
// Waits until the host's memory of what was loaded is free again.
enum cnn_status cnn_replica_loaded(struct cnn_replica *replica) CNN_MUST_CHECK;
enum cnn_status cnn_replica_begin(struct cnn_replica *replica, struct cnn_micro_key key) CNN_MUST_CHECK;
enum cnn_status cnn_replica_compute(struct cnn_replica *replica, int micro, float scale,
                                    cnn_gradients_ready on_ready, void *context) CNN_MUST_CHECK;

// Sums over samples since the last call (or create); reading resets them. Synchronises.
struct cnn_metrics {
    double loss; // sum over samples, label smoothing included in training
    uint64_t top1, top5, n;
    bool overflow; // gradients that were checked were not finite
};
enum cnn_status cnn_replica_metrics(struct cnn_replica *replica, struct cnn_metrics *out) CNN_MUST_CHECK;
// The logits of the last forward: n x classes floats on the host. Synchronous.
enum cnn_status cnn_replica_logits(struct cnn_replica *replica, float *out, int n) CNN_MUST_CHECK;

// What the plan takes, in bytes, for the banner.
struct cnn_replica_memory {
    size_t parameters, gradients, activations, scratch, inputs, total;
    size_t activations_unshared; // what the activations would take without reuse
};
struct cnn_replica_memory cnn_replica_memory(const struct cnn_replica *replica);
// How each step (a layer and what is fused into it) is computed, in the order they run.
struct cnn_replica_form {
    const char *layer, *kernel, *implementation; // "layer1.0.conv1", "conv", "cudnn fwd engine 5, ..."
};
int cnn_replica_n_forms(const struct cnn_replica *replica);
struct cnn_replica_form cnn_replica_form(const struct cnn_replica *replica, int i);
// One line each. *out is malloc'ed text that ends with a newline.
enum cnn_status cnn_replica_forms_text(const struct cnn_replica *replica, char **out) CNN_MUST_CHECK;

// Time spent per op in forward and backward since create, when profiling was switched on. *out is malloc'ed
// text.
void cnn_replica_profile(struct cnn_replica *replica, bool on);
bool cnn_replica_is_profiled(const struct cnn_replica *replica);
enum cnn_status cnn_replica_profile_text(const struct cnn_replica *replica, char **out) CNN_MUST_CHECK;

#endif
