// The memory half of checkpoint.h, and its way into a file.
#include "base/memory.h"
#include "train/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cnn_snapshot {
    const struct cnn_model *model;
    struct cnn_tensor *tensors; // the n_params parameters first, then velocities and counters
    size_t n_tensors;
    int *velocity_of; // by parameter, index into tensors; -1: none
    float *memory;
    bool velocity;
};

static bool has_velocity(const struct cnn_snapshot *snapshot, int param) {
    return snapshot->velocity && !cnn_param_is_statistic(&snapshot->model->params[param]);
}

static void describe(struct cnn_tensor *tensor, const struct cnn_param *param, const char *prefix,
                     float *values) {
    snprintf(tensor->name, sizeof tensor->name, "%s%s", prefix, param->name);
    tensor->dtype = CNN_DTYPE_F32;
    tensor->n_dims = param->n_dims;
    for (int d = 0; d < param->n_dims; d++)
        tensor->dims[d] = param->dims[d];
    tensor->data = values;
}

static void lay_out(struct cnn_snapshot *snapshot) {
    const struct cnn_model *model = snapshot->model;
    float *at = snapshot->memory;
    for (int i = 0; i < model->n_params; i++, snapshot->n_tensors++) {
        describe(&snapshot->tensors[snapshot->n_tensors], &model->params[i], "", at);
        at += cnn_param_count(&model->params[i]);
    }
    for (int i = 0; i < model->n_params; i++) {
        snapshot->velocity_of[i] = has_velocity(snapshot, i) ? (int)snapshot->n_tensors : -1;
        if (snapshot->velocity_of[i] < 0)
            continue;
        describe(&snapshot->tensors[snapshot->n_tensors++], &model->params[i], CNN_VELOCITY_PREFIX, at);
        at += cnn_param_count(&model->params[i]);
    }
}

enum cnn_status cnn_snapshot_create(struct cnn_snapshot **out, const struct cnn_model *model, bool velocity) {
    struct cnn_snapshot *snapshot = NULL;
    size_t n_floats = 0;
    CNN_TRY(cnn_calloc(&snapshot, 1, sizeof *snapshot));
    snapshot->model = model;
    snapshot->velocity = velocity;
    for (int i = 0; i < model->n_params; i++)
        n_floats += cnn_param_count(&model->params[i]) * (has_velocity(snapshot, i) ? 2 : 1);
    enum cnn_status status =
        cnn_calloc(&snapshot->tensors, (size_t)model->n_params * 2, sizeof *snapshot->tensors);
    if (status == CNN_OK)
        status = cnn_calloc(&snapshot->velocity_of, (size_t)model->n_params, sizeof *snapshot->velocity_of);
    if (status == CNN_OK)
        status = cnn_calloc(&snapshot->memory, n_floats, sizeof *snapshot->memory);
    if (status != CNN_OK) {
        cnn_snapshot_destroy(snapshot);
        return status;
    }
    lay_out(snapshot);
    *out = snapshot;
    return CNN_OK;
}

void cnn_snapshot_destroy(struct cnn_snapshot *snapshot) {
    if (!snapshot)
        return;
    free(snapshot->memory);
    free(snapshot->velocity_of);
    free(snapshot->tensors);
    free(snapshot);
}

float *cnn_snapshot_parameter(struct cnn_snapshot *snapshot, int param) {
    return (float *)snapshot->tensors[param].data;
}

float *cnn_snapshot_velocity(struct cnn_snapshot *snapshot, int param) {
    int tensor = snapshot->velocity_of[param];
    return tensor < 0 ? NULL : (float *)snapshot->tensors[tensor].data;
}

enum cnn_status cnn_snapshot_take(struct cnn_snapshot *snapshot, struct cnn_replica *replica,
                                  const float *velocity) {
    const float *parameters = cnn_replica_parameters(replica);
    for (int i = 0; i < snapshot->model->n_params; i++) {
        CNN_TRY(cnn_replica_get(replica, parameters, i, cnn_snapshot_parameter(snapshot, i)));
        if (velocity && cnn_snapshot_velocity(snapshot, i))
            CNN_TRY(cnn_replica_get(replica, velocity, i, cnn_snapshot_velocity(snapshot, i)));
    }
    return CNN_OK;
}

// One pass without a branch: doubles do not overflow from sums of floats, so the sum is finite if all terms
// are.
static bool all_finite(const float *values, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return isfinite(sum);
}

enum cnn_status cnn_snapshot_check_finite(const struct cnn_snapshot *snapshot) {
    for (size_t i = 0; i < snapshot->n_tensors; i++) {
        const struct cnn_tensor *tensor = &snapshot->tensors[i];
        size_t n = 1;
        for (int d = 0; d < tensor->n_dims; d++)
            n *= (size_t)tensor->dims[d];
        if (!all_finite(tensor->data, n))
            return cnn_fail(CNN_ERR_FAILED, "%s contains values that are not finite", tensor->name);
    }
    return CNN_OK;
}

// "layer1.0.bn1.running_mean" -> "layer1.0.bn1.num_batches_tracked"
static bool counter_name(char *out, size_t out_bytes, const struct cnn_param *param) {
    const char *dot = strrchr(param->name, '.');
    if (param->role != CNN_PARAM_RUNNING_MEAN || !dot)
        return false;
    snprintf(out, out_bytes, "%.*s.num_batches_tracked", (int)(dot - param->name), param->name);
    return true;
}

// The snapshot's tensors and, beside BN statistics, PyTorch's counters. *out is freed by the caller.
static enum cnn_status with_counters(struct cnn_tensor **out, size_t *out_n,
                                     const struct cnn_snapshot *snapshot, const int64_t *steps) {
    const struct cnn_model *model = snapshot->model;
    struct cnn_tensor *tensors = NULL;
    size_t n = snapshot->n_tensors;
    CNN_TRY(cnn_calloc(&tensors, n + (size_t)model->n_params, sizeof *tensors));
    memcpy(tensors, snapshot->tensors, n * sizeof *tensors);
    for (int i = 0; !snapshot->velocity && i < model->n_params; i++)
        if (counter_name(tensors[n].name, sizeof tensors[n].name, &model->params[i])) {
            tensors[n].dtype = CNN_DTYPE_I64;
            tensors[n++].data = steps;
        }
    *out = tensors;
    *out_n = n;
    return CNN_OK;
}

enum cnn_status cnn_checkpoint_write(const char *path, const struct cnn_snapshot *snapshot,
                                     const struct cnn_run_record *record,
                                     const struct cnn_checkpoint_texts *texts) {
    char values[CNN_RECORD_FIELDS][CNN_RECORD_VALUE_BYTES];
    struct cnn_metadata metadata[CNN_RECORD_FIELDS + 5] = {
        {"format", snapshot->velocity ? "cnn_dist checkpoint" : "cnn_dist weights"},
        {"format_version", "1"},
        {"version", texts->version},
        {"config", texts->config},
        {"class_names", texts->class_names},
    };
    size_t n = 5, n_tensors;
    for (int i = 0; i < cnn_record_n_fields(); i++, n++) {
        cnn_record_write(record, i, values[i]);
        metadata[n] = (struct cnn_metadata){cnn_record_key(i), values[i]};
    }
    struct cnn_tensor *tensors = NULL;
    CNN_TRY(with_counters(&tensors, &n_tensors, snapshot, &record->state.step));
    enum cnn_status status = cnn_safetensors_write(path, tensors, n_tensors, metadata, n);
    free(tensors);
    return status;
}
