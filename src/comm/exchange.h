// Private to comm/: sums one run of floats over all ranks, the work behind every bucket of the reducer.
#ifndef CNN_COMM_EXCHANGE_H
#define CNN_COMM_EXCHANGE_H
#include "comm/wire.h"
#include <cnn_dist/status.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct cnn_comm;
struct cnn_watchdog;

// How long to wait for other ranks: until *cancelled, and until the watchdog says so or, where there is none,
// until deadline_s (of cnn_clock_s).
struct cnn_patience {
    double timeout_s, deadline_s;
    const atomic_bool *cancelled;  // may be NULL
    struct cnn_watchdog *watchdog; // may be NULL
};
struct cnn_patience cnn_patience_of(double timeout_s, const atomic_bool *cancelled);
bool cnn_patience_is_over(const struct cnn_patience *patience);
// The same for an exchange of gradients over the ranks of comm, which the watchdog learns of: begin, end.
struct cnn_patience cnn_patience_begin(struct cnn_comm *comm, double timeout_s, const atomic_bool *cancelled);
void cnn_patience_end(const struct cnn_patience *patience);
// The message of rank `rank` is missing.
void cnn_patience_expect(const struct cnn_patience *patience, int rank);
// The error of rank `rank` when patience is over; `what` it waited for: "the sums of its gradients".
enum cnn_status cnn_patience_give(const struct cnn_patience *patience, int rank, const char *what);

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

// Part `part` of a span cut into `parts` nearly equal ones that start on cache lines (where the whole does).
struct cnn_span cnn_span_part(struct cnn_span whole, int parts, int part);

#endif
