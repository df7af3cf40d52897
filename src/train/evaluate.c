#include "train/evaluate.h"

#include "base/clock.h"
#include "base/memory.h"
#include "train/network.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// Batches between two looks at what the other ranks have seen.
#define ROUNDS_PER_LOOK 8

struct cnn_evaluator {
    struct cnn_comm *comm;
    struct cnn_loader *loaders[CNN_TTA_MOST_CROPS]; // of the crops that are looked at
    int crops;
    struct cnn_model *model;
    struct cnn_replica *replica;
    struct cnn_batch *held[CNN_TTA_MOST_CROPS]; // of each loader: fetched, and not used yet
    uint64_t rounds;                            // batches of the rank that has most of them
    uint64_t records;                           // of the dataset
    int64_t max_bad;                            // records that may fail, over all ranks
    const char *path;                           // of the dataset
    int views, batch;
    bool flips;
    float *logits;                 // with several views or an observer
    struct cnn_view_sums sums;     // with several views; otherwise the replica scores by itself,
    struct cnn_view_scores scores; // and these stay 0
    struct cnn_observed *observed; // NULL without an observer
};

static enum cnn_status create_replica(struct cnn_evaluator *evaluator,
                                      const struct cnn_evaluator_options *options) {
    struct cnn_replica_options replica = {
        .model = evaluator->model,
        .backend = options->backend,
        .micro_batch = evaluator->batch,
        .training = false,
        .of = options->of,
        .seed = options->config->run.seed,
    };
    memcpy(replica.mean, options->mean, sizeof replica.mean);
    memcpy(replica.std, options->std, sizeof replica.std);
    return cnn_replica_create(&evaluator->replica, &replica);
}

static enum cnn_status create_loaders(struct cnn_evaluator *evaluator,
                                      const struct cnn_evaluator_options *options) {
    struct cnn_augment_list list;
    evaluator->flips = cnn_tta_flips(options->tta);
    for (int i = 0; i < cnn_tta_crops(options->tta); i++) {
        CNN_TRY(cnn_tta_list(&list, &options->preparation->list, options->tta, i));
        CNN_TRY(cnn_network_eval_loader(&evaluator->loaders[i], options->config, &list, options->backend,
                                        options->dataset, options->preparation->channels, options->threads,
                                        evaluator->batch, options->comm));
        evaluator->crops++;
    }
    evaluator->views = evaluator->crops * (evaluator->flips ? 2 : 1);
    return CNN_OK;
}

static enum cnn_status create_parts(struct cnn_evaluator *evaluator,
                                    const struct cnn_evaluator_options *options) {
    struct cnn_shape input;
    CNN_TRY(create_loaders(evaluator, options));
    cnn_loader_output(evaluator->loaders[0], &input.h, &input.w, &input.c);
    CNN_TRY(cnn_network_model(&evaluator->model, options->config, input, options->classes));
    CNN_TRY(create_replica(evaluator, options));
    const int classes = evaluator->model->n_classes;
    if (evaluator->views > 1)
        CNN_TRY(cnn_view_sums_init(&evaluator->sums, evaluator->batch, classes));
    if (options->observer)
        CNN_TRY(cnn_observed_create(&evaluator->observed, options->observer, options->comm, evaluator->batch,
                                    classes));
    if (evaluator->views == 1 && !options->observer)
        return CNN_OK;
    return cnn_malloc(&evaluator->logits, (size_t)evaluator->batch * (size_t)classes,
                      sizeof *evaluator->logits);
}

enum cnn_status cnn_evaluator_create(struct cnn_evaluator **out,
                                     const struct cnn_evaluator_options *options) {
    struct cnn_evaluator *evaluator = NULL;
    enum cnn_status status = cnn_calloc(&evaluator, 1, sizeof *evaluator);
    if (status == CNN_OK) {
        evaluator->batch = cnn_network_inference_batch(options->batch);
        uint64_t batch = (uint64_t)evaluator->batch, size = (uint64_t)cnn_comm_size(options->comm);
        uint64_t batches = (cnn_dataset_count(options->dataset) + batch - 1) / batch;
        evaluator->records = cnn_dataset_count(options->dataset);
        evaluator->comm = options->comm;
        evaluator->max_bad = options->config->data.max_bad;
        evaluator->path = cnn_dataset_path(options->dataset);
        evaluator->rounds = (batches + size - 1) / size;
        status = create_parts(evaluator, options);
    }
    status = cnn_comm_agree(options->comm, status);
    if (status != CNN_OK) {
        cnn_evaluator_destroy(evaluator);
        return status;
    }
    *out = evaluator;
    return CNN_OK;
}

