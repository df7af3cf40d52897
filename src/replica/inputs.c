// A micro-batch's way to the device. A backend that reads host memory takes it where it is; for others it is
// copied ahead, beside the ops, into memory of its own, so that a recorded step finds it at the same place.
#include "base/memory.h"
#include "replica/private.h"
#include <stddef.h>

// What of the control block the host writes, and what the device does.
#define HOST_PART offsetof(struct cnn_control, overflow)
#define DEVICE_PART (sizeof(struct cnn_control) - HOST_PART)

static size_t picture_bytes(const struct cnn_replica *r) {
    const struct cnn_shape *in = &r->model->input;
    return (size_t)in->h * (size_t)in->w * (size_t)in->c;
}

static enum cnn_status create_memory(struct cnn_replica *r) {
    struct cnn_replica_inputs *inputs = &r->inputs;
    const size_t n = (size_t)r->options.micro_batch;
    inputs->labels_at = cnn_align_up(n * picture_bytes(r), CNN_ALIGN);
    inputs->partners_at = inputs->labels_at + cnn_align_up(n * sizeof(int32_t), CNN_ALIGN);
    inputs->weights_at = inputs->partners_at + cnn_align_up(n * sizeof(int32_t), CNN_ALIGN);
    inputs->bytes = inputs->weights_at + n * sizeof(float);
    CNN_TRY(cnn_backend_alloc(r->backend, (void **)&inputs->memory, inputs->bytes));
    CNN_TRY(cnn_backend_alloc_host(r->backend, (void **)&inputs->ones, n * sizeof *inputs->ones));
    for (size_t i = 0; i < n; i++)
        inputs->ones[i] = 1;
    return CNN_OK;
}

// Micro-batches whose control block may wait to be copied: a step's, and one that was run ahead of it.
static int controls_under_way(const struct cnn_replica *r) { return r->options.micros + 2; }

enum cnn_status cnn_replica_create_inputs(struct cnn_replica *r) {
    CNN_TRY(cnn_backend_alloc(r->backend, (void **)&r->control, sizeof *r->control));
    CNN_TRY(cnn_backend_alloc_host(r->backend, (void **)&r->host_controls,
                                   (size_t)controls_under_way(r) * sizeof *r->host_controls));
    r->update = (struct cnn_update_values){.loss_scale = 1, .first = true};
    return cnn_backend_is_host(r->backend) ? CNN_OK : create_memory(r);
}

void cnn_replica_destroy_inputs(struct cnn_replica *r) {
    cnn_backend_free(r->backend, r->control);
    cnn_backend_free_host(r->backend, r->host_controls);
    cnn_backend_free(r->backend, r->inputs.memory);
    cnn_backend_free_host(r->backend, r->inputs.ones);
}

static enum cnn_status stage(struct cnn_replica *r, size_t at, const void *host, size_t bytes) {
    return r->backend->ops->stage(r->backend, r->inputs.memory + at, host, bytes);
}

enum cnn_status cnn_replica_load_pixels(struct cnn_replica *r, const uint8_t *pixels, int n) {
    struct cnn_replica_inputs *inputs = &r->inputs;
    inputs->n = n;
    inputs->pixels = pixels;
    if (!inputs->memory)
        return CNN_OK;
    inputs->pixels = (const uint8_t *)inputs->memory;
    return stage(r, 0, pixels, (size_t)n * picture_bytes(r));
}

// On a device all pictures are mixtures, some of a picture and itself, so that every step is the same.
enum cnn_status cnn_replica_load_targets(struct cnn_replica *r, const struct cnn_targets *targets, int n) {
    struct cnn_replica_inputs *inputs = &r->inputs;
    const size_t bytes = (size_t)n * sizeof(int32_t);
    inputs->targets = *targets;
    if (!inputs->memory)
        return CNN_OK;
    inputs->targets.labels = (const int32_t *)(const void *)(inputs->memory + inputs->labels_at);
    inputs->targets.partners = (const int32_t *)(const void *)(inputs->memory + inputs->partners_at);
    inputs->targets.weights = (const float *)(const void *)(inputs->memory + inputs->weights_at);
    CNN_TRY(stage(r, inputs->labels_at, targets->labels, bytes));
    CNN_TRY(stage(r, inputs->partners_at, targets->partners ? targets->partners : targets->labels, bytes));
    return stage(r, inputs->weights_at, targets->partners ? targets->weights : inputs->ones, bytes);
}

enum cnn_status cnn_replica_load(struct cnn_replica *r, const uint8_t *pixels,
                                 const struct cnn_targets *targets, int n) {
    CNN_TRY(cnn_replica_load_pixels(r, pixels, n));
    return cnn_replica_load_targets(r, targets, n);
}

enum cnn_status cnn_replica_begin(struct cnn_replica *r, struct cnn_micro_key key) {
    struct cnn_control *control = &r->host_controls[r->next_control];
    r->next_control = (r->next_control + 1) % controls_under_way(r);
    *control = (struct cnn_control){.step = key.step,
                                    .position = key.position,
                                    .rate = r->update.rate,
                                    .loss_scale = r->update.loss_scale,
                                    .first_update = r->update.first};
    CNN_TRY(cnn_backend_upload(r->backend, r->control, control, HOST_PART));
    return r->inputs.memory ? r->backend->ops->stage_wait(r->backend) : CNN_OK;
}

enum cnn_status cnn_replica_used(struct cnn_replica *r) {
    return r->inputs.memory ? r->backend->ops->stage_used(r->backend) : CNN_OK;
}

// What was computed before goes on meanwhile.
enum cnn_status cnn_replica_loaded(struct cnn_replica *r) {
    return r->inputs.memory ? r->backend->ops->stage_finish(r->backend) : CNN_OK;
}

void cnn_replica_set_update(struct cnn_replica *r, struct cnn_update_values values) { r->update = values; }

struct cnn_control *cnn_replica_control(struct cnn_replica *r) {
    return r->control;
}

enum cnn_status cnn_replica_metrics(struct cnn_replica *r, struct cnn_metrics *out) {
    static const struct cnn_control zeros;
    struct cnn_control seen;
    char *device = (char *)r->control + HOST_PART;
    CNN_TRY(cnn_backend_download(r->backend, (char *)&seen + HOST_PART, device, DEVICE_PART));
    CNN_TRY(cnn_backend_synchronize(r->backend));
    CNN_TRY(cnn_backend_upload(r->backend, device, (const char *)&zeros + HOST_PART, DEVICE_PART));
    CNN_TRY(cnn_backend_synchronize(r->backend));
    *out = (struct cnn_metrics){seen.sums[0], (uint64_t)seen.sums[1], (uint64_t)seen.sums[2],
                                (uint64_t)seen.sums[3], seen.overflow != 0};
    return CNN_OK;
}
