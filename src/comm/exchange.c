#include "comm/exchange.h"

#include "base/clock.h"
#include "base/memory.h"
#include "comm/table.h"
#include "comm/watchdog.h"

#include <math.h>

#define PART_ALIGN (CNN_ALIGN / sizeof(float))

struct cnn_patience cnn_patience_of(double timeout_s, const atomic_bool *cancelled) {
    return (struct cnn_patience){timeout_s, cnn_clock_s() + timeout_s, cancelled, NULL};
}

static bool is_cancelled(const struct cnn_patience *patience) {
    return patience->cancelled && atomic_load(patience->cancelled);
}

bool cnn_patience_is_over(const struct cnn_patience *patience) {
    if (is_cancelled(patience))
        return true;
    return patience->watchdog ? cnn_watchdog_is_over(patience->watchdog)
                              : cnn_clock_s() > patience->deadline_s;
}

struct cnn_patience cnn_patience_begin(struct cnn_comm *comm, double timeout_s,
                                       const atomic_bool *cancelled) {
    struct cnn_patience patience = cnn_patience_of(timeout_s, cancelled);
    if (!comm->watchdog)
        return patience;
    cnn_watchdog_begin(comm->watchdog, CNN_WAIT_EXCHANGE, timeout_s, false);
    patience.watchdog = comm->watchdog;
    patience.deadline_s = INFINITY;
    return patience;
}

void cnn_patience_end(const struct cnn_patience *patience) {
    if (patience->watchdog)
        cnn_watchdog_end(patience->watchdog, CNN_WAIT_EXCHANGE);
}

void cnn_patience_expect(const struct cnn_patience *patience, int rank) {
    if (patience->watchdog)
        cnn_watchdog_expect(patience->watchdog, CNN_WAIT_EXCHANGE, rank);
}

enum cnn_status cnn_patience_give(const struct cnn_patience *patience, int rank, const char *what) {
    if (patience->watchdog && cnn_watchdog_is_over(patience->watchdog))
        return cnn_watchdog_give(patience->watchdog);
    if (is_cancelled(patience))
        return cnn_fail(CNN_ERR_COMM, "rank %d stopped waiting for %s: the step was abandoned", rank, what);
    return cnn_fail(CNN_ERR_COMM,
                    "rank %d waited %.4g s for %s: another rank is slow or gone; if it is only slow, raise "
                    "comm.timeout_s",
                    rank, patience->timeout_s, what);
}

enum cnn_status cnn_exchange_sum(struct cnn_exchange *exchange, float *arena, struct cnn_span span,
                                 const struct cnn_patience *patience) {
    return span.n == 0 ? CNN_OK : exchange->ops->sum(exchange, arena, span, patience);
}

void cnn_exchange_destroy(struct cnn_exchange *exchange) {
    if (exchange)
        exchange->ops->destroy(exchange);
}

struct cnn_span cnn_span_part(struct cnn_span whole, int parts, int part) {
    size_t step = cnn_align_up((whole.n + (size_t)parts - 1) / (size_t)parts, PART_ALIGN);
    size_t first = step * (size_t)part;
    if (first >= whole.n)
        return (struct cnn_span){whole.first + whole.n, 0};
    return (struct cnn_span){whole.first + first, whole.n - first < step ? whole.n - first : step};
}
