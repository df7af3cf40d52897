// A reducer that only queues: buckets are summed on the device's exchange stream as soon as backward's ops,
// which are queued like everything, have passed them, and the ops after the step's last bucket wait there for
// that stream. So a step can be recorded and run again. Whether sums that never come are waited for is seen
// at the step's end (settle).
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "comm/kinds.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

struct queued {
    struct cnn_reducer base; // first
    struct cnn_stream_sum *sum;
    uint16_t *halves; // the arena in 16 bits, on the device; NULL where floats travel
    struct cnn_stream_part *parts;
    struct cnn_device_event *passed, *summed, *ended; // by backward; all buckets; all of the step
    struct cnn_device_event *first, *before,
        *after;       // stamps: the first bucket starts; the ops arrive; the last ends
    size_t n_started; // buckets
    bool failed;
    struct cnn_error error;
};

static struct queued *queued_of(struct cnn_reducer *reducer) { return (struct queued *)reducer; }

// ---- a bucket

// Its elements in 16 bits, statistics too, whose own floats are summed besides; or all as floats.
static int list_parts(struct queued *reducer, struct cnn_span span) {
    const struct cnn_wire *wire = &reducer->base.wire;
    struct cnn_wire_walk walk = cnn_wire_walk(wire, span);
    struct cnn_wire_piece piece;
    int n = 0;
    if (reducer->halves)
        reducer->parts[n++] = (struct cnn_stream_part){reducer->halves + span.first, span.n, wire->precision};
    while (cnn_wire_next(wire, &walk, &piece))
        if (piece.exact)
            reducer->parts[n++] = (struct cnn_stream_part){reducer->base.gradients + piece.span.first,
                                                           piece.span.n, CNN_PRECISION_FP32};
    return n;
}

static enum cnn_status unpack(struct queued *reducer, struct cnn_span span) {
    struct cnn_exchange_device *device = reducer->base.device;
    const struct cnn_wire *wire = &reducer->base.wire;
    struct cnn_wire_walk walk = cnn_wire_walk(wire, span);
    struct cnn_wire_piece piece;
    while (cnn_wire_next(wire, &walk, &piece))
        if (!piece.exact)
            CNN_TRY(device->ops->unpack(device, reducer->base.gradients + piece.span.first,
                                        reducer->halves + piece.span.first, piece.span.n, wire->precision));
    return CNN_OK;
}

static enum cnn_status start_bucket(struct queued *reducer, size_t bucket) {
    struct cnn_exchange_device *device = reducer->base.device;
    const struct cnn_span span = cnn_reducer_bucket(&reducer->base, bucket);
    CNN_TRY(device->ops->record(device, reducer->passed, CNN_STREAM_OPS));
    CNN_TRY(device->ops->wait(device, reducer->passed, CNN_STREAM_EXCHANGE));
    if (bucket == 0)
        CNN_TRY(device->ops->stamp(device, reducer->first, CNN_STREAM_EXCHANGE));
    if (reducer->halves)
        CNN_TRY(device->ops->pack(device, reducer->halves + span.first, reducer->base.gradients + span.first,
                                  span.n, reducer->base.wire.precision));
    const struct cnn_patience patience =
        cnn_patience_begin(reducer->base.comm, reducer->base.timeout_s, NULL);
    const enum cnn_status status =
        reducer->sum->ops->sum(reducer->sum, reducer->parts, list_parts(reducer, span), &patience);
    cnn_patience_end(&patience);
    CNN_TRY(status);
    return unpack(reducer, span);
}

static enum cnn_status start_up_to(struct queued *reducer, size_t n_ready) {
    while (reducer->n_started < reducer->base.n_buckets) {
        const struct cnn_span next = cnn_reducer_bucket(&reducer->base, reducer->n_started);
        if (next.first + next.n > n_ready)
            break;
        CNN_TRY(start_bucket(reducer, reducer->n_started++));
    }
    return CNN_OK;
}

// ---- a step

// Kernels that wait for ranks which do not come end too, and with them whatever waits for the device.
static enum cnn_status give_up(struct queued *reducer, enum cnn_status status) {
    if (!reducer->failed) {
        cnn_error_take(&reducer->error, status);
        reducer->failed = true;
        atomic_store(&reducer->base.comm->broken, true);
        reducer->sum->ops->abort(reducer->sum);
    }
    return cnn_error_give(&reducer->error);
}

static void begin(struct cnn_reducer *base) {
    queued_of(base)->n_started = 0;
    base->busy_s = base->wait_s = 0;
}

static void ready(struct cnn_reducer *base, size_t n_ready) {
    struct queued *reducer = queued_of(base);
    const enum cnn_status status = reducer->failed ? CNN_OK : start_up_to(reducer, n_ready);
    if (status != CNN_OK)
        (void)!give_up(reducer, status);
}

static enum cnn_status join(struct queued *reducer) {
    struct cnn_exchange_device *device = reducer->base.device;
    CNN_TRY(device->ops->stamp(device, reducer->before, CNN_STREAM_OPS));
    CNN_TRY(device->ops->stamp(device, reducer->after, CNN_STREAM_EXCHANGE));
    CNN_TRY(device->ops->record(device, reducer->summed, CNN_STREAM_EXCHANGE));
    return device->ops->wait(device, reducer->summed, CNN_STREAM_OPS);
}

