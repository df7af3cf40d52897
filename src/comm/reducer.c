// Reducers of all kinds: choosing one, and what is the same for all.
#include "comm/reducer.h"

#include "base/checksum.h"
#include "base/log.h"
#include "base/memory.h"
#include "comm/kinds.h"
#include "comm/nccl.h"
#include "comm/way.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct cnn_span cnn_reducer_bucket(const struct cnn_reducer *reducer, size_t bucket) {
    size_t first = bucket * reducer->bucket, left = reducer->n - first;
    return (struct cnn_span){first, left < reducer->bucket ? left : reducer->bucket};
}

// ---- one rank: there is nothing to do

static void idle_begin(struct cnn_reducer *reducer) {}
static void idle_ready(struct cnn_reducer *reducer, size_t n_ready) {}
static enum cnn_status idle_finish(struct cnn_reducer *reducer) { return CNN_OK; }
static void idle_destroy(struct cnn_reducer *reducer) { free(reducer); }

static const struct cnn_reducer_ops idle_ops = {
    .can_record = true,
    .begin = idle_begin,
    .ready = idle_ready,
    .finish = idle_finish,
    .settle = idle_finish,
    .destroy = idle_destroy,
};

static enum cnn_status idle_create(struct cnn_reducer **out, const struct cnn_reducer *shape) {
    CNN_TRY(cnn_calloc(out, 1, sizeof **out));
    **out = *shape;
    (*out)->ops = &idle_ops;
    (*out)->way = "nothing";
    return CNN_OK;
}

// ---- which way

static void know_oneself(struct cnn_way_facts *mine, const struct cnn_reducer_options *options,
                         const struct cnn_comm *comm) {
    mine->has_device = options->device != NULL;
    snprintf(mine->host, sizeof mine->host, "%s", comm->host);
    if (!options->device)
        return;
    snprintf(mine->place, sizeof mine->place, "%s", options->device->place);
    if (options->kind == CNN_COMM_NCCL ||
        (options->kind == CNN_COMM_AUTO && comm->size > 1)) // it is a large library
        mine->has_nccl = cnn_nccl_is_usable(options->deterministic, mine->why, sizeof mine->why);
}

// Collective; the same on all ranks.
static enum cnn_status choose_way(struct cnn_way_choice *out, struct cnn_comm *comm,
                                  const struct cnn_reducer_options *options) {
    struct cnn_way_facts mine = {0}, *all;
    know_oneself(&mine, options, comm);
    CNN_TRY(cnn_comm_agree(comm, cnn_calloc(&all, (size_t)comm->size, sizeof *all)));
    enum cnn_status status = comm->ops->allgather(comm, &mine, sizeof mine, all);
    if (status == CNN_OK)
        status = cnn_way_choose(out, options->kind, all, comm->size);
    free(all);
    return status;
}

static void say_way(const struct cnn_comm *comm, const struct cnn_way_choice *choice, const char *sum) {
    if (comm->rank != 0 || choice->way == CNN_WAY_HOST)
        return;
    if (choice->way == CNN_WAY_NCCL)
        cnn_log_info("gradients  summed by %s, directly between GPUs", sum);
    else
        cnn_log_info("gradients  exchanged through host memory and MPI%s%s",
                     choice->why[0] ? ", not by NCCL: " : "", choice->why);
}

// ---- making one

#define BUCKET_ALIGN ((size_t)1024) // elements

// Buckets small enough that what is left after backward's last layers is little, large enough that their
// starts do not count: a bucket on one host costs some wake-ups, between hosts some round trips, between
// devices a few kernels, which are soon done. They begin where vectors do.
static size_t choose_bucket(size_t n, int hosts, enum cnn_way way) {
    size_t least = (size_t)(way == CNN_WAY_NCCL ? 1024 : hosts == 1 ? 64 : 256) << 10;
    size_t most = (size_t)(way != CNN_WAY_NCCL && hosts == 1 ? 1 : 4) << 20;
    size_t sixteenth = n / 16;
    return sixteenth < least ? least : sixteenth > most ? most : cnn_align_up(sixteenth, BUCKET_ALIGN);
}

static enum cnn_status check_extent(struct cnn_comm *comm, const struct cnn_reducer *shape) {
    const int64_t n = (int64_t)shape->n, bucket = (int64_t)shape->bucket;
    int64_t extent[4] = {n, -n, bucket, -bucket};
    CNN_TRY(cnn_comm_allreduce(comm, extent, 4, CNN_COMM_I64, CNN_REDUCE_MIN));
    if (extent[0] == -extent[1] && extent[2] == -extent[3])
        return CNN_OK;
    return cnn_fail(CNN_ERR_COMM,
                    "gradient exchange: ranks have between %lld and %lld gradients in buckets of %lld to "
                    "%lld; all ranks must run the same model with the same options",
                    (long long)extent[0], -(long long)extent[1], (long long)extent[2], -(long long)extent[3]);
}

static enum cnn_status check_wire(struct cnn_comm *comm, const struct cnn_wire *wire) {
    const int64_t exact = cnn_crc32c(0, wire->exact, wire->n_exact * sizeof *wire->exact);
    int64_t is[4] = {wire->precision, -(int64_t)wire->precision, exact, -exact};
    CNN_TRY(cnn_comm_allreduce(comm, is, 4, CNN_COMM_I64, CNN_REDUCE_MIN));
    if (is[0] == -is[1] && is[2] == -is[3])
        return CNN_OK;
    return cnn_fail(CNN_ERR_COMM,
                    "gradient exchange: ranks differ in %s; all ranks must run the same model with the same "
                    "options",
                    is[0] == -is[1] ? "what they send exactly" : "comm.precision");
}

