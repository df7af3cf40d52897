// Parameters between the arenas and the outside.
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

enum cnn_status cnn_replica_init(struct cnn_replica *r, uint64_t seed) {
    size_t most = 0;
    float *values = NULL;
    for (int i = 0; i < r->model->n_params; i++)
        most = cnn_param_count(&r->model->params[i]) > most ? cnn_param_count(&r->model->params[i]) : most;
    CNN_TRY(cnn_malloc(&values, most, sizeof *values));
    enum cnn_status status = CNN_OK;
    for (int i = 0; status == CNN_OK && i < r->model->n_params; i++) {
        cnn_param_init(r->model, i, seed, values);
        status = cnn_replica_set(r, r->parameters, i, values);
    }
    free(values);
    return status == CNN_OK ? cnn_replica_refresh(r) : status;
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
