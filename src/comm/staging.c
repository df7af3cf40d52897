#include "comm/staging.h"

#include "base/memory.h"

#include <stdlib.h>

struct cnn_staging {
    struct cnn_exchange_device *device;
    float *gradients, *arena; // device, host
    struct cnn_device_event **marks, *moved;
    size_t n_buckets;
};

static enum cnn_status build(struct cnn_staging *staging, size_t n) {
    struct cnn_exchange_device *device = staging->device;
    CNN_TRY(device->ops->alloc_host(device, (void **)&staging->arena, n * sizeof *staging->arena));
    CNN_TRY(cnn_calloc(&staging->marks, staging->n_buckets, sizeof *staging->marks));
    for (size_t i = 0; i < staging->n_buckets; i++)
        CNN_TRY(device->ops->event_create(device, &staging->marks[i], false));
    return device->ops->event_create(device, &staging->moved, false);
}

enum cnn_status cnn_staging_create(struct cnn_staging **out, struct cnn_exchange_device *device,
                                   float *gradients, size_t n, size_t n_buckets) {
    struct cnn_staging *staging;
    CNN_TRY(cnn_calloc(&staging, 1, sizeof *staging));
    staging->device = device;
    staging->gradients = gradients;
    staging->n_buckets = n_buckets;
    const enum cnn_status status = build(staging, n);
    if (status != CNN_OK) {
        cnn_staging_destroy(staging);
        return status;
    }
    *out = staging;
    return CNN_OK;
}

void cnn_staging_destroy(struct cnn_staging *staging) {
    if (!staging)
        return;
    struct cnn_exchange_device *device = staging->device;
    if (staging->moved) {
        // copies that are under way still use the arena; what is wrong with them was or will be said
        // elsewhere
        (void)!device->ops->synchronize(device, staging->moved);
        device->ops->event_destroy(device, staging->moved);
    }
    for (size_t i = 0; staging->marks && i < staging->n_buckets; i++)
        device->ops->event_destroy(device, staging->marks[i]);
    free(staging->marks);
    device->ops->free_host(device, staging->arena);
    free(staging);
}

float *cnn_staging_arena(struct cnn_staging *staging) { return staging->arena; }

enum cnn_status cnn_staging_mark(struct cnn_staging *staging, size_t bucket) {
    return staging->device->ops->record(staging->device, staging->marks[bucket], CNN_STREAM_OPS);
}

enum cnn_status cnn_staging_await(struct cnn_staging *staging, size_t bucket) {
    return staging->device->ops->synchronize(staging->device, staging->marks[bucket]);
}

enum cnn_status cnn_staging_fetch(struct cnn_staging *staging, struct cnn_span span) {
    struct cnn_exchange_device *device = staging->device;
    CNN_TRY(device->ops->download(device, staging->arena + span.first, staging->gradients + span.first,
                                  span.n * sizeof(float)));
    CNN_TRY(device->ops->record(device, staging->moved, CNN_STREAM_EXCHANGE));
    return device->ops->synchronize(device, staging->moved);
}

enum cnn_status cnn_staging_give_back(struct cnn_staging *staging, struct cnn_span span) {
    struct cnn_exchange_device *device = staging->device;
    CNN_TRY(device->ops->upload(device, staging->gradients + span.first, staging->arena + span.first,
                                span.n * sizeof(float)));
    return device->ops->record(device, staging->moved, CNN_STREAM_EXCHANGE);
}

enum cnn_status cnn_staging_join(struct cnn_staging *staging) {
    return staging->device->ops->wait(staging->device, staging->moved, CNN_STREAM_OPS);
}