void cnn_evaluator_destroy(struct cnn_evaluator *evaluator) {
    if (!evaluator)
        return;
    cnn_replica_destroy(evaluator->replica);
    cnn_model_destroy(evaluator->model);
    for (int i = 0; i < evaluator->crops; i++)
        cnn_loader_destroy(evaluator->loaders[i]);
    free(evaluator->logits);
    cnn_view_sums_finish(&evaluator->sums);
    cnn_observed_destroy(evaluator->observed);
    free(evaluator);
}

struct cnn_replica *cnn_evaluator_replica(struct cnn_evaluator *evaluator) {
    return evaluator->replica;
}

const struct cnn_model *cnn_evaluator_model(const struct cnn_evaluator *evaluator) {
    return evaluator->model;
}

// The batch of this round from one of the loaders; NULL where this rank has none, or none of its records
// could be read (the loader passes over such a batch). Ended by give_back.
static enum cnn_status fetch(struct cnn_evaluator *evaluator, int crop, uint64_t round,
                             struct cnn_batch **out) {
    *out = NULL;
    if (!evaluator->held[crop])
        CNN_TRY(cnn_loader_next(evaluator->loaders[crop], &evaluator->held[crop], NULL));
    if (evaluator->held[crop] && evaluator->held[crop]->step == round)
        *out = evaluator->held[crop];
    return CNN_OK;
}

static void give_back(struct cnn_evaluator *evaluator, int crop) {
    cnn_loader_release(evaluator->loaders[crop], evaluator->held[crop]);
    evaluator->held[crop] = NULL;
}

static enum cnn_status compute(struct cnn_evaluator *evaluator, const struct cnn_batch *batch) {
    const struct cnn_micro_key key = {.position = batch->position};
    CNN_TRY(cnn_replica_forward(evaluator->replica, batch->pixels, batch->n, key));
    if (!evaluator->logits)
        return CNN_OK;
    return cnn_replica_logits(evaluator->replica, evaluator->logits, batch->n);
}

static void observe_batch(struct cnn_evaluator *evaluator, const struct cnn_batch *batch) {
    const size_t classes = (size_t)evaluator->model->n_classes;
    for (int i = 0; evaluator->observed && i < batch->n; i++) {
        float *probabilities = cnn_observed_add(evaluator->observed, batch->ids[i], batch->labels[i]);
        memcpy(probabilities, evaluator->logits + (size_t)i * classes, classes * sizeof *probabilities);
        cnn_softmax(probabilities, (int)classes);
    }
}

static enum cnn_status score_batch(struct cnn_evaluator *evaluator, const struct cnn_batch *batch) {
    const struct cnn_targets targets = {.labels = batch->labels};
    CNN_TRY(compute(evaluator, batch));
    observe_batch(evaluator, batch);
    return cnn_replica_loss(evaluator->replica, &targets, batch->n, 1);
}

static enum cnn_status run_batch(struct cnn_evaluator *evaluator, uint64_t round) {
    struct cnn_batch *batch;
    CNN_TRY(fetch(evaluator, 0, round, &batch));
    if (!batch)
        return CNN_OK;
    const enum cnn_status status = score_batch(evaluator, batch);
    give_back(evaluator, 0);
    return status;
}

static enum cnn_status add_view(struct cnn_evaluator *evaluator, const struct cnn_batch *batch) {
    CNN_TRY(compute(evaluator, batch));
    cnn_view_sums_add(&evaluator->sums, batch->ids, batch->labels, evaluator->logits, batch->n);
    return CNN_OK;
}

static enum cnn_status add_views(struct cnn_evaluator *evaluator, struct cnn_batch *batch) {
    CNN_TRY(add_view(evaluator, batch));
    if (!evaluator->flips)
        return CNN_OK;
    cnn_views_mirror(batch->pixels, batch->n, batch->h, batch->w, batch->c);
    return add_view(evaluator, batch);
}

static void observe_views(struct cnn_evaluator *evaluator) {
    const struct cnn_view_sums *sums = &evaluator->sums;
    for (int i = 0; evaluator->observed && i < sums->n; i++) {
        float *probabilities = cnn_observed_add(evaluator->observed, sums->ids[i], sums->labels[i]);
        for (int k = 0; k < sums->classes; k++)
            probabilities[k] =
                (float)(sums->sums[(size_t)i * (size_t)sums->classes + (size_t)k] / evaluator->views);
    }
}

