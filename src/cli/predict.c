// `predict`: classifies pictures with a trained network, prepared as evaluation prepares them.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/picture_list.h"
#include "cli/predict_output.h"
#include "data/picture_loader.h"
#include "train/classifier.h"
#include "train/plan.h"

#include <limits.h>
#include <stdlib.h>

#define BATCHES_AHEAD 3

struct request {
    const char *run_or_checkpoint, *list;
    const struct cnn_args_given *given; // after the first word: files and folders
    bool json, csv, latest;
    int64_t top_k, threads;
    struct cnn_strings set;
};

struct predictor {
    enum cnn_predict_format format;
    struct cnn_classifier *classifier;
    struct cnn_policy *policy;
    struct cnn_picture_list pictures;
    struct cnn_picture_loader *loader;
    int batch, k;         // pictures at once; classes to show of each
    float *probabilities; // batch x classes
    int *order;           // labels, of which the first k are ranked
    const char **names;   // k
    float *best;          // k
    size_t n_bad;
};

static enum cnn_status list_pictures(struct cnn_picture_list *out, const struct request *request) {
    const struct cnn_args_given *given = request->given;
    for (int i = 1; i < given->positional.n; i++)
        CNN_TRY(cnn_picture_list_add(out, given->positional.items[i]));
    for (int i = 0; i < given->n_more; i++)
        CNN_TRY(cnn_picture_list_add(out, given->more[i]));
    if (request->list)
        CNN_TRY(cnn_picture_list_add_lines(out, request->list));
    if (out->n == 0)
        return cnn_fail(CNN_ERR_INPUT, "missing argument: give images, folders of images, or --list FILE");
    return CNN_OK;
}

static enum cnn_status create_loader(struct predictor *predictor) {
    const struct cnn_preparation *preparation = cnn_classifier_preparation(predictor->classifier);
    CNN_TRY(cnn_policy_create(&predictor->policy, &preparation->list, false, 0, 0));
    const struct cnn_picture_loader_options options = {
        .paths = predictor->pictures.paths,
        .n = predictor->pictures.n,
        .policy = predictor->policy,
        .channels = preparation->channels,
        .threads = cnn_plan_threads(cnn_classifier_config(predictor->classifier), 1).loader,
        .batch = predictor->batch,
        .ahead = BATCHES_AHEAD,
    };
    return cnn_picture_loader_create(&predictor->loader, &options);
}

static enum cnn_status create_results(struct predictor *predictor, int64_t top_k) {
    const size_t classes = (size_t)cnn_classifier_classes(predictor->classifier);
    predictor->k = top_k < (int64_t)classes ? (int)top_k : (int)classes;
    CNN_TRY(cnn_malloc(&predictor->probabilities, (size_t)predictor->batch * classes,
                       sizeof *predictor->probabilities));
    CNN_TRY(cnn_calloc(&predictor->order, classes, sizeof *predictor->order));
    CNN_TRY(cnn_calloc(&predictor->names, (size_t)predictor->k, sizeof *predictor->names));
    return cnn_calloc(&predictor->best, (size_t)predictor->k, sizeof *predictor->best);
}

static enum cnn_status open_predictor(struct predictor *predictor, const struct request *request) {
    const struct cnn_classifier_options options = {
        .threads = (int)request->threads,
        .latest = request->latest,
        .set = request->set.items,
        .n_set = (size_t)request->set.n,
    };
    CNN_TRY(cnn_classifier_open_with(&predictor->classifier, request->run_or_checkpoint, &options));
    CNN_TRY(list_pictures(&predictor->pictures, request));
    const size_t n = predictor->pictures.n;
    predictor->batch = cnn_classifier_batch(predictor->classifier, n < INT_MAX ? (int)n : INT_MAX);
    CNN_TRY(create_results(predictor, request->top_k));
    return create_loader(predictor);
}

static void close_predictor(struct predictor *predictor) {
    cnn_picture_loader_destroy(predictor->loader);
    cnn_policy_destroy(predictor->policy);
    cnn_picture_list_finish(&predictor->pictures);
    free(predictor->best);
    free(predictor->names);
    free(predictor->order);
    free(predictor->probabilities);
    cnn_classifier_close(predictor->classifier);
}

// Puts the k most probable labels first; of equal ones the lower. k is small.
static void rank_labels(struct predictor *predictor, const float *probabilities) {
    const int n = cnn_classifier_classes(predictor->classifier);
    int *order = predictor->order;
    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int i = 0; i < predictor->k; i++) {
        int best = i;
        for (int j = i + 1; j < n; j++)
            if (probabilities[order[j]] > probabilities[order[best]])
                best = j;
        const int label = order[best];
        for (int j = best; j > i; j--) // the others keep their order
            order[j] = order[j - 1];
        order[i] = label;
    }
}

static enum cnn_status show(struct predictor *predictor, size_t i, const float *probabilities,
                            const char *reason) {
    const struct cnn_prediction prediction = {
        .path = predictor->pictures.paths[i],
        .reason = reason,
        .n = predictor->k,
        .labels = predictor->order,
        .names = predictor->names,
        .probabilities = predictor->best,
    };
    if (!reason)
        rank_labels(predictor, probabilities);
    for (int k = 0; k < predictor->k && !reason; k++) {
        predictor->best[k] = probabilities[predictor->order[k]];
        predictor->names[k] = cnn_classifier_class_name(predictor->classifier, predictor->order[k]);
    }
    return cnn_predict_picture(predictor->format, &prediction, i);
}

