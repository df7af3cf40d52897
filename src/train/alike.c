#include "train/alike.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- configs ----

struct difference {
    char path[64], of_rank_0[128], mine[128]; // of the first option that differs; "" where none does
};

static void keep_first(void *context, const char *path, const char *was, const char *is,
                       const char *what_follows) {
    struct difference *first = context;
    (void)what_follows;
    if (first->path[0])
        return;
    snprintf(first->path, sizeof first->path, "%s", path);
    snprintf(first->of_rank_0, sizeof first->of_rank_0, "%s", was);
    snprintf(first->mine, sizeof first->mine, "%s", is);
}

static enum cnn_status compare_configs(const struct cnn_comm *comm, const struct cnn_config *of_rank_0,
                                       const struct cnn_config *mine) {
    struct difference first = {.path = ""};
    CNN_TRY(cnn_config_compare(of_rank_0, mine, keep_first, &first));
    if (!first.path[0])
        return CNN_OK;
    return cnn_fail(
        CNN_ERR_INPUT,
        "rank %d on %s has another config than rank 0: %s is %s there and %s on rank 0; start all "
        "ranks with the same config file and options",
        cnn_comm_rank(comm), cnn_comm_host(comm), first.path, first.mine, first.of_rank_0);
}

enum cnn_status cnn_check_configs_alike(struct cnn_comm *comm, const struct cnn_config *config) {
    struct cnn_config *of_rank_0 = NULL;
    if (cnn_comm_size(comm) == 1)
        return CNN_OK;
    CNN_TRY(cnn_comm_agree(comm, cnn_malloc(&of_rank_0, 1, sizeof *of_rank_0)));
    *of_rank_0 = *config;
    enum cnn_status status = cnn_comm_broadcast(comm, of_rank_0, sizeof *of_rank_0, 0);
    if (status == CNN_OK)
        status = cnn_comm_agree(comm, compare_configs(comm, of_rank_0, config));
    free(of_rank_0);
    return status;
}

// ---- datasets ----

#define MAX_DATASETS 2

struct dataset_identity {
    int64_t is_open, records, shards, classes, side[2], encoding;
    uint64_t fingerprint;
};
struct rank_identity {
    struct dataset_identity datasets[MAX_DATASETS];
    char host[256];
};

static struct dataset_identity identity_of(const struct cnn_dataset *dataset) {
    if (!dataset)
        return (struct dataset_identity){0};
    const struct cnn_shard_header *header = cnn_dataset_header(dataset);
    return (struct dataset_identity){
        .is_open = 1,
        .records = (int64_t)cnn_dataset_count(dataset),
        .shards = header->n_shards,
        .classes = header->n_classes,
        .side = {header->h, header->w},
        .encoding = header->encoding,
        .fingerprint = cnn_dataset_fingerprint(dataset),
    };
}

// "60 records instead of 80"
static void describe_difference(char *out, size_t out_bytes, const struct dataset_identity *is,
                                const struct dataset_identity *wanted) {
    if (is->is_open != wanted->is_open)
        snprintf(out, out_bytes, "%s", is->is_open ? "there should be none" : "there is none");
    else if (is->records != wanted->records)
        snprintf(out, out_bytes, "%" PRId64 " records instead of %" PRId64, is->records, wanted->records);
    else if (is->classes != wanted->classes)
        snprintf(out, out_bytes, "%" PRId64 " classes instead of %" PRId64, is->classes, wanted->classes);
    else if (is->shards != wanted->shards)
        snprintf(out, out_bytes, "%" PRId64 " shards instead of %" PRId64, is->shards, wanted->shards);
    else if (is->encoding != wanted->encoding || memcmp(is->side, wanted->side, sizeof is->side) != 0)
        snprintf(out, out_bytes, "images of another size or encoding");
    else
        snprintf(out, out_bytes,
                 "other images, labels, class names or order (fingerprint %016" PRIx64
                 " instead of %016" PRIx64 ")",
                 is->fingerprint, wanted->fingerprint);
}