static enum cnn_status create_threaded(struct cnn_reducer **out, const struct cnn_reducer *shape) {
    struct cnn_comm *comm = shape->comm;
    struct cnn_exchange *exchange;
    CNN_TRY(comm->ops->exchange_create(&exchange, comm, &shape->wire));
    if (comm->rank == 0)
        cnn_log(CNN_LOG_DEBUG, "gradients: %zu buckets of %zu %s by %s", shape->n_buckets, shape->bucket,
                cnn_wire_rounds(&shape->wire) ? cnn_precision_name(shape->wire.precision) : "floats",
                exchange->name);
    const enum cnn_status status = cnn_threaded_create(out, shape, exchange);
    if (status != CNN_OK)
        cnn_exchange_destroy(exchange);
    return status;
}

static enum cnn_status create_queued(struct cnn_reducer **out, const struct cnn_reducer *shape) {
    struct cnn_stream_sum *sum;
    CNN_TRY(cnn_nccl_create(&sum, shape->comm, shape->device, shape->timeout_s));
    const enum cnn_status status = cnn_queued_create(out, shape, sum);
    if (status != CNN_OK)
        sum->ops->destroy(sum);
    return status;
}

static enum cnn_status create_kind(struct cnn_reducer **out, const struct cnn_reducer *shape,
                                   const struct cnn_way_choice *choice) {
    if (shape->comm->size == 1)
        return idle_create(out, shape);
    CNN_TRY(check_extent(shape->comm, shape));
    CNN_TRY(check_wire(shape->comm, &shape->wire));
    if (choice->way == CNN_WAY_NCCL)
        return create_queued(out, shape);
    return create_threaded(out, shape);
}

static enum cnn_status copy_spans(struct cnn_span **out, const struct cnn_span *spans, size_t n) {
    CNN_TRY(cnn_calloc(out, n, sizeof **out));
    for (size_t i = 0; i < n; i++)
        (*out)[i] = spans[i];
    return CNN_OK;
}

enum cnn_status cnn_reducer_create(struct cnn_reducer **out, struct cnn_comm *comm,
                                   const struct cnn_reducer_options *options) {
    struct cnn_way_choice choice;
    struct cnn_span *exact = NULL;
    CNN_TRY(choose_way(&choice, comm, options));
    struct cnn_reducer shape = {
        .comm = comm,
        .device = options->device,
        .gradients = options->gradients,
        .n = options->n,
        .bucket = options->bucket_bytes ? options->bucket_bytes / sizeof(float)
                                        : choose_bucket(options->n, comm->hosts, choice.way),
        .timeout_s = options->timeout_s,
    };
    if (shape.bucket == 0)
        shape.bucket = 1;
    shape.n_buckets = shape.n / shape.bucket + (shape.n % shape.bucket != 0);
    CNN_TRY(cnn_comm_agree(comm, copy_spans(&exact, options->exact, options->n_exact)));
    shape.wire = (struct cnn_wire){options->precision, exact, options->n_exact};
    const enum cnn_status status = create_kind(out, &shape, &choice);
    if (status != CNN_OK)
        free(exact);
    else if (!options->quiet && comm->size > 1)
        say_way(comm, &choice, (*out)->way);
    return status;
}

void cnn_reducer_destroy(struct cnn_reducer *reducer) {
    if (!reducer)
        return;
    void *exact = (void *)reducer->wire.exact;
    reducer->ops->destroy(reducer);
    free(exact);
}

// ---- a step

// What failed half-way leaves this rank out of step with the others, whatever it was.
static enum cnn_status as_exchange_error(struct cnn_reducer *reducer, enum cnn_status status) {
    if (status == CNN_OK)
        return CNN_OK;
    atomic_store(&reducer->comm->broken, true);
    return status == CNN_ERR_COMM ? status : cnn_fail(CNN_ERR_COMM, "%s", cnn_error_message());
}

void cnn_reducer_begin(struct cnn_reducer *reducer) { reducer->ops->begin(reducer); }

void cnn_reducer_ready(struct cnn_reducer *reducer, size_t n_ready) {
    assert(n_ready <= reducer->n);
    reducer->ops->ready(reducer, n_ready);
}

enum cnn_status cnn_reducer_finish(struct cnn_reducer *reducer) {
    return as_exchange_error(reducer, reducer->ops->finish(reducer));
}

enum cnn_status cnn_reducer_settle(struct cnn_reducer *reducer) {
    return as_exchange_error(reducer, reducer->ops->settle(reducer));
}

bool cnn_reducer_can_record(const struct cnn_reducer *reducer) { return reducer->ops->can_record; }

struct cnn_reducer_stats cnn_reducer_stats(const struct cnn_reducer *reducer) {
    return (struct cnn_reducer_stats){
        .wait_s = reducer->wait_s,
        .busy_s = reducer->busy_s,
        .n_buckets = reducer->n_buckets,
        .way = reducer->way,
        .bytes = cnn_wire_bytes(&reducer->wire, (struct cnn_span){0, reducer->n}),
    };
}
