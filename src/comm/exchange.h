// Private to comm/: sums one run of floats over all ranks, the work behind every bucket of the reducer.
#ifndef CNN_COMM_EXCHANGE_H
#define CNN_COMM_EXCHANGE_H
#include <cnn_dist/status.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

// How long to wait for other ranks: until deadline_s (of cnn_clock_s) or until *cancelled.
struct cnn_patience {
    double timeout_s, deadline_s;
    const atomic_bool *cancelled; // may be NULL
};
struct cnn_patience cnn_patience_of(double timeout_s, const atomic_bool *cancelled);
bool cnn_patience_is_over(const struct cnn_patience *patience);

struct cnn_exchange;
struct cnn_exchange_ops {
    // data[i] = the sum of data[i] over ranks, the same bits on every rank and in every run; n >= 1, the same
    // on all. Collective. Waits without spinning; CNN_ERR_COMM names the rank that did not come in time.
    enum cnn_status (*sum)(struct cnn_exchange *exchange, float *data, size_t n,
                           const struct cnn_patience *patience);
    // Collective, unless a sum failed: then nothing is said to the other ranks.
    void (*destroy)(struct cnn_exchange *exchange);
};

// The first member of every kind of exchange.
struct cnn_exchange {
    const struct cnn_exchange_ops *ops;
    bool any_thread;  // sum may run beside control traffic on another thread
    const char *name; // "shared memory", for people
};

enum cnn_status cnn_exchange_sum(struct cnn_exchange *exchange, float *data, size_t n,
                                 const struct cnn_patience *patience) CNN_MUST_CHECK;
void cnn_exchange_destroy(struct cnn_exchange *exchange); // accepts NULL

// The error of rank `rank` that gave up waiting for rank `late`.
enum cnn_status cnn_exchange_late(int rank, int late, const struct cnn_patience *patience);

// Part `part` of n elements cut into `parts` nearly equal runs that start on cache lines (where the data
// does).
struct cnn_run {
    size_t first, n;
};
struct cnn_run cnn_run_of(size_t n, int parts, int part);

#endif