static enum cnn_status compare_ranks(const struct rank_identity *ranks, int size, int n,
                                     const char *const options[],
                                     const struct cnn_dataset *const datasets[]) {
    for (int rank = 1; rank < size; rank++)
        for (int i = 0; i < n; i++) {
            const struct dataset_identity *is = &ranks[rank].datasets[i], *wanted = &ranks[0].datasets[i];
            char difference[160];
            if (memcmp(is, wanted, sizeof *is) == 0)
                continue;
            describe_difference(difference, sizeof difference, is, wanted);
            return cnn_fail(
                CNN_ERR_INPUT,
                "%s: %s is not the same dataset on rank %d (host %s) as on rank 0 (host %s): %s; copy one "
                "dataset to all hosts, or use a folder that all hosts share",
                options[i], datasets[i] ? cnn_dataset_path(datasets[i]) : "it", rank, ranks[rank].host,
                ranks[0].host, difference);
        }
    return CNN_OK;
}

enum cnn_status cnn_check_datasets_alike(struct cnn_comm *comm, int n, const char *const options[],
                                         const struct cnn_dataset *const datasets[]) {
    const int size = cnn_comm_size(comm);
    struct rank_identity mine, *ranks = NULL;
    if (size == 1)
        return CNN_OK;
    memset(&mine, 0, sizeof mine); // all of it travels
    for (int i = 0; i < n; i++)
        mine.datasets[i] = identity_of(datasets[i]);
    snprintf(mine.host, sizeof mine.host, "%s", cnn_comm_host(comm));
    CNN_TRY(cnn_comm_agree(comm, cnn_calloc(&ranks, (size_t)size, sizeof *ranks)));
    enum cnn_status status = cnn_comm_gather(comm, &mine, sizeof mine, ranks, 0);
    if (status == CNN_OK)
        status = cnn_comm_agree(
            comm, cnn_comm_rank(comm) == 0 ? compare_ranks(ranks, size, n, options, datasets) : CNN_OK);
    free(ranks);
    return status;
}

// ---- backends ----

// Whether a number is the same on all ranks. Collective.
static enum cnn_status is_same(struct cnn_comm *comm, int64_t value, bool *out) {
    int64_t least[2] = {value, -value};
    CNN_TRY(cnn_comm_allreduce(comm, least, 2, CNN_COMM_I64, CNN_REDUCE_MIN));
    *out = least[0] == -least[1];
    return CNN_OK;
}

enum cnn_status cnn_check_backends_alike(struct cnn_comm *comm, struct cnn_backend *backend) {
    bool same = false;
    CNN_TRY(is_same(comm, 8 * cnn_backend_is_host(backend) + (int64_t)cnn_backend_type(backend), &same));
    if (same)
        return CNN_OK;
    return cnn_fail(
        CNN_ERR_INPUT,
        "backend: the ranks would not compute identically: rank %d uses %s; give every rank the same kind "
        "of GPU, or set backend: cpu, or set train.precision",
        cnn_comm_rank(comm), cnn_backend_description(backend));
}

enum cnn_status cnn_check_layouts_alike(struct cnn_comm *comm, struct cnn_backend *backend,
                                        struct cnn_replica *replica) {
    uint32_t mine = 0;
    if (cnn_comm_size(comm) == 1)
        return CNN_OK;
    bool same = false;
    CNN_TRY(cnn_comm_agree(comm, cnn_replica_layout(replica, &mine)));
    CNN_TRY(is_same(comm, mine, &same));
    if (same)
        return CNN_OK;
    return cnn_fail(
        CNN_ERR_INPUT,
        "the memory layout of the network differs between ranks: rank %d runs on %s; use hosts with the "
        "same kind of processor, or set ONEDNN_MAX_CPU_ISA on all ranks to the lowest common instruction "
        "set, such as AVX2",
        cnn_comm_rank(comm), cnn_backend_description(backend));
}
