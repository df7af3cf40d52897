// Threads that turn records into whole batches, delivered in order, a bounded number ahead.
// What a batch holds is a function of (seed, epoch, position) only, never of ranks, threads or timing.
#ifndef CNN_DATA_LOADER_H
#define CNN_DATA_LOADER_H
#include "data/dataset.h"
#include "data/sampler.h"

struct cnn_batch {
    uint8_t *pixels;      // capacity x h x w x c
    int32_t *labels;      // capacity
    uint64_t *ids;        // capacity: record's id in its source
    int n, capacity, h, w, c; // n < capacity only for the last batch of an evaluation
    uint64_t epoch, step; // step of the epoch
    uint64_t position;    // in the epoch, of pixel row 0
};

struct cnn_loader_options {
    const struct cnn_dataset *dataset;         // borrowed
    const struct cnn_augment_list *augment;    // borrowed during create
    int channels;                              // 1 or 3
    int threads;                               // >= 1
    int ahead;                                 // batches ready or in the making, >= 1
    int64_t max_bad;                           // records of an epoch that may fail (replaced by a keyed other one, counted, logged)
    bool evaluation;                           // every record exactly once, in order: rank r takes batches r, r+R, r+2R, ...; the last may be short
    struct cnn_sampler sampler;                // evaluation uses micro, rank, size, n_records only
    // Where batch memory comes from (pinned memory of a device); NULL: host memory. free gets what alloc gave.
    void *(*alloc)(void *context, size_t bytes);
    void (*free)(void *context, void *memory);
    void *memory_context;
};

struct cnn_loader;
enum cnn_status cnn_loader_create(struct cnn_loader **out, const struct cnn_loader_options *options) CNN_MUST_CHECK;
void cnn_loader_destroy(struct cnn_loader *loader); // at any time, also mid-epoch
void cnn_loader_output(const struct cnn_loader *loader, int *out_h, int *out_w, int *out_c);

// Begins at step `step` of `epoch` and runs on through the following epochs by itself (training), or one pass (evaluation).
// Drops what was being prepared.
enum cnn_status cnn_loader_start(struct cnn_loader *loader, uint64_t epoch, uint64_t step) CNN_MUST_CHECK;

// The next batch in order, waiting for it if need be; *waited_s (may be NULL) is increased by the time waited. *out is
// NULL at the end of an evaluation pass. Valid until cnn_loader_release. Not collective.
enum cnn_status cnn_loader_next(struct cnn_loader *loader, struct cnn_batch **out, double *waited_s) CNN_MUST_CHECK;
void cnn_loader_release(struct cnn_loader *loader, struct cnn_batch *batch);

// Records that failed and were replaced since create, and seconds the threads spent per stage (for `bench loader`).
struct cnn_loader_stats {
    uint64_t records, bad_records, bytes_read;
    double read_s, decode_s;
    double queue_mean; // mean number of ready batches seen by cnn_loader_next
};
struct cnn_loader_stats cnn_loader_stats(const struct cnn_loader *loader);

#endif
