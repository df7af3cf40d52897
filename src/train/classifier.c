#include "train/classifier.h"

#include "base/memory.h"
#include "train/network.h"
#include "train/plan.h"
#include "train/resume.h"
#include "train/store.h"
#include "train/views.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

// Pictures at once on the host: larger batches take more memory and are no faster.
#define HOST_BATCH 32

struct cnn_classifier {
    struct cnn_checkpoint *checkpoint;
    struct cnn_config config;
    json_t *class_names; // a list, maybe empty
    struct cnn_preparation preparation;
    struct cnn_policy *policy; // of the preparation
    struct cnn_image_scratch scratch;
    uint8_t *pixels; // one prepared picture; NULL before the first
    struct cnn_backend *backend;
    // For pictures of the size and the batch last seen; NULL before the first.
    struct cnn_model *model;
    struct cnn_replica *replica;
    int batch;
    uint8_t *padded; // a batch that is not full
};

static const struct cnn_run_facts *facts_of(const struct cnn_classifier *classifier) {
    return &cnn_checkpoint_record(classifier->checkpoint)->facts;
}

static enum cnn_status open_parts(struct cnn_classifier *classifier, const char *run_or_checkpoint,
                                  const struct cnn_classifier_options *options) {
    char path[4096];
    CNN_TRY(cnn_store_find(path, sizeof path, run_or_checkpoint, options->latest));
    CNN_TRY(cnn_checkpoint_open(&classifier->checkpoint, path));
    const char *text = cnn_checkpoint_config(classifier->checkpoint);
    CNN_TRY(cnn_config_parse(&classifier->config, path, text, strlen(text), options->set, options->n_set));
    classifier->class_names = json_loads(cnn_checkpoint_class_names(classifier->checkpoint), 0, NULL);
    if (!json_is_array(classifier->class_names))
        return cnn_fail(CNN_ERR_INPUT, "%s: the metadata entry class_names is not a JSON list", path);
    CNN_TRY(cnn_preparation_make(&classifier->preparation, &classifier->config, facts_of(classifier), NULL));
    CNN_TRY(cnn_policy_create(&classifier->policy, &classifier->preparation.list, false, 0, 0));
    const int threads =
        options->threads > 0 ? options->threads : cnn_plan_threads(&classifier->config, 1).compute;
    return cnn_network_backend(&classifier->backend, &classifier->config, threads, 0, 1);
}

enum cnn_status cnn_classifier_open_with(struct cnn_classifier **out, const char *run_or_checkpoint,
                                         const struct cnn_classifier_options *options) {
    struct cnn_classifier *classifier = NULL;
    CNN_TRY(cnn_calloc(&classifier, 1, sizeof *classifier));
    enum cnn_status status = open_parts(classifier, run_or_checkpoint, options);
    if (status != CNN_OK) {
        cnn_classifier_close(classifier);
        return status;
    }
    *out = classifier;
    return CNN_OK;
}

enum cnn_status cnn_classifier_open(struct cnn_classifier **out, const char *run_or_checkpoint, int threads) {
    return cnn_classifier_open_with(out, run_or_checkpoint,
                                    &(struct cnn_classifier_options){.threads = threads});
}

static void drop_network(struct cnn_classifier *classifier) {
    cnn_replica_destroy(classifier->replica);
    cnn_model_destroy(classifier->model);
    free(classifier->padded);
    classifier->replica = NULL;
    classifier->model = NULL;
    classifier->padded = NULL;
}

void cnn_classifier_close(struct cnn_classifier *classifier) {
    if (!classifier)
        return;
    drop_network(classifier);
    cnn_backend_destroy(classifier->backend);
    cnn_policy_destroy(classifier->policy);
    cnn_image_scratch_finish(&classifier->scratch);
    free(classifier->pixels);
    json_decref(classifier->class_names);
    cnn_checkpoint_close(classifier->checkpoint);
    free(classifier);
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
    *out_h = classifier->preparation.height;
    *out_w = classifier->preparation.width;
    *out_channels = classifier->preparation.channels;
}

const struct cnn_config *cnn_classifier_config(const struct cnn_classifier *classifier) {
    return &classifier->config;
}

const struct cnn_preparation *cnn_classifier_preparation(const struct cnn_classifier *classifier) {
    return &classifier->preparation;
}

// On the host a picture's logits are the same in any batch of at least 2. A device may choose other kernels
// for another batch, so there it is always the one that `eval` takes.
int cnn_classifier_batch(const struct cnn_classifier *classifier, int n) {
    const int given = classifier->config.eval.batch;
    const int usual = cnn_network_inference_batch(given ? given : (int)facts_of(classifier)->micro);
    if (!cnn_backend_is_host(classifier->backend))
        return usual;
    n = n < usual ? n : usual;
    return cnn_network_inference_batch(n < HOST_BATCH ? n : HOST_BATCH);
}

