#include "comm/exchange.h"

#include "base/clock.h"
#include "base/memory.h"

#define RUN_ALIGN (CNN_ALIGN / sizeof(float))

struct cnn_patience cnn_patience_of(double timeout_s, const atomic_bool *cancelled) {
    return (struct cnn_patience){timeout_s, cnn_clock_s() + timeout_s, cancelled};
}

bool cnn_patience_is_over(const struct cnn_patience *patience) {
    return cnn_clock_s() > patience->deadline_s || (patience->cancelled && atomic_load(patience->cancelled));
}

enum cnn_status cnn_exchange_sum(struct cnn_exchange *exchange, float *data, size_t n,
                                 const struct cnn_patience *patience) {
    return n == 0 ? CNN_OK : exchange->ops->sum(exchange, data, n, patience);
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

struct cnn_run cnn_run_of(size_t n, int parts, int part) {
    size_t step = cnn_align_up((n + (size_t)parts - 1) / (size_t)parts, RUN_ALIGN);
    size_t first = step * (size_t)part;
    if (first >= n)
        return (struct cnn_run){n, 0};
    return (struct cnn_run){first, n - first < step ? n - first : step};
}
