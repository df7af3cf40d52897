// A device that computes: memory, copies, the arithmetic of every op, and optimizer updates, behind one const
// table. The table and its ops (ops.h) are for replica/; this header is what everybody else needs.
#ifndef CNN_BACKEND_BACKEND_H
#define CNN_BACKEND_BACKEND_H
#include "config/config.h"
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cnn_backend;
struct cnn_backend_options {
    int threads;                  // compute threads of this process (cpu)
    int local_rank, local_size;   // pick the GPU (cuda)
    enum cnn_precision precision; // what products and activations are computed in
    bool deterministic;           // only algorithms that give the same bits every time (cuda)
    bool recompute; // norms are made again in backward where the backend leaves the choice (cuda)
};
// AUTO: cuda where a GPU and the build allow it, otherwise cpu. CNN_ERR_UNSUPPORTED says what is missing. Not
// collective.
enum cnn_status cnn_backend_create(struct cnn_backend **out, enum cnn_backend_kind kind,
                                   const struct cnn_backend_options *options) CNN_MUST_CHECK;
bool cnn_backend_built(enum cnn_backend_kind kind); // this build has it (not AUTO)
void cnn_backend_destroy(struct cnn_backend *backend);
const char *cnn_backend_name(const struct cnn_backend *backend); // "cpu"
const char *
cnn_backend_description(const struct cnn_backend *backend); // "cpu: oneDNN 2.6.3, AVX2, 2 threads"

// What activations and their gradients are made of. Parameters and their gradients are floats always; where
// products are computed in 16 bits, they read a copy of the parameters (mixed precision: Micikevicius et al.
// 2018).
enum cnn_type { CNN_TYPE_F32, CNN_TYPE_BF16, CNN_TYPE_F16 };
static inline size_t cnn_type_bytes(enum cnn_type type) { return type == CNN_TYPE_F32 ? 4 : 2; }
enum cnn_type cnn_backend_type(const struct cnn_backend *backend);
// Whether the ops read host memory as it is: then inputs need no copy.
bool cnn_backend_is_host(const struct cnn_backend *backend);

// Device memory, 64-byte aligned (on GPUs 256), zeroed; and host memory the device copies fast from (pinned
// where that matters).
enum cnn_status cnn_backend_alloc(struct cnn_backend *backend, void **out, size_t bytes) CNN_MUST_CHECK;
void cnn_backend_free(struct cnn_backend *backend, void *memory);
enum cnn_status cnn_backend_alloc_host(struct cnn_backend *backend, void **out, size_t bytes) CNN_MUST_CHECK;
void cnn_backend_free_host(struct cnn_backend *backend, void *memory);
// The most device memory that was allocated at a time; 0 where that is the host's.
size_t cnn_backend_peak_bytes(const struct cnn_backend *backend);
// Queued in order with the ops; the host side may be reused after synchronize.
enum cnn_status cnn_backend_upload(struct cnn_backend *backend, void *device, const void *host,
                                   size_t bytes) CNN_MUST_CHECK;
enum cnn_status cnn_backend_download(struct cnn_backend *backend, void *host, const void *device,
                                     size_t bytes) CNN_MUST_CHECK;
enum cnn_status cnn_backend_synchronize(struct cnn_backend *backend) CNN_MUST_CHECK;

// Whether ops that were queued are still running. An instant later they may not be.
bool cnn_backend_is_busy(const struct cnn_backend *backend);

// The device as the exchange of gradients sees it (exchange_device.h), to be destroyed before the backend;
// *out is NULL where the arenas are host memory.
struct cnn_exchange_device;
enum cnn_status cnn_backend_exchange_device(struct cnn_exchange_device **out,
                                            struct cnn_backend *backend) CNN_MUST_CHECK;

// Sums n doubles of device memory over all ranks, in order with the ops.
typedef enum cnn_status (*cnn_sum_ranks)(void *context, double *values, size_t n);

// A run of arena elements that the optimizer treats alike.
enum cnn_segment_kind {
    CNN_SEGMENT_DECAY,      // weights: weight decay applies
    CNN_SEGMENT_PLAIN_NORM, // BN scale and shift
    CNN_SEGMENT_PLAIN_BIAS, // biases
    CNN_SEGMENT_STATISTIC,  // BN running statistics; the "gradient" is the sum of the micro-batches'
                            // statistics
};
struct cnn_segment {
    size_t first, n;
    enum cnn_segment_kind kind;
    float statistic_momentum; // STATISTIC only
};

// What changes from step to step, in device memory, so that a recorded step can be run again.
struct cnn_control {
    // Written by the host before each micro-batch.
    uint64_t step, position; // of the run; of the micro-batch's first sample in the epoch: the key of dropout
    float rate;              // learning rate
    float loss_scale;        // multiplies the gradient of the loss, and is taken out again by the update
    uint32_t first_update;   // the velocity holds nothing yet
    // Written by the device; the host reads and clears it between steps.
    uint32_t overflow; // a gradient is not finite: the update changes nothing
    double sums[4];    // loss, top1, top5, n: added to
};

// One fused pass over the arenas. update.h has the formulas (Sutskever et al. 2013; PyTorch's variant of the
// velocity); rate, loss_scale and first_update are the control's. Nothing is changed where it says overflow.
//   g = gradient / loss_scale + decay * w;  v = first_update ? g : momentum * v + (1 - dampening) * g
//   w -= rate * (nesterov ? g + momentum * v : v)
//   STATISTIC: w = (1 - m) * w + m * gradient / micros
struct cnn_sgd {
    float *parameters, *gradients, *velocity; // device arenas, same layout
    void *compute; // 16-bit copy of the parameters, written too; NULL where the backend computes in floats
    const struct cnn_control *control;
    const struct cnn_segment *segments; // host memory that stays as it is while the backend lives
    size_t n_segments;
    float momentum, dampening;
    float decay[3]; // by segment kind DECAY, PLAIN_NORM, PLAIN_BIAS
    int micros;     // micro-batches summed into the statistics, over all ranks
    bool nesterov;
};
enum cnn_status cnn_backend_sgd(struct cnn_backend *backend, const struct cnn_sgd *sgd) CNN_MUST_CHECK;
// Sets control->overflow where one of n values is infinite or NaN; leaves it as it is otherwise.
enum cnn_status cnn_backend_check_finite(struct cnn_backend *backend, const float *values, size_t n,
                                         struct cnn_control *control) CNN_MUST_CHECK;

// Recording: what is queued between begin and end is kept instead of run, and can then be run any number of
// times with one call, as long as its memory stays. Only inputs and the control may change in between.
struct cnn_recording;
bool cnn_backend_can_record(const struct cnn_backend *backend);
enum cnn_status cnn_backend_record_begin(struct cnn_backend *backend) CNN_MUST_CHECK;
// Ends the recording in any case; *out only where it succeeds.
enum cnn_status cnn_backend_record_end(struct cnn_backend *backend,
                                       struct cnn_recording **out) CNN_MUST_CHECK;
enum cnn_status cnn_backend_replay(struct cnn_backend *backend,
                                   struct cnn_recording *recording) CNN_MUST_CHECK;
void cnn_recording_destroy(struct cnn_backend *backend, struct cnn_recording *recording); // accepts NULL

#endif
