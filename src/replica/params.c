// Parameters between the arenas and the outside.
#include "base/checksum.h"
#include "base/memory.h"
#include "replica/private.h"
#include <stdlib.h>

static struct cnn_step *step_of(struct cnn_replica *r, int param) {
    return &r->graph.steps[r->places[param].step];
}

enum cnn_status cnn_replica_get(struct cnn_replica *r, const float *arena, int param, float *out) {
    struct cnn_step *step = step_of(r, param);
    return step->ops->param_get(step->plan, r->places[param].index, arena + r->places[param].at, out);
}

enum cnn_status cnn_replica_set(struct cnn_replica *r, float *arena, int param, const float *values) {
    struct cnn_step *step = step_of(r, param);
    return step->ops->param_set(step->plan, r->places[param].index, arena + r->places[param].at, values);
}

// Sets every parameter to what `fill` makes of it.
typedef void (*filler)(const struct cnn_model *model, int param, uint64_t seed, float *values);
static enum cnn_status fill_all(struct cnn_replica *r, filler fill, uint64_t seed) {
    size_t most = 0;
    float *values = NULL;
    for (int i = 0; i < r->model->n_params; i++)
        most = cnn_param_count(&r->model->params[i]) > most ? cnn_param_count(&r->model->params[i]) : most;
    CNN_TRY(cnn_malloc(&values, most, sizeof *values));
    enum cnn_status status = CNN_OK;
    for (int i = 0; status == CNN_OK && i < r->model->n_params; i++) {
        fill(r->model, i, seed, values);
        status = cnn_replica_set(r, r->parameters, i, values);
    }
    free(values);
    return status;
}

enum cnn_status cnn_replica_init(struct cnn_replica *r, uint64_t seed) {
    CNN_TRY(fill_all(r, cnn_param_init, seed));
    return cnn_replica_refresh(r);
}

// ---- layout

#define CHUNK ((size_t)1 << 18) // floats

static void number(const struct cnn_model *model, int param, uint64_t seed, float *values) {
    (void)seed;
    for (size_t i = 0; i < cnn_param_count(&model->params[param]); i++)
        values[i] = (float)(param + 1) + (float)(i % 65536) / 65536;
}

static enum cnn_status checksum(struct cnn_replica *r, uint32_t *out) {
    float *values = NULL;
    enum cnn_status status = cnn_malloc(&values, CHUNK, sizeof *values);
    *out = cnn_crc32c(0, &r->count, sizeof r->count);
    for (size_t at = 0; status == CNN_OK && at < r->count; at += CHUNK) {
        const size_t bytes = (r->count - at < CHUNK ? r->count - at : CHUNK) * sizeof *values;
        status = cnn_backend_download(r->backend, values, r->parameters + at, bytes);
        if (status == CNN_OK)
            status = cnn_backend_synchronize(r->backend);
        if (status == CNN_OK)
            *out = cnn_crc32c(*out, values, bytes);
    }
    free(values);
    return status;
}

enum cnn_status cnn_replica_layout(struct cnn_replica *r, uint32_t *out) {
    CNN_TRY(fill_all(r, number, 0));
    return checksum(r, out);
}

enum cnn_status cnn_replica_refresh(struct cnn_replica *r) {
    if (r->compute && !r->borrows)
        CNN_TRY(r->backend->ops->narrow(r->backend, r->compute, r->parameters, r->count));
    if (r->graph.training)
        return CNN_OK;
    for (int i = 0; i < r->graph.n_steps; i++) {
        struct cnn_step *step = &r->graph.steps[i];
        if (step->ops->refresh)
            CNN_TRY(step->ops->refresh(step->plan, &step->forward));
    }
    return CNN_OK;
}