static enum cnn_status plan_for(struct cnn_classifier *classifier, struct cnn_shape input, int batch) {
    const struct cnn_run_facts *facts = facts_of(classifier);
    drop_network(classifier);
    CNN_TRY(cnn_network_model(&classifier->model, &classifier->config, input, (int)facts->classes));
    struct cnn_replica_options options = {
        .model = classifier->model,
        .backend = classifier->backend,
        .micro_batch = batch,
    };
    memcpy(options.mean, facts->mean, sizeof options.mean);
    memcpy(options.std, facts->std, sizeof options.std);
    CNN_TRY(cnn_replica_create(&classifier->replica, &options));
    size_t row_bytes = 0;
    CNN_TRY(cnn_multiply(&row_bytes, (size_t)input.h * (size_t)input.c, (size_t)input.w));
    CNN_TRY(cnn_calloc(&classifier->padded, (size_t)batch, row_bytes));
    classifier->batch = batch;
    return cnn_resume_parameters(classifier->checkpoint, classifier->model, classifier->replica);
}

// A replica for such pictures and a batch of at least `batch`.
static enum cnn_status require_network(struct cnn_classifier *classifier, struct cnn_shape input, int batch) {
    const struct cnn_model *model = classifier->model;
    if (classifier->replica && model->input.h == input.h && model->input.w == input.w &&
        classifier->batch >= batch)
        return CNN_OK;
    const enum cnn_status status = plan_for(classifier, input, batch);
    if (status != CNN_OK)
        drop_network(classifier);
    return status;
}

// n <= batch pictures; the replica reads a whole batch.
static enum cnn_status run_once(struct cnn_classifier *classifier, const uint8_t *pixels, int n,
                                size_t picture_bytes, float *probabilities) {
    const int classes = cnn_classifier_classes(classifier);
    if (n < classifier->batch)
        pixels = memcpy(classifier->padded, pixels, (size_t)n * picture_bytes);
    CNN_TRY(cnn_replica_forward(classifier->replica, pixels, n, (struct cnn_micro_key){0}));
    CNN_TRY(cnn_replica_logits(classifier->replica, probabilities, n));
    for (int i = 0; i < n; i++)
        cnn_softmax(probabilities + (size_t)i * (size_t)classes, classes);
    return CNN_OK;
}

static enum cnn_status run_all(struct cnn_classifier *classifier, const uint8_t *pixels, int n,
                               struct cnn_shape input, float *probabilities) {
    const size_t bytes = (size_t)input.h * (size_t)input.w * (size_t)input.c;
    CNN_TRY(require_network(classifier, input, cnn_classifier_batch(classifier, n)));
    for (int first = 0; first < n; first += classifier->batch) {
        const int left = n - first, some = left < classifier->batch ? left : classifier->batch;
        CNN_TRY(run_once(classifier, pixels + (size_t)first * bytes, some, bytes,
                         probabilities + (size_t)first * (size_t)cnn_classifier_classes(classifier)));
    }
    return CNN_OK;
}

enum cnn_status cnn_classifier_run(struct cnn_classifier *classifier, const uint8_t *pixels, int h, int w,
                                   float *probabilities) {
    const struct cnn_shape input = {h, w, classifier->preparation.channels};
    return run_all(classifier, pixels, 1, input, probabilities);
}

enum cnn_status cnn_classifier_run_batch(struct cnn_classifier *classifier, const uint8_t *pixels, int n,
                                         float *probabilities) {
    const struct cnn_preparation *preparation = &classifier->preparation;
    const struct cnn_shape input = {preparation->height, preparation->width, preparation->channels};
    return run_all(classifier, pixels, n, input, probabilities);
}

enum cnn_status cnn_classifier_run_file(struct cnn_classifier *classifier, const void *data, size_t bytes,
                                        float *probabilities) {
    const struct cnn_preparation *preparation = &classifier->preparation;
    const struct cnn_shape input = {preparation->height, preparation->width, preparation->channels};
    if (!classifier->pixels)
        CNN_TRY(cnn_malloc(&classifier->pixels, (size_t)input.h * (size_t)input.w, (size_t)input.c));
    CNN_TRY(cnn_policy_apply(classifier->policy, classifier->pixels, input.c, data, bytes, NULL,
                             cnn_draws_of(0, CNN_PURPOSE_AUGMENT, 0, 0), &classifier->scratch));
    return run_all(classifier, classifier->pixels, 1, input, probabilities);
}
