#include "train/worker.h"

#include "backend/exchange_device.h"
#include "base/error.h"
#include "base/memory.h"
#include "train/alike.h"

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

static enum cnn_status sum_on_host(struct cnn_worker *worker, double *values, size_t n) {
    const enum cnn_status status = cnn_comm_allreduce(worker->comm, values, n, CNN_COMM_F64, CNN_REDUCE_SUM);
    worker->broken |= status != CNN_OK;
    return status;
}

// The first step finds out how many sums a layer has at most.
static enum cnn_status reserve_sums(struct cnn_worker *worker, size_t n) {
    if (n <= worker->n_sums)
        return CNN_OK;
    cnn_backend_free_host(worker->backend, worker->sums);
    worker->sums = NULL;
    worker->n_sums = 0;
    CNN_TRY(cnn_backend_alloc_host(worker->backend, (void **)&worker->sums, n * sizeof *worker->sums));
    worker->n_sums = n;
    return CNN_OK;
}

// Batch norm's sums over ranks; those of a device come to the host and go back.
static enum cnn_status sum_ranks(void *context, double *values, size_t n) {
    struct cnn_worker *worker = context;
    if (cnn_backend_is_host(worker->backend))
        return sum_on_host(worker, values, n);
    CNN_TRY(cnn_backend_synchronize(worker->backend)); // what was sent last has left the host's memory
    CNN_TRY(reserve_sums(worker, n));
    CNN_TRY(cnn_backend_download(worker->backend, worker->sums, values, n * sizeof *values));
    CNN_TRY(cnn_backend_synchronize(worker->backend));
    CNN_TRY(sum_on_host(worker, worker->sums, n));
    return cnn_backend_upload(worker->backend, values, worker->sums, n * sizeof *values);
}

static enum cnn_status create_replica(struct cnn_worker *worker, const struct cnn_worker_options *options) {
    const struct cnn_config *config = options->config;
    struct cnn_replica_options replica = {
        .model = options->model,
        .backend = options->backend,
        .micro_batch = options->micro,
        .training = true,
        .micros = options->micros,
        .label_smoothing = config->train.label_smoothing,
        .seed = config->run.seed,
        .sync_norm = config->train.sync_batch_norm && cnn_comm_size(options->comm) > 1,
        .sum = sum_ranks,
        .sum_context = worker,
        .ranks = cnn_comm_size(options->comm),
    };
    memcpy(replica.mean, options->mean, sizeof replica.mean);
    memcpy(replica.std, options->std, sizeof replica.std);
    worker->syncs = replica.sync_norm;
    return cnn_replica_create(&worker->replica, &replica);
}

static enum cnn_status create_local(struct cnn_worker *worker, const struct cnn_worker_options *options) {
    CNN_TRY(create_replica(worker, options));
    CNN_TRY(cnn_calloc(&worker->recordings, (size_t)options->micros, sizeof *worker->recordings));
    worker->prefetches = !cnn_backend_is_host(options->backend);
    // a recording cannot wait for other ranks on the host
    worker->records =
        options->config->train.record && cnn_backend_can_record(options->backend) && !worker->syncs;
    CNN_TRY(cnn_backend_exchange_device(&worker->device, options->backend));
    return cnn_optimizer_create(&worker->optimizer, options->config, options->backend, worker->replica,
                                options->all_micros);
}

// Running statistics travel with the gradients and must not lose digits on the way. *out has room for all
// segments.
static size_t find_statistics(struct cnn_span *out, const struct cnn_segment *segments, size_t n_segments) {
    size_t n = 0;
    for (size_t i = 0; i < n_segments; i++)
        if (segments[i].kind == CNN_SEGMENT_STATISTIC && segments[i].n > 0)
            out[n++] = (struct cnn_span){segments[i].first, segments[i].n};
    return n;
}

static enum cnn_status create_exchange(struct cnn_worker *worker, const struct cnn_config *config) {
    size_t n_segments;
    const struct cnn_segment *segments = cnn_replica_segments(worker->replica, &n_segments);
    struct cnn_span *exact = NULL;
    CNN_TRY(cnn_comm_agree(worker->comm, cnn_calloc(&exact, n_segments, sizeof *exact)));
    const struct cnn_reducer_options options = {
        .gradients = cnn_replica_gradients(worker->replica),
        .device = worker->device,
        .kind = config->comm.backend,
        .n = cnn_replica_count(worker->replica),
        .bucket_bytes = (size_t)(config->comm.bucket_mb * 1024 * 1024),
        .deterministic = config->train.deterministic,
        .timeout_s = config->comm.timeout_s,
        .precision = config->comm.precision,
        .exact = exact,
        .n_exact = find_statistics(exact, segments, n_segments),
    };
    enum cnn_status status = cnn_reducer_create(&worker->reducer, worker->comm, &options);
    free(exact);
    return status;
}

