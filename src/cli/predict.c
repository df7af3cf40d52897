// `predict`: names what is on pictures, with the network's own preprocessing.
#include "base/file.h"
#include "base/memory.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json.h"
#include "train/classifier.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES ((size_t)1 << 30)

struct request {
    const char *run_or_checkpoint;
    bool json, latest;
    int64_t top_k, threads;
};

struct predictor {
    const struct request *request;
    struct cnn_classifier *classifier;
    float *probabilities;
    int *order; // labels, the most probable first
    json_t *documents;
};

static enum cnn_status classify(struct predictor *predictor, const char *path) {
    char *data = NULL;
    size_t bytes;
    CNN_TRY(cnn_file_read(&data, &bytes, path, MAX_FILE_BYTES));
    enum cnn_status status =
        cnn_classifier_run_file(predictor->classifier, data, bytes, predictor->probabilities);
    free(data);
    return status == CNN_OK ? status : cnn_fail_in(status, "%s", path);
}

// Puts the k most probable labels first; k is small.
static void rank_labels(struct predictor *predictor, int k) {
    int n = cnn_classifier_classes(predictor->classifier), *order = predictor->order;
    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int i = 0; i < k; i++)
        for (int j = i + 1; j < n; j++)
            if (predictor->probabilities[order[j]] > predictor->probabilities[order[i]]) {
                int swapped = order[i];
                order[i] = order[j];
                order[j] = swapped;
            }
}

static const char *label_name(const struct predictor *predictor, int label, char *room, size_t room_bytes) {
    const char *name = cnn_classifier_class_name(predictor->classifier, label);
    snprintf(room, room_bytes, "%d", label);
    return name ? name : room;
}

static void print_text(const struct predictor *predictor, const char *path, int k) {
    printf("%s\n", path);
    for (int i = 0; i < k; i++) {
        char room[16];
        int label = predictor->order[i];
        printf("  %6.2f %%  %s\n", 100 * (double)predictor->probabilities[label],
               label_name(predictor, label, room, sizeof room));
    }
}

static void add_document(struct predictor *predictor, const char *path, int k) {
    json_t *best = json_array();
    for (int i = 0; i < k; i++) {
        int label = predictor->order[i];
        const char *name = cnn_classifier_class_name(predictor->classifier, label);
        cnn_json_append(&best,
                        json_pack("{s:i, s:o, s:o}", "label", label, "class", cnn_json_string(name),
                                  "probability", cnn_json_number((double)predictor->probabilities[label])));
    }
    cnn_json_append(&predictor->documents,
                    json_pack("{s:o, s:o}", "image", cnn_json_string(path), "predictions", best));
}

static enum cnn_status predict_all(struct predictor *predictor, const struct cnn_strings *paths) {
    int n = cnn_classifier_classes(predictor->classifier);
    int k = predictor->request->top_k < n ? (int)predictor->request->top_k : n;
    for (int i = 0; i < paths->n; i++) {
        CNN_TRY(classify(predictor, paths->items[i]));
        rank_labels(predictor, k);
        if (predictor->request->json)
            add_document(predictor, paths->items[i], k);
        else
            print_text(predictor, paths->items[i], k);
    }
    if (!predictor->request->json)
        return CNN_OK;
    json_t *documents = predictor->documents;
    predictor->documents = NULL;
    return cnn_json_print(json_pack("{s:o, s:o}", "checkpoint",
                                    cnn_json_string(cnn_classifier_path(predictor->classifier)), "images",
                                    documents));
}

static enum cnn_status open_predictor(struct predictor *predictor) {
    const struct request *request = predictor->request;
    const struct cnn_classifier_options options = {.threads = (int)request->threads,
                                                   .latest = request->latest};
    CNN_TRY(cnn_classifier_open_with(&predictor->classifier, request->run_or_checkpoint, &options));
    size_t n = (size_t)cnn_classifier_classes(predictor->classifier);
    predictor->documents = json_array();
    CNN_TRY(cnn_calloc(&predictor->probabilities, n, sizeof *predictor->probabilities));
    return cnn_calloc(&predictor->order, n, sizeof *predictor->order);
}

static void close_predictor(struct predictor *predictor) {
    json_decref(predictor->documents);
    free(predictor->order);
    free(predictor->probabilities);
    cnn_classifier_close(predictor->classifier);
}

// Rank 0 alone has work: pictures given on a command line are few.
static enum cnn_status run(const struct request *request, const struct cnn_strings *paths) {
    struct predictor predictor = {.request = request};
    enum cnn_status status = open_predictor(&predictor);
    if (status == CNN_OK)
        status = predict_all(&predictor, paths);
    close_predictor(&predictor);
    return status;
}

enum cnn_status cnn_cmd_predict(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {.top_k = 5};
    const struct cnn_flag flags[] = {
        CNN_INT_FLAG("top-k", &request.top_k, "K", 1, 1000, "classes to show of each picture"),
        CNN_BOOL_FLAG("latest", &request.latest,
                      "in a run folder, use the latest checkpoint instead of the "
                      "best"),
        CNN_INT_FLAG("threads", &request.threads, "N", 0, 1024, "compute threads (0: all processors)"),
        CNN_BOOL_FLAG("json", &request.json, "print the result as one JSON document"),
    };
    const struct cnn_args args = {
        .usage = "cnn_dist predict RUN_OR_CHECKPOINT IMAGE... [--top-k K] [--json]",
        .summary = "Says what a trained network sees on JPEG and PNG pictures, the most probable first.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof *flags,
        .least_positional = 2,
        .most_positional = CNN_ARGS_MAX_STRINGS,
    };
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help)
        return CNN_OK;
    request.run_or_checkpoint = given.positional.items[0];
    if (request.json)
        cnn_console_quiet();
    struct cnn_strings paths = {.n = given.positional.n - 1};
    memcpy(paths.items, given.positional.items + 1, (size_t)paths.n * sizeof *paths.items);
    return cnn_comm_rank(comm) == 0 ? run(&request, &paths) : CNN_OK;
}
