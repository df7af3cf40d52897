// Private to comm/: what every kind of reducer is made of, and the kinds. One has a thread and exchanges what
// is in the host's memory (threaded.c); one only queues sums on a device (queued.c); with one rank there is
// nothing to do.
#ifndef CNN_COMM_KINDS_H
#define CNN_COMM_KINDS_H
#include "comm/reducer.h"
#include "comm/stream_sum.h"
#include "comm/table.h"

// As in reducer.h. A status that is no CNN_ERR_COMM is made one by the caller. After a failure nothing but
// destroy.
struct cnn_reducer_ops {
    bool can_record;
    void (*begin)(struct cnn_reducer *reducer);
    void (*ready)(struct cnn_reducer *reducer, size_t n_ready);
    enum cnn_status (*finish)(struct cnn_reducer *reducer);
    enum cnn_status (*settle)(struct cnn_reducer *reducer);
    void (*destroy)(struct cnn_reducer *reducer); // all but what `shape` holds
};

// The arena in buckets. The first member of every kind of reducer.
struct cnn_reducer {
    const struct cnn_reducer_ops *ops;
    struct cnn_comm *comm;
    struct cnn_exchange_device *device; // NULL: gradients are host memory
    float *gradients;
    size_t n, bucket, n_buckets; // floats, floats, buckets
    struct cnn_wire wire;        // its exact spans are owned
    double timeout_s;
    const char *way;       // what sums, for people; lives as long as this
    double busy_s, wait_s; // of the last step
};

struct cnn_span cnn_reducer_bucket(const struct cnn_reducer *reducer, size_t bucket);

// The kinds. `shape` is filled but for its ops, and is copied; on failure it is left as it was. The last
// argument is taken over on success. Collective.
enum cnn_status cnn_threaded_create(struct cnn_reducer **out, const struct cnn_reducer *shape,
                                    struct cnn_exchange *exchange) CNN_MUST_CHECK;
enum cnn_status cnn_queued_create(struct cnn_reducer **out, const struct cnn_reducer *shape,
                                  struct cnn_stream_sum *sum) CNN_MUST_CHECK;

#endif