enum cnn_status cnn_worker_create(struct cnn_worker **out, const struct cnn_worker_options *options) {
    struct cnn_worker *worker = NULL;
    enum cnn_status status = cnn_calloc(&worker, 1, sizeof *worker);
    if (status == CNN_OK) {
        worker->comm = options->comm;
        worker->backend = options->backend;
        worker->source = options->source;
        worker->micros = options->micros;
        worker->all_micros = options->all_micros;
        worker->share = (float)(1.0 / ((double)options->micro * options->all_micros));
        status = create_local(worker, options);
    }
    status = cnn_comm_agree(options->comm, status);
    if (status == CNN_OK)
        status = cnn_check_backends_alike(options->comm, options->backend);
    if (status == CNN_OK)
        status = cnn_check_layouts_alike(options->comm, options->backend, worker->replica);
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
    // an error is of no interest any more; memory that is still copied from must stay
    if (worker->ahead && cnn_replica_loaded(worker->replica) == CNN_OK)
        worker->source.release(worker->source.context, worker->ahead);
    cnn_backend_free_host(worker->backend, worker->sums);
    for (int i = 0; worker->recordings && i < worker->micros; i++)
        cnn_recording_destroy(worker->backend, worker->recordings[i]);
    free(worker->recordings);
    cnn_reducer_destroy(worker->reducer);
    cnn_exchange_device_destroy(worker->device);
    cnn_optimizer_destroy(worker->optimizer);
    cnn_replica_destroy(worker->replica);
    free(worker);
}

static void gradients_ready(void *context, size_t n_ready) { cnn_reducer_ready(context, n_ready); }

static enum cnn_status finish_exchange(struct cnn_worker *worker) {
    worker->exchanged = true;
    const enum cnn_status status = cnn_reducer_finish(worker->reducer);
    worker->broken |= status != CNN_OK;
    return status;
}

// Everything a micro-batch does on the device; with a step's last one also the exchange and the update.
static enum cnn_status queue_micro(struct cnn_worker *worker, int micro) {
    CNN_TRY(cnn_replica_compute(worker->replica, micro, worker->share, gradients_ready, worker->reducer));
    if (micro < worker->micros - 1)
        return CNN_OK;
    CNN_TRY(finish_exchange(worker));
    return cnn_optimizer_step(worker->optimizer);
}

static enum cnn_status record_micro(struct cnn_worker *worker, int micro) {
    CNN_TRY(cnn_backend_record_begin(worker->backend));
    struct cnn_error error = {0};
    const enum cnn_status status = queue_micro(worker, micro);
    if (status != CNN_OK)
        cnn_error_take(&error, status);
    const enum cnn_status end = cnn_backend_record_end(worker->backend, &worker->recordings[micro]);
    // Nothing of it has run: until it does, the exchange is still to be joined, from its start.
    worker->exchanged = false;
    cnn_reducer_begin(worker->reducer);
    return status == CNN_OK ? end : cnn_error_give(&error);
}

// The first step is queued as it is, so that libraries load what they need; the second is recorded.
static enum cnn_status run_micro(struct cnn_worker *worker, int micro) {
    if (!worker->records || !worker->warm || !cnn_reducer_can_record(worker->reducer) ||
        cnn_replica_is_profiled(worker->replica))
        return queue_micro(worker, micro);
    if (!worker->recordings[micro])
        CNN_TRY(record_micro(worker, micro));
    CNN_TRY(cnn_backend_replay(worker->backend, worker->recordings[micro]));
    worker->exchanged = micro == worker->micros - 1;
    return CNN_OK;
}

// The next micro-batch, on its way to the device.
static enum cnn_status fetch(struct cnn_worker *worker, struct cnn_step_report *report) {
    double waited_s = 0;
    CNN_TRY(worker->source.next(worker->source.context, &worker->ahead, &waited_s));
    // while the device still computes, nothing waits for data
    if (!cnn_backend_is_busy(worker->backend))
        report->data_wait_s += waited_s;
    const struct cnn_batch *batch = worker->ahead;
    const struct cnn_targets targets = {
        .labels = batch->labels, .partners = batch->partners, .weights = batch->weights};
    return cnn_replica_load(worker->replica, batch->pixels, &targets, batch->n);
}

