// Private to comm/: gradients of a device on their way through the host's memory, bucket by bucket.
#ifndef CNN_COMM_STAGING_H
#define CNN_COMM_STAGING_H
#include "backend/exchange_device.h"
#include "comm/wire.h"

struct cnn_staging;

// `gradients`: n floats of device memory, borrowed. Not collective.
enum cnn_status cnn_staging_create(struct cnn_staging **out, struct cnn_exchange_device *device,
                                   float *gradients, size_t n, size_t n_buckets) CNN_MUST_CHECK;
void cnn_staging_destroy(struct cnn_staging *staging); // accepts NULL
float *cnn_staging_arena(struct cnn_staging *staging); // n floats on the host

// In this order for every bucket. `mark` and `join` are for the thread that queues the ops, the others for
// one thread of any. What the ops have computed up to here contains the bucket.
enum cnn_status cnn_staging_mark(struct cnn_staging *staging, size_t bucket) CNN_MUST_CHECK;
// Waits until it is computed.
enum cnn_status cnn_staging_await(struct cnn_staging *staging, size_t bucket) CNN_MUST_CHECK;
// Copies it to the arena on the host, and waits for that.
enum cnn_status cnn_staging_fetch(struct cnn_staging *staging, struct cnn_span span) CNN_MUST_CHECK;
// Queues its way back.
enum cnn_status cnn_staging_give_back(struct cnn_staging *staging, struct cnn_span span) CNN_MUST_CHECK;
// The ops queued from now on run after everything has come back.
enum cnn_status cnn_staging_join(struct cnn_staging *staging) CNN_MUST_CHECK;

#endif
