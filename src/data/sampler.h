// Which record is at which position of which epoch, and which micro-batch belongs to which rank: pure functions.
#ifndef CNN_DATA_SAMPLER_H
#define CNN_DATA_SAMPLER_H
#include "config/config.h"
#include <cnn_dist/status.h>
#include <stdint.h>

// A step takes `global` positions of the epoch, cut into global/micro micro-batches; rank r of R runs the micro-batches
// r*k .. r*k+k-1 of each step, k = global / micro / R. The tail of an epoch that does not fill a step is left out
// (other records each epoch, as the order changes).
struct cnn_sampler {
    uint64_t n_records, seed;
    enum cnn_shuffle shuffle;
    int global, micro, rank, size;
};
// Checks that the cut comes out even: size divides global/micro, micro divides global, n_records >= global.
enum cnn_status cnn_sampler_check(const struct cnn_sampler *sampler) CNN_MUST_CHECK;
uint64_t cnn_sampler_steps(const struct cnn_sampler *sampler);       // per epoch
int cnn_sampler_micros(const struct cnn_sampler *sampler);           // of this rank per step
uint64_t cnn_sampler_record(const struct cnn_sampler *sampler, uint64_t epoch, uint64_t position);
// First position of this rank's micro-batch number j (0.. micros-1) of step s of the epoch.
uint64_t cnn_sampler_position(const struct cnn_sampler *sampler, uint64_t step, int j);

#endif
