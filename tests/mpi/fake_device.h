// A device of host memory for the exchange of gradients, as unkind as a real one may be: the ops' stream runs
// only when somebody waits for it, the exchange's runs ahead as far as its events let it. So work that was
// not ordered by an event meets data that are not there yet, or no longer.
#ifndef CNN_TESTS_FAKE_DEVICE_H
#define CNN_TESTS_FAKE_DEVICE_H
#include "backend/exchange_device.h"
#include "base/half.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct cnn_device_event {
    bool timed;
    enum cnn_stream stream; // where it was recorded last
    int recorded, happened; // how many times
    double time_s;
};

enum { FAKE_MOST_WORK = 20000 };
struct fake_work {
    void (*run)(void *context); // or NULL: record or wait
    void *context;
    struct cnn_device_event *event;
    int wait_for; // 0: record
};

struct fake_device {
    struct cnn_exchange_device base; // first
    pthread_mutex_t lock;
    struct fake_work work[2][FAKE_MOST_WORK];
    int queued[2], done[2];
    double time_s;   // a step further with all work
    bool is_eager;   // the exchange's stream
    bool is_broken;  // nothing can be copied
    bool is_stuck;   // has_happened says no
    int n_allocated; // memory and events
    int n_entered;   // threads
};

static inline struct fake_device *fake_of(struct cnn_exchange_device *device) {
    return (struct fake_device *)device;
}

// Runs what is queued on a stream, up to `until` pieces of work, but no further than to an event that has not
// happened; with `force`, the other stream is made to run up to it.
static inline void fake_run(struct fake_device *fake, int stream, int until, bool force) {
    while (fake->done[stream] < until) {
        const struct fake_work *work = &fake->work[stream][fake->done[stream]];
        if (work->wait_for > 0 && work->event->happened < work->wait_for) {
            if (!force)
                return;
            assert(fake->done[!stream] < fake->queued[!stream]); // or the streams wait for each other
            fake_run(fake, !stream, fake->done[!stream] + 1, true);
            continue;
        }
        fake->done[stream]++;
        fake->time_s += 0.001;
        if (work->run)
            work->run(work->context);
        else if (work->wait_for == 0) {
            work->event->happened++;
            work->event->time_s = fake->time_s;
        }
    }
}

static inline enum cnn_status fake_queue(struct fake_device *fake, enum cnn_stream stream,
                                         struct fake_work work) {
    pthread_mutex_lock(&fake->lock);
    assert(fake->queued[stream] < FAKE_MOST_WORK);
    fake->work[stream][fake->queued[stream]++] = work;
    if (work.event && work.wait_for == 0) {
        work.event->stream = stream;
        work.event->recorded++;
    }
    if (fake->is_eager)
        fake_run(fake, CNN_STREAM_EXCHANGE, fake->queued[CNN_STREAM_EXCHANGE], false);
    pthread_mutex_unlock(&fake->lock);
    return CNN_OK;
}

// An op of the test's own. `context` stays as it is until it has run.
static inline void fake_compute(struct fake_device *fake, void (*run)(void *context), void *context) {
    (void)!fake_queue(fake, CNN_STREAM_OPS, (struct fake_work){.run = run, .context = context});
}

// Waits for the ops' stream.
static inline void fake_synchronize(struct fake_device *fake) {
    pthread_mutex_lock(&fake->lock);
    fake_run(fake, CNN_STREAM_OPS, fake->queued[CNN_STREAM_OPS], true);
    pthread_mutex_unlock(&fake->lock);
}

// Between two steps: what was done is forgotten.
static inline void fake_forget(struct fake_device *fake) {
    fake_synchronize(fake);
    assert(fake->done[0] == fake->queued[0] && fake->done[1] == fake->queued[1]);
    memset(fake->done, 0, sizeof fake->done);
    memset(fake->queued, 0, sizeof fake->queued);
}

// ---- the table

static inline enum cnn_status fake_enter(struct cnn_exchange_device *device) {
    fake_of(device)->n_entered++;
    return CNN_OK;
}

static inline enum cnn_status fake_alloc(struct cnn_exchange_device *device, void **out, size_t bytes) {
    *out = calloc(1, bytes ? bytes : 1);
    fake_of(device)->n_allocated++;
    return CNN_OK;
}

static inline void fake_free(struct cnn_exchange_device *device, void *memory) {
    fake_of(device)->n_allocated -= memory != NULL;
    free(memory);
}

static inline enum cnn_status fake_event_create(struct cnn_exchange_device *device,
                                                struct cnn_device_event **out, bool timed) {
    CNN_TRY(fake_alloc(device, (void **)out, sizeof **out));
    (*out)->timed = timed;
    return CNN_OK;
}

static inline void fake_event_destroy(struct cnn_exchange_device *device, struct cnn_device_event *event) {
    fake_free(device, event);
}

static inline enum cnn_status fake_record(struct cnn_exchange_device *device, struct cnn_device_event *event,
                                          enum cnn_stream stream) {
    assert(!event->timed);
    return fake_queue(fake_of(device), stream, (struct fake_work){.event = event});
}

