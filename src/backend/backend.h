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
    int threads;    // compute threads of this process (cpu)
    int local_rank; // picks the GPU (cuda)
    enum cnn_precision precision;
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

// Device memory, 64-byte aligned, zeroed; and host memory the device copies fast from (pinned where that
// matters).
enum cnn_status cnn_backend_alloc(struct cnn_backend *backend, void **out, size_t bytes) CNN_MUST_CHECK;
void cnn_backend_free(struct cnn_backend *backend, void *memory);
enum cnn_status cnn_backend_alloc_host(struct cnn_backend *backend, void **out, size_t bytes) CNN_MUST_CHECK;
void cnn_backend_free_host(struct cnn_backend *backend, void *memory);
// Queued in order with the ops; the host side may be reused after synchronize.
enum cnn_status cnn_backend_upload(struct cnn_backend *backend, void *device, const void *host,
                                   size_t bytes) CNN_MUST_CHECK;
enum cnn_status cnn_backend_download(struct cnn_backend *backend, void *host, const void *device,
                                     size_t bytes) CNN_MUST_CHECK;
enum cnn_status cnn_backend_synchronize(struct cnn_backend *backend) CNN_MUST_CHECK;

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

// One fused pass over the arenas. update.h has the formulas (Sutskever et al. 2013; PyTorch's variant of the
// velocity).
//   g = gradient + decay * w;  v = first_step ? g : momentum * v + (1 - dampening) * g
//   w -= rate * (nesterov ? g + momentum * v : v)
//   STATISTIC: w = (1 - m) * w + m * gradient / micros
struct cnn_sgd {
    float *parameters, *gradients, *velocity; // device arenas, same layout
    const struct cnn_segment *segments;
    size_t n_segments;
    float rate, momentum, dampening;
    float decay[3];       // by segment kind DECAY, PLAIN_NORM, PLAIN_BIAS
    float gradient_scale; // multiplies every gradient first (not statistics)
    int micros;           // micro-batches summed into the statistics, over all ranks
    bool nesterov, first_step;
};
enum cnn_status cnn_backend_sgd(struct cnn_backend *backend, const struct cnn_sgd *sgd) CNN_MUST_CHECK;

#endif