static enum cnn_status predict_batch(struct predictor *predictor, const struct cnn_picture_batch *batch) {
    const size_t classes = (size_t)cnn_classifier_classes(predictor->classifier);
    if (batch->n_bad < batch->n)
        CNN_TRY(cnn_classifier_run_batch(predictor->classifier, batch->pixels, batch->n,
                                         predictor->probabilities));
    for (int row = 0; row < batch->n; row++) {
        if (batch->reasons[row] && predictor->pictures.n > 1)
            cnn_log_warn("%s", batch->reasons[row]);
        CNN_TRY(show(predictor, batch->first + (size_t)row, predictor->probabilities + (size_t)row * classes,
                     batch->reasons[row]));
    }
    predictor->n_bad += (size_t)batch->n_bad;
    return CNN_OK;
}

// Exit status 2 where nothing could be done with any picture, 1 where it could with some.
static enum cnn_status judge(const struct predictor *predictor, const char *last_reason) {
    const size_t n = predictor->pictures.n, n_bad = predictor->n_bad;
    if (n_bad == 0)
        return CNN_OK;
    if (n == 1)
        return cnn_fail(CNN_ERR_INPUT, "%s", last_reason);
    if (n_bad == n)
        return cnn_fail(CNN_ERR_INPUT, "none of the %zu images could be read", n);
    return cnn_fail(CNN_ERR_FAILED, "%zu of %zu images could not be read; the others were classified", n_bad,
                    n);
}

static enum cnn_status predict_all(struct predictor *predictor) {
    const struct cnn_picture_batch *batch = NULL;
    const double begun = cnn_clock_s();
    char *reason = NULL;
    CNN_TRY(cnn_predict_begin(predictor->format, cnn_classifier_path(predictor->classifier)));
    for (;;) {
        CNN_TRY(cnn_picture_loader_next(predictor->loader, &batch));
        if (!batch)
            break;
        CNN_TRY(predict_batch(predictor, batch));
        if (predictor->pictures.n == 1 && batch->reasons[0])
            CNN_TRY(cnn_strdup(&reason, batch->reasons[0]));
    }
    enum cnn_status status = cnn_predict_end(predictor->format, predictor->pictures.n, predictor->n_bad);
    if (status == CNN_OK)
        status = judge(predictor, reason);
    free(reason);
    const double seconds = cnn_clock_s() - begun;
    if (status == CNN_OK && predictor->pictures.n > 1)
        cnn_log_info("%zu images in %.1f s, %.1f images/s", predictor->pictures.n, seconds,
                     (double)predictor->pictures.n / seconds);
    return status;
}

// Rank 0 alone has work.
static enum cnn_status run(const struct request *request) {
    struct predictor predictor = {.format = request->json  ? CNN_PREDICT_JSON
                                            : request->csv ? CNN_PREDICT_CSV
                                                           : CNN_PREDICT_TEXT};
    enum cnn_status status = open_predictor(&predictor, request);
    if (status == CNN_OK)
        status = predict_all(&predictor);
    close_predictor(&predictor);
    return status;
}

enum cnn_status cnn_cmd_predict(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {.top_k = 5};
    const struct cnn_flag flags[] = {
        CNN_STRING_FLAG("list", &request.list, "FILE",
                        "text file with one path per line (-: standard input)"),
        CNN_INT_FLAG("top-k", &request.top_k, "K", 1, 1000, "number of classes to show for each image"),
        CNN_BOOL_FLAG("latest", &request.latest,
                      "in a run folder, use the latest checkpoint instead of the best"),
        CNN_INT_FLAG("threads", &request.threads, "N", 0, 1024, "compute threads (0: as many as eval uses)"),
        CNN_LIST_FLAG("set", &request.set, "KEY=VALUE", "override a value of the run's config"),
        CNN_BOOL_FLAG("json", &request.json, "print the result as one JSON document"),
        CNN_BOOL_FLAG("csv", &request.csv,
                      "print the result as CSV (RFC 4180), one line for each class shown"),
    };
    const struct cnn_args args = {
        .usage = "cnn_dist predict RUN_OR_CHECKPOINT [IMAGE|FOLDER...] [--list FILE] [--top-k K] "
                 "[--json|--csv]",
        .summary =
            "Classifies JPEG and PNG images with a trained network, prepared as in evaluation, and "
            "prints\nthe most "
            "probable classes of each. In a run folder, the best checkpoint is used. A FOLDER stands "
            "for\nall "
            "images below it, in sorted order. An image that cannot be read is reported; the others\nare "
            "classified, and the exit status is 1.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof *flags,
        .least_positional = 1,
        .most_positional = INT_MAX,
    };
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help)
        return CNN_OK;
    if (request.json && request.csv)
        return cnn_fail(CNN_ERR_INPUT, "--json and --csv exclude each other; give one of them");
    request.run_or_checkpoint = given.positional.items[0];
    request.given = &given;
    if (request.json)
        cnn_console_quiet();
    return cnn_comm_rank(comm) == 0 ? run(&request) : CNN_OK;
}
