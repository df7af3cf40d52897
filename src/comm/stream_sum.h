// Private to comm/: sums over ranks that are queued on the exchange's stream of a device, like NCCL's.
#ifndef CNN_COMM_STREAM_SUM_H
#define CNN_COMM_STREAM_SUM_H
#include "backend/exchange_device.h"
#include "comm/exchange.h"

struct cnn_stream_part {
    void *data; // device memory
    size_t n;
    enum cnn_precision precision; // what it is made of: FP32, BF16 or FP16
};

struct cnn_stream_sum;
struct cnn_stream_sum_ops {
    // Queues: each part becomes the sum of the ranks' parts, rounded to what it is made of after each
    // addition, the same bits on every rank. All ranks queue the same in the same order. The first may have
    // to wait for the others: CNN_ERR_COMM when patience is over.
    enum cnn_status (*sum)(struct cnn_stream_sum *sum, const struct cnn_stream_part *parts, int n_parts,
                           const struct cnn_patience *patience);
    // What has failed of that which was queued, as CNN_ERR_COMM. Does not wait.
    enum cnn_status (*check)(struct cnn_stream_sum *sum);
    // Ends what is under way, whatever the other ranks do; then only destroy.
    void (*abort)(struct cnn_stream_sum *sum);
    void (*destroy)(struct cnn_stream_sum *sum); // collective, but after abort
};

// The first member of every kind.
struct cnn_stream_sum {
    const struct cnn_stream_sum_ops *ops;
    char name[64]; // "NCCL 2.28.9", for people
};

#endif
