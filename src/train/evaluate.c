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
    uint64_t rounds;  // batches of the rank that has most of them
    int64_t max_bad;  // records that may fail, over all ranks
    const char *path; // of the dataset
    double n_bad;     // records that failed in this pass, on this rank
    // Where each picture is looked at several times; views 1: the replica scores by itself, and these are
    // unused.
    int views, batch;
    bool flips;
    float *logits;
    double *sums; // of probabilities
    struct cnn_view_scores scores;
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
    if (evaluator->views == 1)
        return CNN_OK;
    const size_t rows = (size_t)evaluator->batch, classes = (size_t)evaluator->model->n_classes;
    CNN_TRY(cnn_malloc(&evaluator->logits, rows * classes, sizeof *evaluator->logits));
    return cnn_malloc(&evaluator->sums, rows * classes, sizeof *evaluator->sums);
}

enum cnn_status cnn_evaluator_create(struct cnn_evaluator **out,
                                     const struct cnn_evaluator_options *options) {
    struct cnn_evaluator *evaluator = NULL;
    enum cnn_status status = cnn_calloc(&evaluator, 1, sizeof *evaluator);
    if (status == CNN_OK) {
        evaluator->batch = cnn_network_inference_batch(options->batch);
        uint64_t batch = (uint64_t)evaluator->batch, size = (uint64_t)cnn_comm_size(options->comm);
        uint64_t batches = (cnn_dataset_count(options->dataset) + batch - 1) / batch;
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
    free(evaluator->sums);
    free(evaluator);
}

struct cnn_replica *cnn_evaluator_replica(struct cnn_evaluator *evaluator) {
    return evaluator->replica;
}

const struct cnn_model *cnn_evaluator_model(const struct cnn_evaluator *evaluator) {
    return evaluator->model;
}

static enum cnn_status run_batch(struct cnn_evaluator *evaluator) {
    struct cnn_batch *batch;
    CNN_TRY(cnn_loader_next(evaluator->loaders[0], &batch, NULL));
    if (!batch)
        return CNN_OK; // this rank has one batch less than others
    evaluator->n_bad += batch->n_bad;
    struct cnn_micro_key key = {.position = batch->position};
    enum cnn_status status = cnn_replica_forward(evaluator->replica, batch->pixels, batch->n, key);
    if (status == CNN_OK)
        status =
            cnn_replica_loss(evaluator->replica, &(struct cnn_targets){.labels = batch->labels}, batch->n, 1);
    cnn_loader_release(evaluator->loaders[0], batch);
    return status;
}

static enum cnn_status look(struct cnn_evaluator *evaluator, const struct cnn_batch *batch) {
    const struct cnn_micro_key key = {.position = batch->position};
    CNN_TRY(cnn_replica_forward(evaluator->replica, batch->pixels, batch->n, key));
    CNN_TRY(cnn_replica_logits(evaluator->replica, evaluator->logits, batch->n));
    cnn_views_add(evaluator->sums, evaluator->logits, batch->n, evaluator->model->n_classes);
    return CNN_OK;
}

static enum cnn_status look_both_ways(struct cnn_evaluator *evaluator, struct cnn_batch *batch) {
    CNN_TRY(look(evaluator, batch));
    if (!evaluator->flips)
        return CNN_OK;
    cnn_views_mirror(batch->pixels, batch->n, batch->h, batch->w, batch->c);
    return look(evaluator, batch);
}

// The same records through every loader; a record that fails, fails in all of them.
static enum cnn_status run_views(struct cnn_evaluator *evaluator) {
    const int classes = evaluator->model->n_classes;
    enum cnn_status status = CNN_OK;
    memset(evaluator->sums, 0, (size_t)evaluator->batch * (size_t)classes * sizeof *evaluator->sums);
    for (int i = 0; i < evaluator->crops && status == CNN_OK; i++) {
        struct cnn_batch *batch;
        CNN_TRY(cnn_loader_next(evaluator->loaders[i], &batch, NULL));
        if (!batch)
            return CNN_OK;
        evaluator->n_bad += i == 0 ? batch->n_bad : 0;
        status = look_both_ways(evaluator, batch);
        if (status == CNN_OK && i == evaluator->crops - 1)
            cnn_views_score(&evaluator->scores, evaluator->sums, evaluator->views, batch->labels, batch->n,
                            classes);
        cnn_loader_release(evaluator->loaders[i], batch);
    }
    return status;
}

// All ranks run the same rounds and look around together, so that a rank in trouble, or told to stop, takes
// the others along. CNN_ERR_COMM alone leaves at once.
static enum cnn_status run_rounds(struct cnn_evaluator *evaluator, const char *(*stop)(void *), void *context,
                                  bool *interrupted, enum cnn_status *mine) {
    for (uint64_t round = 0; round < evaluator->rounds; round++) {
        if (*mine == CNN_OK)
            *mine = evaluator->views > 1 ? run_views(evaluator) : run_batch(evaluator);
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
    double sums[5] = {metrics.loss + seen->loss, (double)metrics.top1 + seen->top1,
                      (double)metrics.top5 + seen->top5, (double)metrics.n + seen->n, evaluator->n_bad};
    CNN_TRY(cnn_comm_allreduce(evaluator->comm, sums, 5, CNN_COMM_F64, CNN_REDUCE_SUM));
    if (sums[4] > (double)evaluator->max_bad)
        return cnn_fail(CNN_ERR_FAILED,
                        "%s: %.0f records could not be used, more than data.max_bad %" PRId64
                        " allows; `cnn_dist dataset verify` names them",
                        evaluator->path, sums[4], evaluator->max_bad);
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
    evaluator->n_bad = 0;
    evaluator->scores = (struct cnn_view_scores){0};
    for (int i = 0; i < evaluator->crops; i++)
        CNN_TRY(cnn_loader_start(evaluator->loaders[i], 0, 0));
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
