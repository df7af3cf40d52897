// The reading half of checkpoint.h.
#include "train/checkpoint.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cnn_checkpoint {
    char path[4096];
    struct cnn_safetensors *file;
    struct cnn_run_record record;
};

static enum cnn_status read_metadata(struct cnn_checkpoint *checkpoint) {
    const char *format = cnn_safetensors_metadata(checkpoint->file, "format");
    const char *version = cnn_safetensors_metadata(checkpoint->file, "format_version");
    if (!format || strncmp(format, "cnn_dist ", 9) != 0)
        return cnn_fail(CNN_ERR_INPUT, "not a cnn_dist checkpoint (according to its metadata)");
    if (!version || strcmp(version, "1") != 0)
        return cnn_fail(CNN_ERR_INPUT, "checkpoint format version %s, but this program reads version 1",
                        version ? version : "(none)");
    for (int i = 0; i < cnn_record_n_fields(); i++)
        CNN_TRY(cnn_record_read(&checkpoint->record, i,
                                cnn_safetensors_metadata(checkpoint->file, cnn_record_key(i))));
    CNN_TRY(cnn_record_check(&checkpoint->record));
    if (!cnn_checkpoint_config(checkpoint))
        return cnn_fail(CNN_ERR_INPUT, "missing `config` in the metadata; not a cnn_dist checkpoint");
    return CNN_OK;
}

enum cnn_status cnn_checkpoint_open(struct cnn_checkpoint **out, const char *path) {
    struct cnn_checkpoint *checkpoint = NULL;
    CNN_TRY(cnn_calloc(&checkpoint, 1, sizeof *checkpoint));
    enum cnn_status status = cnn_path_format(checkpoint->path, sizeof checkpoint->path, "%s", path);
    if (status == CNN_OK)
        status = cnn_safetensors_open(&checkpoint->file, path); // names the file itself
    if (status == CNN_OK && (status = read_metadata(checkpoint)) != CNN_OK)
        status = cnn_fail_in(status, "%s", path);
    if (status != CNN_OK) {
        cnn_checkpoint_close(checkpoint);
        return status;
    }
    *out = checkpoint;
    return CNN_OK;
}

void cnn_checkpoint_close(struct cnn_checkpoint *checkpoint) {
    if (!checkpoint)
        return;
    cnn_safetensors_close(checkpoint->file);
    free(checkpoint);
}

const char *cnn_checkpoint_path(const struct cnn_checkpoint *checkpoint) { return checkpoint->path; }

const struct cnn_run_record *cnn_checkpoint_record(const struct cnn_checkpoint *checkpoint) {
    return &checkpoint->record;
}

const char *cnn_checkpoint_config(const struct cnn_checkpoint *checkpoint) {
    return cnn_safetensors_metadata(checkpoint->file, "config");
}

const char *cnn_checkpoint_class_names(const struct cnn_checkpoint *checkpoint) {
    const char *names = cnn_safetensors_metadata(checkpoint->file, "class_names");
    return names ? names : "[]";
}

static const struct cnn_tensor *find(const struct cnn_checkpoint *checkpoint, const char *prefix,
                                     const char *name) {
    char full[160];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return cnn_safetensors_find(checkpoint->file, full);
}

static void format_dims(char *out, size_t out_bytes, int n_dims, const int64_t *dims) {
    size_t used = (size_t)snprintf(out, out_bytes, "[");
    for (int i = 0; i < n_dims && used < out_bytes; i++)
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%lld", i ? "," : "", (long long)dims[i]);
    if (used < out_bytes)
        snprintf(out + used, out_bytes - used, "]");
}

static bool same_shape(const struct cnn_tensor *tensor, const struct cnn_param *param) {
    if (tensor->dtype != CNN_DTYPE_F32 || tensor->n_dims != param->n_dims)
        return false;
    for (int d = 0; d < param->n_dims; d++)
        if (tensor->dims[d] != param->dims[d])
            return false;
    return true;
}

// The setting that makes the shapes of parameters differ.
static const char *what_to_look_at(const struct cnn_run_facts *facts, const struct cnn_model *model) {
    if (facts->classes != model->n_classes)
        return "model.classes and the dataset's classes";
    if (facts->channels != model->input.c)
        return "data.channels";
    if (facts->height != model->input.h || facts->width != model->input.w)
        return "the size of training images, which augment.train and the dataset determine";
    return "model.arch";
}

static enum cnn_status check_tensor(const struct cnn_checkpoint *checkpoint, const struct cnn_model *model,
                                    const char *prefix, const struct cnn_param *param) {
    const struct cnn_tensor *tensor = find(checkpoint, prefix, param->name);
    if (!tensor)
        return cnn_fail(CNN_ERR_INPUT, "%s has no %s%s, which %s requires: %s", checkpoint->path, prefix,
                        param->name, model->arch,
                        *prefix ? "the file contains weights without optimizer state and cannot be resumed"
                                : "check model.arch");
    if (same_shape(tensor, param))
        return CNN_OK;
    char has[128], wants[128];
    int64_t dims[4];
    for (int d = 0; d < param->n_dims; d++)
        dims[d] = param->dims[d];
    format_dims(has, sizeof has, tensor->n_dims, tensor->dims);
    format_dims(wants, sizeof wants, param->n_dims, dims);
    return cnn_fail(CNN_ERR_INPUT, "%s has %s%s %s%s, but the model requires %s; check %s", checkpoint->path,
                    prefix, param->name, has, tensor->dtype == CNN_DTYPE_F32 ? "" : " (not fp32)", wants,
                    what_to_look_at(&checkpoint->record.facts, model));
}

enum cnn_status cnn_checkpoint_check(const struct cnn_checkpoint *checkpoint, const struct cnn_model *model,
                                     bool velocity) {
    if (strcmp(checkpoint->record.facts.arch, model->arch) != 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s contains a %s, but the config has a %s; set model.arch, or give the run another "
                        "name (run.name)",
                        checkpoint->path, checkpoint->record.facts.arch, model->arch);
    for (int i = 0; i < model->n_params; i++) {
        CNN_TRY(check_tensor(checkpoint, model, "", &model->params[i]));
        if (velocity && !cnn_param_is_statistic(&model->params[i]))
            CNN_TRY(check_tensor(checkpoint, model, CNN_VELOCITY_PREFIX, &model->params[i]));
    }
    return CNN_OK;
}

const float *cnn_checkpoint_parameter(const struct cnn_checkpoint *checkpoint,
                                      const struct cnn_param *param) {
    return find(checkpoint, "", param->name)->data;
}

const float *cnn_checkpoint_velocity(const struct cnn_checkpoint *checkpoint, const struct cnn_param *param) {
    return find(checkpoint, CNN_VELOCITY_PREFIX, param->name)->data;
}