static enum cnn_status finish(struct cnn_reducer *base) {
    struct queued *reducer = queued_of(base);
    if (reducer->failed)
        return cnn_error_give(&reducer->error);
    assert(reducer->n_started == base->n_buckets);
    const enum cnn_status status = base->n_buckets ? join(reducer) : CNN_OK;
    return status == CNN_OK ? CNN_OK : give_up(reducer, status);
}

#define YIELD_S 200e-6
#define SLEEP_NS 20000

static enum cnn_status wait_for_event(struct queued *reducer, const struct cnn_patience *patience) {
    struct cnn_exchange_device *device = reducer->base.device;
    const struct timespec nap = {0, SLEEP_NS};
    const double start = cnn_clock_s();
    bool happened = false;
    for (;;) {
        CNN_TRY(reducer->sum->ops->check(reducer->sum));
        CNN_TRY(device->ops->has_happened(device, reducer->ended, &happened));
        if (happened)
            return CNN_OK;
        if (cnn_patience_is_over(patience))
            return cnn_patience_give(patience, reducer->base.comm->rank, "the sums of its gradients");
        if (cnn_clock_s() - start < YIELD_S)
            sched_yield();
        else
            nanosleep(&nap, NULL);
    }
}

// Until the device has done all that is queued.
static enum cnn_status wait_for_device(struct queued *reducer) {
    struct cnn_exchange_device *device = reducer->base.device;
    CNN_TRY(device->ops->record(device, reducer->ended, CNN_STREAM_OPS));
    const struct cnn_patience patience =
        cnn_patience_begin(reducer->base.comm, reducer->base.timeout_s, NULL);
    const enum cnn_status status = wait_for_event(reducer, &patience);
    cnn_patience_end(&patience);
    return status;
}

static enum cnn_status settle(struct cnn_reducer *base) {
    struct queued *reducer = queued_of(base);
    struct cnn_exchange_device *device = base->device;
    enum cnn_status status = reducer->failed ? CNN_ERR_COMM : wait_for_device(reducer);
    if (status == CNN_OK && base->n_buckets)
        status = device->ops->between(device, reducer->before, reducer->after, &base->wait_s);
    if (status == CNN_OK && base->n_buckets)
        status = device->ops->between(device, reducer->first, reducer->after, &base->busy_s);
    if (base->wait_s < 0) // the sums were there first
        base->wait_s = 0;
    return status == CNN_OK ? CNN_OK : give_up(reducer, status);
}

// ---- making one

static enum cnn_status create_events(struct queued *reducer) {
    struct cnn_exchange_device *device = reducer->base.device;
    CNN_TRY(device->ops->event_create(device, &reducer->passed, false));
    CNN_TRY(device->ops->event_create(device, &reducer->summed, false));
    CNN_TRY(device->ops->event_create(device, &reducer->ended, false));
    CNN_TRY(device->ops->event_create(device, &reducer->first, true));
    CNN_TRY(device->ops->event_create(device, &reducer->before, true));
    return device->ops->event_create(device, &reducer->after, true);
}

static enum cnn_status build(struct queued *reducer) {
    struct cnn_exchange_device *device = reducer->base.device;
    CNN_TRY(cnn_calloc(&reducer->parts, reducer->base.wire.n_exact + 2, sizeof *reducer->parts));
    if (cnn_wire_rounds(&reducer->base.wire))
        CNN_TRY(
            device->ops->alloc(device, (void **)&reducer->halves, reducer->base.n * sizeof *reducer->halves));
    return create_events(reducer);
}

static void destroy_events(struct queued *reducer) {
    struct cnn_exchange_device *device = reducer->base.device;
    struct cnn_device_event *events[] = {reducer->passed, reducer->summed, reducer->ended,
                                         reducer->first,  reducer->before, reducer->after};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        device->ops->event_destroy(device, events[i]);
}

static void destroy(struct cnn_reducer *base) {
    struct queued *reducer = queued_of(base);
    if (reducer->sum && !reducer->failed && reducer->n_started > 0 && reducer->n_started < base->n_buckets)
        (void)!give_up(reducer, CNN_ERR_COMM); // a step given up half-way
    if (reducer->sum)
        reducer->sum->ops->destroy(reducer->sum);
    destroy_events(reducer);
    if (reducer->halves)
        base->device->ops->free(base->device, reducer->halves);
    free(reducer->parts);
    free(reducer);
}

static const struct cnn_reducer_ops queued_ops = {
    .can_record = true,
    .begin = begin,
    .ready = ready,
    .finish = finish,
    .settle = settle,
    .destroy = destroy,
};

enum cnn_status cnn_queued_create(struct cnn_reducer **out, const struct cnn_reducer *shape,
                                  struct cnn_stream_sum *sum) {
    struct queued *reducer;
    CNN_TRY(cnn_comm_agree(shape->comm, cnn_calloc(&reducer, 1, sizeof *reducer)));
    reducer->base = *shape;
    reducer->base.ops = &queued_ops;
    const enum cnn_status status = cnn_comm_agree(shape->comm, build(reducer));
    if (status != CNN_OK) {
        destroy(&reducer->base);
        return status;
    }
    reducer->sum = sum;
    reducer->base.way = sum->name;
    *out = &reducer->base;
    return CNN_OK;
}