static inline enum cnn_status fake_stamp(struct cnn_exchange_device *device, struct cnn_device_event *event,
                                         enum cnn_stream stream) {
    assert(event->timed);
    return fake_queue(fake_of(device), stream, (struct fake_work){.event = event});
}

static inline enum cnn_status fake_wait(struct cnn_exchange_device *device, struct cnn_device_event *event,
                                        enum cnn_stream stream) {
    if (event->recorded == 0) // as CUDA has it
        return CNN_OK;
    return fake_queue(fake_of(device), stream,
                      (struct fake_work){.event = event, .wait_for = event->recorded});
}

static inline enum cnn_status fake_happened(struct cnn_exchange_device *device,
                                            struct cnn_device_event *event, bool *out) {
    struct fake_device *fake = fake_of(device);
    pthread_mutex_lock(&fake->lock);
    for (int stream = 0; stream < 2 && !fake->is_stuck; stream++) // both go on while the host looks
        if (fake->done[stream] < fake->queued[stream])
            fake_run(fake, stream, fake->done[stream] + 1, stream == CNN_STREAM_OPS);
    *out = !fake->is_stuck && event->happened == event->recorded;
    pthread_mutex_unlock(&fake->lock);
    return CNN_OK;
}

static inline enum cnn_status fake_event_synchronize(struct cnn_exchange_device *device,
                                                     struct cnn_device_event *event) {
    struct fake_device *fake = fake_of(device);
    pthread_mutex_lock(&fake->lock);
    while (event->happened < event->recorded)
        fake_run(fake, event->stream, fake->done[event->stream] + 1, true);
    pthread_mutex_unlock(&fake->lock);
    return CNN_OK;
}

static inline enum cnn_status fake_between(struct cnn_exchange_device *device, struct cnn_device_event *from,
                                           struct cnn_device_event *to, double *out) {
    assert(from->happened > 0 && to->happened > 0);
    *out = to->time_s - from->time_s;
    return CNN_OK;
}

struct fake_move {
    void *to;
    const void *from;
    size_t n; // bytes, or elements
    enum cnn_precision precision;
};

static inline void fake_copy(void *context) {
    struct fake_move *move = context;
    memcpy(move->to, move->from, move->n);
    free(move);
}

static inline void fake_pack_now(void *context) {
    struct fake_move *move = context;
    if (move->precision == CNN_PRECISION_BF16)
        cnn_bf16_pack(move->to, move->from, move->n);
    else
        cnn_fp16_pack(move->to, move->from, move->n);
    free(move);
}

static inline void fake_unpack_now(void *context) {
    struct fake_move *move = context;
    if (move->precision == CNN_PRECISION_BF16)
        cnn_bf16_unpack(move->to, move->from, move->n);
    else
        cnn_fp16_unpack(move->to, move->from, move->n);
    free(move);
}

static inline enum cnn_status fake_queue_move(struct cnn_exchange_device *device, void (*run)(void *context),
                                              struct fake_move move) {
    struct fake_move *kept = malloc(sizeof *kept);
    *kept = move;
    return fake_queue(fake_of(device), CNN_STREAM_EXCHANGE, (struct fake_work){.run = run, .context = kept});
}

// Either way.
static inline enum cnn_status fake_transfer(struct cnn_exchange_device *device, void *to, const void *from,
                                            size_t bytes) {
    if (fake_of(device)->is_broken)
        return cnn_fail(CNN_ERR_BACKEND, "the fake device is broken");
    return fake_queue_move(device, fake_copy, (struct fake_move){.to = to, .from = from, .n = bytes});
}

static inline enum cnn_status fake_pack(struct cnn_exchange_device *device, uint16_t *out, const float *in,
                                        size_t n, enum cnn_precision precision) {
    return fake_queue_move(device, fake_pack_now, (struct fake_move){out, in, n, precision});
}

static inline enum cnn_status fake_unpack(struct cnn_exchange_device *device, float *out, const uint16_t *in,
                                          size_t n, enum cnn_precision precision) {
    return fake_queue_move(device, fake_unpack_now, (struct fake_move){out, in, n, precision});
}

static inline void fake_destroy(struct cnn_exchange_device *device) {
    assert(fake_of(device)->n_allocated == 0);
    pthread_mutex_destroy(&fake_of(device)->lock);
    free(device);
}

static const struct cnn_exchange_device_ops fake_ops = {
    .destroy = fake_destroy,
    .enter = fake_enter,
    .alloc = fake_alloc,
    .free = fake_free,
    .alloc_host = fake_alloc,
    .free_host = fake_free,
    .event_create = fake_event_create,
    .event_destroy = fake_event_destroy,
    .record = fake_record,
    .wait = fake_wait,
    .has_happened = fake_happened,
    .synchronize = fake_event_synchronize,
    .stamp = fake_stamp,
    .between = fake_between,
    .download = fake_transfer,
    .upload = fake_transfer,
    .pack = fake_pack,
    .unpack = fake_unpack,
};

static inline struct fake_device *fake_create(bool is_eager) {
    struct fake_device *fake = calloc(1, sizeof *fake);
    assert(fake);
    fake->base.ops = &fake_ops;
    fake->is_eager = is_eager;
    strcpy(fake->base.place, "0000:00:00.0");
    pthread_mutex_init(&fake->lock, NULL);
    return fake;
}

#endif