// An error is kept for the step that would have used the micro-batch.
static void fetch_ahead(struct cnn_worker *worker, struct cnn_step_report *report) {
    const enum cnn_status status = fetch(worker, report);
    if (status != CNN_OK)
        cnn_error_take(&worker->ahead_error, status);
}

static enum cnn_status take_ahead(struct cnn_worker *worker, struct cnn_batch **out,
                                  struct cnn_step_report *report) {
    if (worker->ahead_error.status != CNN_OK)
        return cnn_error_give(&worker->ahead_error);
    if (!worker->ahead)
        CNN_TRY(fetch(worker, report));
    *out = worker->ahead;
    worker->ahead = NULL;
    return CNN_OK;
}

static enum cnn_status step_micro(struct cnn_worker *worker, uint64_t step, int micro,
                                  struct cnn_step_report *report) {
    struct cnn_batch *batch = NULL;
    CNN_TRY(take_ahead(worker, &batch, report));
    report->bad_records += batch->n_bad;
    const struct cnn_micro_key key = {.step = step, .position = batch->position};
    enum cnn_status status = cnn_replica_begin(worker->replica, key);
    if (status == CNN_OK)
        status = run_micro(worker, micro);
    if (status == CNN_OK)
        status = cnn_replica_loaded(worker->replica);
    worker->source.release(worker->source.context, batch);
    if (status == CNN_OK && worker->prefetches)
        fetch_ahead(worker, report);
    return status;
}

// A rank that failed comes to the exchange all the same; what it could not compute does not matter any more,
// as all ranks stop at this step's boundary. Where ranks also meet inside the network, it cannot: the job
// ends.
static enum cnn_status join_exchange(struct cnn_worker *worker) {
    if (worker->exchanged)
        return CNN_OK;
    if (worker->syncs) {
        worker->broken = true;
        return cnn_fail(CNN_ERR_COMM, "%s", cnn_error_message());
    }
    cnn_reducer_ready(worker->reducer, cnn_replica_count(worker->replica));
    return finish_exchange(worker);
}

// Before anything else waits for the device.
static enum cnn_status settle_exchange(struct cnn_worker *worker) {
    const enum cnn_status status = cnn_reducer_settle(worker->reducer);
    worker->broken |= status != CNN_OK;
    return status;
}

static enum cnn_status record_metrics(struct cnn_worker *worker, struct cnn_step_report *report) {
    struct cnn_metrics sums;
    CNN_TRY(cnn_replica_metrics(worker->replica, &sums));
    cnn_optimizer_end(worker->optimizer, sums.overflow);
    report->loss += sums.loss;
    report->top1 += (double)sums.top1;
    report->top5 += (double)sums.top5;
    report->n += (double)sums.n;
    report->not_finite += !isfinite(sums.loss);
    report->overflow += sums.overflow;
    report->comm_wait_s += cnn_reducer_stats(worker->reducer).wait_s;
    return CNN_OK;
}

enum cnn_status cnn_worker_step(struct cnn_worker *worker, uint64_t step, double rate,
                                struct cnn_step_report *report) {
    enum cnn_status status = CNN_OK;
    struct cnn_error error = {0};
    worker->exchanged = false;
    cnn_comm_set_stage(worker->comm, worker->syncs ? CNN_STAGE_SYNC_BATCH_NORM : CNN_STAGE_STEP,
                       (int64_t)step + 1);
    cnn_optimizer_begin(worker->optimizer, rate);
    cnn_reducer_begin(worker->reducer);
    for (int micro = 0; status == CNN_OK && micro < worker->micros; micro++)
        status = step_micro(worker, step, micro, report);
    if (worker->broken)
        return status;
    if (status != CNN_OK)
        cnn_error_take(&error, status);
    cnn_comm_set_stage(worker->comm, CNN_STAGE_STEP, (int64_t)step + 1);
    CNN_TRY(join_exchange(worker));
    CNN_TRY(settle_exchange(worker)); // also where this rank failed: a device that is lost ends the job here
    if (status != CNN_OK)
        return cnn_error_give(&error);
    worker->warm = true;
    return record_metrics(worker, report);
}
