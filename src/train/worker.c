#include "train/worker.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum cnn_status loader_next(void *context, struct cnn_batch **out, double *waited_s) {
    return cnn_loader_next(context, out, waited_s);
}

static void loader_release(void *context, struct cnn_batch *batch) { cnn_loader_release(context, batch); }

struct cnn_batch_source cnn_batch_source_of_loader(struct cnn_loader *loader) {
    return (struct cnn_batch_source){.context = loader, .next = loader_next, .release = loader_release};
}

static enum cnn_status create_local(struct cnn_worker *worker, const struct cnn_worker_options *options) {
    struct cnn_replica_options replica = {
        .model = options->model,
        .backend = options->backend,
        .micro_batch = options->micro,
        .training = true,
        .micros = options->micros,
        .label_smoothing = options->config->train.label_smoothing,
        .seed = options->config->run.seed,
    };
    memcpy(replica.mean, options->mean, sizeof replica.mean);
    memcpy(replica.std, options->std, sizeof replica.std);
    CNN_TRY(cnn_replica_create(&worker->replica, &replica));
    return cnn_optimizer_create(&worker->optimizer, options->config, options->backend, worker->replica);
}

// Gradients of a GPU are summed where they lie; those of the CPU are plain memory.
static enum cnn_status create_exchange(struct cnn_worker *worker, const struct cnn_config *config) {
    size_t bucket_bytes = (size_t)(config->comm.bucket_mb * 1024 * 1024);
    return cnn_reducer_create(&worker->reducer, worker->comm, cnn_replica_gradients(worker->replica),
                              cnn_replica_count(worker->replica), bucket_bytes, config->comm.timeout_s);
}

enum cnn_status cnn_worker_create(struct cnn_worker **out, const struct cnn_worker_options *options) {
    struct cnn_worker *worker = NULL;
    enum cnn_status status = cnn_calloc(&worker, 1, sizeof *worker);
    if (status == CNN_OK) {
        worker->comm = options->comm;
        worker->source = options->source;
        worker->micros = options->micros;
        worker->all_micros = options->all_micros;
        worker->loss_scale = (float)(1.0 / ((double)options->micro * options->all_micros));
        status = create_local(worker, options);
    }
    status = cnn_comm_agree(options->comm, status);
    if (status == CNN_OK)
        status = cnn_comm_agree(options->comm, create_exchange(worker, options->config));
    if (status != CNN_OK) {
        cnn_worker_destroy(worker);
        return status;
    }
    *out = worker;
    return CNN_OK;
}

void cnn_worker_destroy(struct cnn_worker *worker) {
    if (!worker)
        return;
    if (worker->broken)
        return; // its thread may still hold the arenas
    cnn_reducer_destroy(worker->reducer);
    cnn_optimizer_destroy(worker->optimizer);
    cnn_replica_destroy(worker->replica);
    free(worker);
}

static void gradients_ready(void *context, size_t n_ready) { cnn_reducer_ready(context, n_ready); }

static enum cnn_status compute(struct cnn_worker *worker, const struct cnn_batch *batch, uint64_t step,
                               int micro) {
    struct cnn_micro_key key = {.step = step, .position = batch->position};
    CNN_TRY(cnn_replica_forward(worker->replica, batch->pixels, batch->n, key));
    const struct cnn_targets targets = {
        .labels = batch->labels, .partners = batch->partners, .weights = batch->weights};
    CNN_TRY(cnn_replica_loss(worker->replica, &targets, batch->n, worker->loss_scale));
    return cnn_replica_backward(worker->replica, micro, gradients_ready, worker->reducer);
}

static enum cnn_status run_micro(struct cnn_worker *worker, uint64_t step, int micro,
                                 struct cnn_step_report *report) {
    struct cnn_batch *batch;
    CNN_TRY(worker->source.next(worker->source.context, &batch, &report->data_wait_s));
    report->bad_records += batch->n_bad;
    enum cnn_status status = compute(worker, batch, step, micro);
    worker->source.release(worker->source.context, batch);
    return status;
}

// Every rank must come here whatever happened to it before; what it could not compute does not matter any
// more, as all ranks stop at this step's boundary.
static enum cnn_status finish_exchange(struct cnn_worker *worker, struct cnn_step_report *report) {
    cnn_reducer_ready(worker->reducer, cnn_replica_count(worker->replica));
    enum cnn_status status = cnn_reducer_finish(worker->reducer);
    worker->broken = status != CNN_OK;
    report->comm_wait_s += cnn_reducer_stats(worker->reducer).wait_s;
    return status;
}

static enum cnn_status record_metrics(struct cnn_worker *worker, struct cnn_step_report *report) {
    struct cnn_metrics sums;
    CNN_TRY(cnn_replica_metrics(worker->replica, &sums));
    report->loss += sums.loss;
    report->top1 += (double)sums.top1;
    report->top5 += (double)sums.top5;
    report->n += (double)sums.n;
    report->not_finite += !isfinite(sums.loss);
    return CNN_OK;
}

enum cnn_status cnn_worker_step(struct cnn_worker *worker, uint64_t step, double rate,
                                struct cnn_step_report *report) {
    enum cnn_status status = CNN_OK;
    struct cnn_error error = {0};
    cnn_reducer_begin(worker->reducer);
    for (int micro = 0; status == CNN_OK && micro < worker->micros; micro++)
        status = run_micro(worker, step, micro, report);
    if (status != CNN_OK)
        cnn_error_take(&error, status);
    CNN_TRY(finish_exchange(worker, report));
    if (status != CNN_OK)
        return cnn_error_give(&error);
    CNN_TRY(cnn_optimizer_step(worker->optimizer, rate, worker->all_micros));
    return record_metrics(worker, report);
}
