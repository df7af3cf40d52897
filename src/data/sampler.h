// How an epoch is cut into steps, ranks and micro-batches, and the rules that its order follows: pure
// functions. What needs to know the dataset (shards, classes) is in data/order.h.
#ifndef CNN_DATA_SAMPLER_H
#define CNN_DATA_SAMPLER_H
#include "config/config.h"
#include <cnn_dist/status.h>
#include <stdint.h>

// A step takes `global` positions of the epoch, cut into global/micro micro-batches; rank r of R runs the
// micro-batches r*k .. r*k+k-1 of each step, k = global / micro / R. The tail of an epoch that does not fill
// a step is left out (other records each epoch, as the order changes).
struct cnn_sampler {
    uint64_t n_records, seed;
    enum cnn_shuffle shuffle;
    enum cnn_sampling sampling;
    int window;  // shards mixed at a time, CNN_SHUFFLE_WINDOW only
    int repeats; // times a record comes in a step; 0 is 1
    int global, micro, rank, size;
};
// Checks that the cut comes out even: size divides global/micro, micro and repeats divide global, n_records
// >= global; and that the order is one we have. CNN_ERR_INPUT says which numbers would do. Not collective.
enum cnn_status cnn_sampler_check(const struct cnn_sampler *sampler) CNN_MUST_CHECK;
uint64_t cnn_sampler_steps(const struct cnn_sampler *sampler); // per epoch
// Records that an epoch (data.repeats epochs together) leaves out because n_records is not a multiple of
// `global`. 0 with class_balanced sampling, whose epochs do not go through all records in any case.
uint64_t cnn_sampler_left_out(const struct cnn_sampler *sampler);
int cnn_sampler_micros(const struct cnn_sampler *sampler); // of this rank per step
// The record, 0..n_records-1, at `position` < n_records of the epoch where the order is that of
// CNN_SHUFFLE_FULL or NONE, sampling is uniform and nothing repeats: a permutation of all records for every
// epoch.
uint64_t cnn_sampler_record(const struct cnn_sampler *sampler, uint64_t epoch, uint64_t position);
// Repeated augmentation. A step has global / repeats places; its row q shows place q % (global / repeats),
// for the (q / (global / repeats))-th time, so that the same pictures lie as far apart as they can. The
// places of `repeats` epochs together go once through one order: `epoch` and `place` in it. Without repeats
// these are the epoch and the position themselves. (Hoffer et al., "Augment your batch", CVPR 2020.)
struct cnn_sampler_turn {
    uint64_t epoch, place;
    uint32_t repeat; // 0 .. repeats-1
};
struct cnn_sampler_turn cnn_sampler_turn(const struct cnn_sampler *sampler, uint64_t epoch,
                                         uint64_t position);
// First position of this rank's micro-batch number j (0.. micros-1) of step s of the epoch.
uint64_t cnn_sampler_position(const struct cnn_sampler *sampler, uint64_t step, int j);
// The record that stands in for one that cannot be read: attempt 0, 1, ... draw others until one is readable.
// Depends on (seed, epoch, record, attempt) alone; never `record` itself unless it is the only one.
uint64_t cnn_sampler_substitute(const struct cnn_sampler *sampler, uint64_t epoch, uint64_t record,
                                int attempt);

// An evaluation pass is cut into batches of `micro` records in stored order; rank r takes batches r, r+R,
// r+2R, ... `global`, `seed` and `shuffle` play no part. CNN_ERR_INPUT where micro, rank, size or n_records
// make no sense.
enum cnn_status cnn_sampler_check_pass(const struct cnn_sampler *sampler) CNN_MUST_CHECK;
uint64_t cnn_sampler_pass_batches(const struct cnn_sampler *sampler); // of this rank; may be 0
uint64_t cnn_sampler_pass_position(const struct cnn_sampler *sampler,
                                   uint64_t batch); // first record of this rank's batch
int cnn_sampler_pass_records(const struct cnn_sampler *sampler, uint64_t batch); // in that batch, <= micro

#endif
