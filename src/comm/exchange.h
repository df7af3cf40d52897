// Private to comm/: sums one run of floats over all ranks, the work behind every bucket of the reducer.
#ifndef CNN_COMM_EXCHANGE_H
#define CNN_COMM_EXCHANGE_H
#include "comm/wire.h"
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
    // arena[i], for all i of the span, becomes the sum of arena[i] over ranks, the same bits on every rank
    // and in every run. With a wire that rounds: what each rank has is rounded, these are added as floats in
    // the order of fold.h, the sum is rounded; that holds however the ranks are connected. The span is the
    // same on all ranks and not empty. Collective. Waits without spinning; CNN_ERR_COMM names the rank that
    // did not come in time.
    enum cnn_status (*sum)(struct cnn_exchange *exchange, float *arena, struct cnn_span span,
                           const struct cnn_patience *patience);
    // Collective, unless a sum failed: then nothing is said to the other ranks.
    void (*destroy)(struct cnn_exchange *exchange);
};

// The first member of every kind of exchange.
struct cnn_exchange {
    const struct cnn_exchange_ops *ops;
    struct cnn_wire wire; // of the arena whose spans it sums
    bool any_thread;      // sum may run beside control traffic on another thread
    const char *name;     // "shared memory", for people
};

enum cnn_status cnn_exchange_sum(struct cnn_exchange *exchange, float *arena, struct cnn_span span,
                                 const struct cnn_patience *patience) CNN_MUST_CHECK;
void cnn_exchange_destroy(struct cnn_exchange *exchange); // accepts NULL

// The error of rank `rank` that gave up waiting for rank `late`.
enum cnn_status cnn_exchange_late(int rank, int late, const struct cnn_patience *patience);

// Part `part` of a span cut into `parts` nearly equal ones that start on cache lines (where the whole does).
struct cnn_span cnn_span_part(struct cnn_span whole, int parts, int part);

#endif
