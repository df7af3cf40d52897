// Threads that turn records into whole batches, delivered in order, a bounded number ahead.
// What a batch holds is a function of (seed, epoch, position) only, never of ranks, threads or timing.
// Where records come slowly, those of a thread's next few rows are asked for at once.
// A loader belongs to one thread: all calls on it come from there. Not collective.
#ifndef CNN_DATA_LOADER_H
#define CNN_DATA_LOADER_H
#include "data/dataset.h"
#include "data/mix.h"
#include "data/sampler.h"

struct cnn_batch {
    uint8_t *pixels; // capacity x h x w x c; rows from n on are zero
    int32_t *labels; // capacity
    uint64_t *ids;   // capacity: record's id in its source
    // Where pictures are mixed, NULL otherwise: row i is of labels[i] with weight weights[i], of partners[i]
    // with the rest.
    int32_t *partners;
    float *weights;
    int n, capacity, h, w, c; // n < capacity only in an evaluation: the last batch, and where records failed
    int n_bad;                // records of this batch that failed
    uint64_t epoch, step;     // step of the epoch; in an evaluation, number of this rank's batch
    uint64_t position;        // in the epoch, of pixel row 0
};

struct cnn_loader_options {
    const struct cnn_dataset *dataset;      // borrowed
    const struct cnn_augment_list *augment; // borrowed during create
    int channels;                           // 1 or 3
    int threads;                            // >= 1
    int ahead; // batches ready or in the making, >= 1, besides the one that is held
    // Records that may fail in an epoch, of those that this rank reads, since start (the caller adds up what
    // the ranks' batches say). Each is named in the log once. In training a keyed other record takes its
    // place; an evaluation leaves it out, so that no record counts twice.
    int64_t max_bad;
    // The ranks of this host together read every record: CNN_SHUFFLE_WINDOW then has the next window read
    // while one is used.
    bool whole_windows;
    struct cnn_mix mix; // training only; all 0: pictures stay as they are
    // Every record exactly once, in order: rank r takes batches r, r+R, r+2R, ...; the last may be short.
    bool evaluation;
    struct cnn_sampler sampler; // evaluation uses micro, rank, size, n_records only
    // Where batch memory comes from (pinned memory of a device); NULL: host memory. free gets what alloc
    // gave.
    void *(*alloc)(void *context, size_t bytes);
    void (*free)(void *context, void *memory);
    void *memory_context;
};

struct cnn_loader;
// Takes all memory (ahead + 1 batches) and starts the threads, which wait for cnn_loader_start.
enum cnn_status cnn_loader_create(struct cnn_loader **out,
                                  const struct cnn_loader_options *options) CNN_MUST_CHECK;
void cnn_loader_destroy(struct cnn_loader *loader); // at any time, also mid-epoch; ends batches that are held
void cnn_loader_output(const struct cnn_loader *loader, int *out_h, int *out_w, int *out_c);
size_t cnn_loader_bytes(const struct cnn_loader *loader); // memory of all batches

// Begins at step `step` of `epoch` and runs on through the following epochs by itself (training), or one pass
// from this rank's batch `step` on (evaluation). Drops what was being prepared; batches that are held stay
// valid until released.
enum cnn_status cnn_loader_start(struct cnn_loader *loader, uint64_t epoch, uint64_t step) CNN_MUST_CHECK;

// The next batch in order, waiting for it if need be; *waited_s (may be NULL) is increased by the time
// waited. *out is NULL at the end of an evaluation pass. Valid until cnn_loader_release; at most `ahead`
// batches may be held at a time. CNN_ERR_FAILED where more than max_bad records of the epoch failed; after an
// error only start and destroy do anything.
enum cnn_status cnn_loader_next(struct cnn_loader *loader, struct cnn_batch **out,
                                double *waited_s) CNN_MUST_CHECK;
void cnn_loader_release(struct cnn_loader *loader, struct cnn_batch *batch); // accepts NULL

// Records that failed and were replaced since create, and seconds the threads spent per stage (for `bench
// loader`).
struct cnn_loader_stats {
    uint64_t records, bad_records, bytes_read;
    double read_s, decode_s, augment_s; // augment: resampling and everything else done to pixels
    double queue_mean;                  // mean number of ready batches seen by cnn_loader_next
};
struct cnn_loader_stats cnn_loader_stats(const struct cnn_loader *loader);

#endif
