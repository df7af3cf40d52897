#include "comm/exchange.h"

#include "base/clock.h"
#include "base/memory.h"

#define PART_ALIGN (CNN_ALIGN / sizeof(float))

struct cnn_patience cnn_patience_of(double timeout_s, const atomic_bool *cancelled) {
    return (struct cnn_patience){timeout_s, cnn_clock_s() + timeout_s, cancelled};
}

bool cnn_patience_is_over(const struct cnn_patience *patience) {
    return cnn_clock_s() > patience->deadline_s || (patience->cancelled && atomic_load(patience->cancelled));
}

enum cnn_status cnn_exchange_sum(struct cnn_exchange *exchange, float *arena, struct cnn_span span,
                                 const struct cnn_patience *patience) {
    return span.n == 0 ? CNN_OK : exchange->ops->sum(exchange, arena, span, patience);
}

void cnn_exchange_destroy(struct cnn_exchange *exchange) {
    if (exchange)
        exchange->ops->destroy(exchange);
}

enum cnn_status cnn_exchange_late(int rank, int late, const struct cnn_patience *patience) {
    if (patience->cancelled && atomic_load(patience->cancelled))
        return cnn_fail(CNN_ERR_COMM, "rank %d gave up waiting for rank %d: the step was abandoned", rank,
                        late);
    return cnn_fail(CNN_ERR_COMM,
                    "rank %d waited %.4g s for rank %d, which is slow or gone; "
                    "if it is only slow, raise comm.timeout_s",
                    rank, patience->timeout_s, late);
}

struct cnn_span cnn_span_part(struct cnn_span whole, int parts, int part) {
    size_t step = cnn_align_up((whole.n + (size_t)parts - 1) / (size_t)parts, PART_ALIGN);
    size_t first = step * (size_t)part;
    if (first >= whole.n)
        return (struct cnn_span){whole.first + whole.n, 0};
    return (struct cnn_span){whole.first + first, whole.n - first < step ? whole.n - first : step};
}
