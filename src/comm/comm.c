#include "comm/comm.h"

#include "base/memory.h"
#include "comm/fold.h"
#include "comm/table.h"
#include "comm/watchdog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// An allreduce gathers blocks of all ranks into this much memory and folds them there. It is there from the
// start: a rank that could not allocate it later would leave the others waiting.
#define GATHERED_BYTES ((size_t)256 * 1024)
#define LARGEST_ELEMENT 8

static bool is_complete(const struct cnn_comm_ops *ops) {
    return ops->name && ops->allgather && ops->broadcast && ops->gather && ops->barrier &&
           ops->exchange_create && ops->finish && ops->abort;
}

enum cnn_status cnn_comm_start(struct cnn_comm **out) {
    struct cnn_launcher launcher = cnn_launcher_find();
    struct cnn_comm *comm = NULL;
    if (!launcher.name)
        CNN_TRY(cnn_self_start(&comm));
    else if (launcher.can_join)
        CNN_TRY(cnn_mpi_start(&comm, &launcher));
    else
        return cnn_fail(CNN_ERR_UNSUPPORTED,
                        "%s started %d copies of this program that cannot find each other; start them with "
                        "srun --mpi=pmix or mpirun",
                        launcher.name, launcher.size);
    assert(is_complete(comm->ops));
    comm->launcher = launcher.name;
    const size_t rows = (size_t)comm->size * LARGEST_ELEMENT;
    CNN_TRY(cnn_malloc(&comm->gathered, rows > GATHERED_BYTES ? rows : GATHERED_BYTES, 1));
    *out = comm;
    return CNN_OK;
}

void cnn_comm_finish(struct cnn_comm *comm, int exit_code) {
    if (comm)
        comm->ops->finish(comm, exit_code);
}

_Noreturn static void abort_all(struct cnn_comm *comm, int exit_code) {
    const char *what = cnn_error_message();
    char reason[1024];
    if (strncmp(what, "rank ", 5) == 0) // says by itself whom it is about
        snprintf(reason, sizeof reason, "%s", what);
    else if (what[0])
        snprintf(reason, sizeof reason, "rank %d on %s: %.700s", comm->rank, comm->host, what);
    else
        snprintf(reason, sizeof reason, "rank %d on %s ended the job", comm->rank, comm->host);
    cnn_watchdog_abort(comm->watchdog, reason, exit_code);
}

_Noreturn void cnn_comm_abort(struct cnn_comm *comm, int exit_code) {
    if (comm && comm->watchdog)
        abort_all(comm, exit_code);
    _exit(exit_code);
}

int cnn_comm_rank(const struct cnn_comm *comm) { return comm->rank; }
int cnn_comm_size(const struct cnn_comm *comm) { return comm->size; }
int cnn_comm_local_rank(const struct cnn_comm *comm) { return comm->local_rank; }
int cnn_comm_local_size(const struct cnn_comm *comm) { return comm->local_size; }
int cnn_comm_hosts(const struct cnn_comm *comm) { return comm->hosts; }
const char *cnn_comm_host(const struct cnn_comm *comm) { return comm->host; }
const char *cnn_comm_name(const struct cnn_comm *comm) { return comm->ops->name; }
const char *cnn_comm_library(const struct cnn_comm *comm) { return comm->library; }
const char *cnn_comm_launcher(const struct cnn_comm *comm) { return comm->launcher; }
bool cnn_comm_is_broken(const struct cnn_comm *comm) { return atomic_load(&comm->broken); }

bool cnn_comm_threads(const struct cnn_comm *comm) { return comm->threads; }

void cnn_comm_set_timeout(struct cnn_comm *comm, double timeout_s) {
    if (comm->watchdog)
        cnn_watchdog_set_timeout(comm->watchdog, timeout_s);
}

void cnn_comm_set_stage(struct cnn_comm *comm, enum cnn_stage stage, int64_t step) {
    if (comm->watchdog)
        cnn_watchdog_set_stage(comm->watchdog, stage, step);
}

void cnn_comm_set_task(struct cnn_comm *comm, const char *task) {
    if (comm->watchdog)
        cnn_watchdog_set_task(comm->watchdog, task);
}

void cnn_comm_renew_task(struct cnn_comm *comm) {
    if (comm->watchdog)
        cnn_watchdog_renew_task(comm->watchdog);
}

void cnn_comm_set_listener(struct cnn_comm *comm, const struct cnn_comm_listener *listener) {
    if (comm->watchdog)
        cnn_watchdog_set_listener(comm->watchdog, listener);
}

bool cnn_comm_was_told(const struct cnn_comm *comm) {
    return comm->watchdog && cnn_watchdog_was_told(comm->watchdog);
}

static enum cnn_status check_usable(const struct cnn_comm *comm) {
    if (!atomic_load(&comm->broken))
        return CNN_OK;
    if (comm->watchdog && cnn_watchdog_is_over(comm->watchdog))
        return cnn_watchdog_give(comm->watchdog);
    return cnn_fail(CNN_ERR_COMM, "rank %d is out of step since an exchange failed: end the job", comm->rank);
}

static enum cnn_status check_root(const struct cnn_comm *comm, int root) {
    if (root >= 0 && root < comm->size)
        return check_usable(comm);
    return cnn_fail(CNN_ERR_INPUT, "root rank %d: the job has ranks 0 to %d", root, comm->size - 1);
}

static enum cnn_status allreduce_blocks(struct cnn_comm *comm, char *data, size_t n, enum cnn_comm_type type,
                                        enum cnn_reduce op, size_t block) {
    size_t element = cnn_comm_type_bytes(type);
    for (size_t first = 0; first < n; first += block) {
        size_t count = n - first < block ? n - first : block;
        char *part = data + first * element;
        CNN_TRY(comm->ops->allgather(comm, part, count * element, comm->gathered));
        cnn_fold(part, comm->gathered, comm->size, count, type, op);
    }
    return CNN_OK;
}

enum cnn_status cnn_comm_allreduce(struct cnn_comm *comm, void *data, size_t n, enum cnn_comm_type type,
                                   enum cnn_reduce op) {
    if (!cnn_fold_supports(type, op))
        return cnn_fail(CNN_ERR_INPUT, "allreduce: no operation %d on type %d", (int)op, (int)type);
    CNN_TRY(check_usable(comm));
    if (comm->size == 1 || n == 0)
        return CNN_OK;
    size_t row = cnn_comm_type_bytes(type) * (size_t)comm->size;
    size_t block = GATHERED_BYTES / row ? GATHERED_BYTES / row : 1;
    return allreduce_blocks(comm, data, n, type, op, block < n ? block : n);
}

enum cnn_status cnn_comm_broadcast(struct cnn_comm *comm, void *data, size_t bytes, int root) {
    CNN_TRY(check_root(comm, root));
    return comm->ops->broadcast(comm, data, bytes, root);
}

enum cnn_status cnn_comm_gather(struct cnn_comm *comm, const void *data, size_t bytes, void *out, int root) {
    CNN_TRY(check_root(comm, root));
    return comm->ops->gather(comm, data, bytes, out, root);
}

enum cnn_status cnn_comm_barrier(struct cnn_comm *comm) {
    CNN_TRY(check_usable(comm));
    return comm->ops->barrier(comm);
}