// The same records through every loader. One that cannot be read for all views does not count.
static enum cnn_status run_views(struct cnn_evaluator *evaluator, uint64_t round) {
    enum cnn_status status = CNN_OK;
    cnn_view_sums_start(&evaluator->sums);
    for (int crop = 0; crop < evaluator->crops && status == CNN_OK; crop++) {
        struct cnn_batch *batch;
        CNN_TRY(fetch(evaluator, crop, round, &batch));
        if (!batch)
            continue;
        status = add_views(evaluator, batch);
        give_back(evaluator, crop);
    }
    if (status != CNN_OK)
        return status;
    cnn_view_sums_complete(&evaluator->sums, evaluator->views);
    cnn_views_score(&evaluator->scores, &evaluator->sums, evaluator->views);
    observe_views(evaluator);
    return CNN_OK;
}

// All ranks run the same rounds and look around together, so that a rank in trouble, or told to stop, takes
// the others along. CNN_ERR_COMM alone leaves at once.
static enum cnn_status run_rounds(struct cnn_evaluator *evaluator, const char *(*stop)(void *), void *context,
                                  bool *interrupted, enum cnn_status *mine) {
    for (uint64_t round = 0; round < evaluator->rounds; round++) {
        if (*mine == CNN_OK)
            *mine = evaluator->views > 1 ? run_views(evaluator, round) : run_batch(evaluator, round);
        if (evaluator->observed)
            CNN_TRY(cnn_observed_share(evaluator->observed, mine));
        if (round % ROUNDS_PER_LOOK != 0)
            continue;
        int64_t seen[2] = {*mine != CNN_OK, stop && stop(context)};
        CNN_TRY(cnn_comm_allreduce(evaluator->comm, seen, 2, CNN_COMM_I64, CNN_REDUCE_SUM));
        *interrupted = seen[1] > 0;
        if (seen[0] || seen[1])
            break;
    }
    return CNN_OK;
}

static enum cnn_status sum_metrics(struct cnn_evaluator *evaluator, struct cnn_evaluation *out) {
    struct cnn_metrics metrics = {0};
    CNN_TRY(cnn_comm_agree(evaluator->comm, cnn_replica_metrics(evaluator->replica, &metrics)));
    const struct cnn_view_scores *seen = &evaluator->scores; // one of the two is 0
    double sums[4] = {metrics.loss + seen->loss, (double)metrics.top1 + seen->top1,
                      (double)metrics.top5 + seen->top5, (double)metrics.n + seen->n};
    CNN_TRY(cnn_comm_allreduce(evaluator->comm, sums, 4, CNN_COMM_F64, CNN_REDUCE_SUM));
    const double n_bad = out->interrupted ? 0 : (double)evaluator->records - sums[3];
    if (n_bad > (double)evaluator->max_bad)
        return cnn_fail(CNN_ERR_FAILED,
                        "%s: %.0f records could not be used, more than data.max_bad %" PRId64
                        " allows; `cnn_dist dataset verify` lists them",
                        evaluator->path, n_bad, evaluator->max_bad);
    double n = sums[3] > 0 ? sums[3] : 1;
    out->loss = sums[0] / n;
    out->top1 = 100 * sums[1] / n;
    out->top5 = 100 * sums[2] / n;
    out->n = (uint64_t)sums[3];
    return CNN_OK;
}

static enum cnn_status begin(struct cnn_evaluator *evaluator) {
    struct cnn_metrics leftover;
    CNN_TRY(cnn_replica_metrics(evaluator->replica, &leftover)); // an interrupted pass leaves sums behind
    CNN_TRY(cnn_replica_refresh(evaluator->replica));
    evaluator->scores = (struct cnn_view_scores){0};
    for (int i = 0; i < evaluator->crops; i++) {
        give_back(evaluator, i); // of an interrupted pass
        CNN_TRY(cnn_loader_start(evaluator->loaders[i], 0, 0));
    }
    return CNN_OK;
}

enum cnn_status cnn_evaluator_run(struct cnn_evaluator *evaluator, const char *(*stop)(void *context),
                                  void *context, struct cnn_evaluation *out) {
    double start_s = cnn_clock_s();
    *out = (struct cnn_evaluation){0};
    cnn_comm_set_stage(evaluator->comm, CNN_STAGE_EVALUATION, -1);
    enum cnn_status mine = begin(evaluator);
    CNN_TRY(run_rounds(evaluator, stop, context, &out->interrupted, &mine));
    CNN_TRY(cnn_comm_agree(evaluator->comm, mine));
    CNN_TRY(sum_metrics(evaluator, out));
    out->seconds = cnn_clock_s() - start_s;
    return CNN_OK;
}
