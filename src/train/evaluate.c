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
    struct cnn_loader *loader;
    struct cnn_model *model;
    struct cnn_replica *replica;
    uint64_t rounds;  // batches of the rank that has most of them
    int64_t max_bad;  // records that may fail, over all ranks
    const char *path; // of the dataset
    double n_bad;     // records that failed in this pass, on this rank
};

static enum cnn_status create_replica(struct cnn_evaluator *evaluator,
                                      const struct cnn_evaluator_options *options) {
    struct cnn_replica_options replica = {
        .model = evaluator->model,
        .backend = options->backend,
        .micro_batch = options->batch,
        .training = false,
        .of = options->of,
        .seed = options->config->run.seed,
    };
    memcpy(replica.mean, options->mean, sizeof replica.mean);
    memcpy(replica.std, options->std, sizeof replica.std);
    return cnn_replica_create(&evaluator->replica, &replica);
}

static enum cnn_status create_parts(struct cnn_evaluator *evaluator,
                                    const struct cnn_evaluator_options *options) {
    struct cnn_shape input;
    CNN_TRY(cnn_network_eval_loader(&evaluator->loader, options->config, options->backend, options->dataset,
                                    options->channels, options->threads, options->batch, options->comm));
    cnn_loader_output(evaluator->loader, &input.h, &input.w, &input.c);
    CNN_TRY(cnn_network_model(&evaluator->model, options->config, input, options->classes));
    return create_replica(evaluator, options);
}

enum cnn_status cnn_evaluator_create(struct cnn_evaluator **out,
                                     const struct cnn_evaluator_options *options) {
    struct cnn_evaluator *evaluator = NULL;
    enum cnn_status status = cnn_calloc(&evaluator, 1, sizeof *evaluator);
    if (status == CNN_OK) {
        uint64_t batches =
            (cnn_dataset_count(options->dataset) + (uint64_t)options->batch - 1) / (uint64_t)options->batch;
        uint64_t size = (uint64_t)cnn_comm_size(options->comm);
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
    cnn_loader_destroy(evaluator->loader);
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
    CNN_TRY(cnn_loader_next(evaluator->loader, &batch, NULL));
    if (!batch)
        return CNN_OK; // this rank has one batch less than others
    evaluator->n_bad += batch->n_bad;
    struct cnn_micro_key key = {.position = batch->position};
    enum cnn_status status = cnn_replica_forward(evaluator->replica, batch->pixels, batch->n, key);
    if (status == CNN_OK)
        status =
            cnn_replica_loss(evaluator->replica, &(struct cnn_targets){.labels = batch->labels}, batch->n, 1);
    cnn_loader_release(evaluator->loader, batch);
    return status;
}

// All ranks run the same rounds and look around together, so that a rank in trouble, or told to stop, takes
// the others along. CNN_ERR_COMM alone leaves at once.
static enum cnn_status run_rounds(struct cnn_evaluator *evaluator, bool (*stop)(void *), void *context,
                                  bool *interrupted, enum cnn_status *mine) {
    for (uint64_t round = 0; round < evaluator->rounds; round++) {
        if (*mine == CNN_OK)
            *mine = run_batch(evaluator);
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
    double sums[5] = {metrics.loss, (double)metrics.top1, (double)metrics.top5, (double)metrics.n,
                      evaluator->n_bad};
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
    return cnn_loader_start(evaluator->loader, 0, 0);
}

enum cnn_status cnn_evaluator_run(struct cnn_evaluator *evaluator, bool (*stop)(void *context), void *context,
                                  struct cnn_evaluation *out) {
    double start_s = cnn_clock_s();
    *out = (struct cnn_evaluation){0};
    enum cnn_status mine = begin(evaluator);
    CNN_TRY(run_rounds(evaluator, stop, context, &out->interrupted, &mine));
    CNN_TRY(cnn_comm_agree(evaluator->comm, mine));
    CNN_TRY(sum_metrics(evaluator, out));
    out->seconds = cnn_clock_s() - start_s;
    return CNN_OK;
}
