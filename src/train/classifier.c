#include "train/classifier.h"

#include "base/cpus.h"
#include "base/memory.h"
#include "train/network.h"
#include "train/resume.h"
#include "train/store.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct cnn_classifier {
    struct cnn_checkpoint *checkpoint;
    struct cnn_config config;
    json_t *class_names; // a list, maybe empty
    struct cnn_backend *backend;
    struct cnn_model *model; // for pictures of the size last seen; NULL before the first
    struct cnn_replica *replica;
};

static enum cnn_status open_parts(struct cnn_classifier *classifier, const char *run_or_checkpoint,
                                  int threads, bool latest) {
    char path[4096];
    CNN_TRY(cnn_store_find(path, sizeof path, run_or_checkpoint, latest));
    CNN_TRY(cnn_checkpoint_open(&classifier->checkpoint, path));
    const char *text = cnn_checkpoint_config(classifier->checkpoint);
    CNN_TRY(cnn_config_parse(&classifier->config, path, text, strlen(text), NULL, 0));
    classifier->class_names = json_loads(cnn_checkpoint_class_names(classifier->checkpoint), 0, NULL);
    if (!json_is_array(classifier->class_names))
        return cnn_fail(CNN_ERR_INPUT, "%s: the metadata entry class_names is not a JSON list", path);
    return cnn_network_backend(&classifier->backend, &classifier->config,
                               threads > 0 ? threads : cnn_cpus_allowed(), 0, 1);
}

enum cnn_status cnn_classifier_open_latest(struct cnn_classifier **out, const char *run_or_checkpoint,
                                           int threads, bool latest) {
    struct cnn_classifier *classifier = NULL;
    CNN_TRY(cnn_calloc(&classifier, 1, sizeof *classifier));
    enum cnn_status status = open_parts(classifier, run_or_checkpoint, threads, latest);
    if (status != CNN_OK) {
        cnn_classifier_close(classifier);
        return status;
    }
    *out = classifier;
    return CNN_OK;
}

enum cnn_status cnn_classifier_open(struct cnn_classifier **out, const char *run_or_checkpoint, int threads) {
    return cnn_classifier_open_latest(out, run_or_checkpoint, threads, false);
}

static void drop_network(struct cnn_classifier *classifier) {
    cnn_replica_destroy(classifier->replica);
    cnn_model_destroy(classifier->model);
    classifier->replica = NULL;
    classifier->model = NULL;
}

void cnn_classifier_close(struct cnn_classifier *classifier) {
    if (!classifier)
        return;
    drop_network(classifier);
    cnn_backend_destroy(classifier->backend);
    json_decref(classifier->class_names);
    cnn_checkpoint_close(classifier->checkpoint);
    free(classifier);
}

static const struct cnn_run_facts *facts_of(const struct cnn_classifier *classifier) {
    return &cnn_checkpoint_record(classifier->checkpoint)->facts;
}

const char *cnn_classifier_path(const struct cnn_classifier *classifier) {
    return cnn_checkpoint_path(classifier->checkpoint);
}

int cnn_classifier_classes(const struct cnn_classifier *classifier) {
    return (int)facts_of(classifier)->classes;
}

const char *cnn_classifier_class_name(const struct cnn_classifier *classifier, int label) {
    return label < 0 ? NULL : json_string_value(json_array_get(classifier->class_names, (size_t)label));
}

void cnn_classifier_input(const struct cnn_classifier *classifier, int *out_h, int *out_w,
                          int *out_channels) {
    *out_h = (int)facts_of(classifier)->height;
    *out_w = (int)facts_of(classifier)->width;
    *out_channels = (int)facts_of(classifier)->channels;
}

const struct cnn_config *cnn_classifier_config(const struct cnn_classifier *classifier) {
    return &classifier->config;
}

static enum cnn_status plan_for(struct cnn_classifier *classifier, int h, int w) {
    const struct cnn_run_facts *facts = facts_of(classifier);
    struct cnn_shape input = {h, w, (int)facts->channels};
    drop_network(classifier);
    CNN_TRY(cnn_network_model(&classifier->model, &classifier->config, input, (int)facts->classes));
    struct cnn_replica_options options = {
        .model = classifier->model,
        .backend = classifier->backend,
        .micro_batch = 1,
    };
    memcpy(options.mean, facts->mean, sizeof options.mean);
    memcpy(options.std, facts->std, sizeof options.std);
    CNN_TRY(cnn_replica_create(&classifier->replica, &options));
    return cnn_resume_parameters(classifier->checkpoint, classifier->model, classifier->replica);
}

static void softmax(float *values, int n) {
    float most = values[0];
    double sum = 0;
    for (int i = 1; i < n; i++)
        most = fmaxf(most, values[i]);
    for (int i = 0; i < n; i++)
        sum += values[i] = expf(values[i] - most);
    for (int i = 0; i < n; i++)
        values[i] = (float)(values[i] / sum);
}

enum cnn_status cnn_classifier_run(struct cnn_classifier *classifier, const uint8_t *pixels, int h, int w,
                                   float *probabilities) {
    bool planned = classifier->replica && classifier->model->input.h == h && classifier->model->input.w == w;
    enum cnn_status status = planned ? CNN_OK : plan_for(classifier, h, w);
    if (status != CNN_OK) {
        drop_network(classifier);
        return status;
    }
    CNN_TRY(cnn_replica_forward(classifier->replica, pixels, 1, (struct cnn_micro_key){0}));
    CNN_TRY(cnn_replica_logits(classifier->replica, probabilities, 1));
    softmax(probabilities, cnn_classifier_classes(classifier));
    return CNN_OK;
}
