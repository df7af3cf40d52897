// One rank alone, without MPI.
#include "base/memory.h"
#include "comm/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum cnn_status self_allgather(struct cnn_comm *comm, const void *mine, size_t bytes, void *all) {
    if (bytes)
        memmove(all, mine, bytes);
    return CNN_OK;
}

static enum cnn_status self_broadcast(struct cnn_comm *comm, void *data, size_t bytes, int root) {
    return CNN_OK;
}

static enum cnn_status self_gather(struct cnn_comm *comm, const void *data, size_t bytes, void *out,
                                   int root) {
    return self_allgather(comm, data, bytes, out);
}

static enum cnn_status self_barrier(struct cnn_comm *comm) { return CNN_OK; }

static enum cnn_status self_sum(struct cnn_exchange *exchange, float *arena, struct cnn_span span,
                                const struct cnn_patience *patience) {
    return CNN_OK;
}

static void self_exchange_destroy(struct cnn_exchange *exchange) { free(exchange); }

static const struct cnn_exchange_ops self_exchange_ops = {.sum = self_sum, .destroy = self_exchange_destroy};

static enum cnn_status self_exchange_create(struct cnn_exchange **out, struct cnn_comm *comm,
                                            const struct cnn_wire *wire) {
    struct cnn_exchange *exchange;
    CNN_TRY(cnn_calloc(&exchange, 1, sizeof *exchange));
    *exchange =
        (struct cnn_exchange){.ops = &self_exchange_ops, .wire = *wire, .any_thread = true, .name = "none"};
    *out = exchange;
    return CNN_OK;
}

static void self_finish(struct cnn_comm *comm, int exit_code) {
    free(comm->gathered);
    free(comm);
}

static void self_abort(struct cnn_comm *comm, int exit_code) { _exit(exit_code); }

static const struct cnn_comm_ops self_ops = {
    .name = "self",
    .allgather = self_allgather,
    .broadcast = self_broadcast,
    .gather = self_gather,
    .barrier = self_barrier,
    .exchange_create = self_exchange_create,
    .finish = self_finish,
    .abort = self_abort,
};

enum cnn_status cnn_self_start(struct cnn_comm **out) {
    struct cnn_comm *comm;
    CNN_TRY(cnn_calloc(&comm, 1, sizeof *comm));
    comm->ops = &self_ops;
    comm->size = comm->local_size = comm->hosts = 1;
    comm->threads = true;
    if (gethostname(comm->host, sizeof comm->host - 1) != 0)
        snprintf(comm->host, sizeof comm->host, "localhost");
    snprintf(comm->library, sizeof comm->library, "none");
    *out = comm;
    return CNN_OK;
}
