// Sums by NCCL. Its communicator does not block: what needs the other ranks is begun and then looked at until
// it is done, so that a rank that never comes is an error after a while and not a job that hangs.
#include "comm/nccl.h"

#include "base/clock.h"
#include "base/memory.h"
#include "comm/nccl_lazy.h"

#include <nccl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct nccl_sum {
    struct cnn_stream_sum base; // first
    struct cnn_comm *job;
    ncclComm_t comm; // NULL after an abort
    cudaStream_t stream;
    int rank;
    double timeout_s;
};

static struct nccl_sum *nccl_of(struct cnn_stream_sum *sum) { return (struct nccl_sum *)sum; }

// ---- results

static enum cnn_status fail(const struct nccl_sum *nccl, ncclResult_t result, const char *what) {
    const char *detail = nccl->comm ? ncclGetLastError(nccl->comm) : "";
    const bool has_detail = detail && detail[0];
    return cnn_fail(CNN_ERR_COMM, "rank %d: %s: %s: %s%s%.600s%s", nccl->rank, nccl->base.name, what,
                    ncclGetErrorString(result), has_detail ? " (" : "", has_detail ? detail : "",
                    has_detail ? ")" : "");
}

// Waits until what was begun is done on the host's side.
static enum cnn_status wait_for(struct nccl_sum *nccl, ncclResult_t result, const char *what,
                                const struct cnn_patience *patience) {
    const struct timespec nap = {0, 20000};
    while (result == ncclInProgress) {
        ncclResult_t state = ncclSuccess;
        result = ncclCommGetAsyncError(nccl->comm, &state);
        if (result != ncclSuccess || state != ncclInProgress) {
            result = result == ncclSuccess ? state : result;
            break;
        }
        if (cnn_patience_is_over(patience))
            return cnn_fail_in(cnn_patience_give(patience, nccl->rank, "the other ranks"), "%s: %s",
                               nccl->base.name, what);
        nanosleep(&nap, NULL);
        result = ncclInProgress;
    }
    return result == ncclSuccess ? CNN_OK : fail(nccl, result, what);
}

// ---- sums

static ncclDataType_t type_of(enum cnn_precision precision) {
    return precision == CNN_PRECISION_BF16   ? ncclBfloat16
           : precision == CNN_PRECISION_FP16 ? ncclFloat16
                                             : ncclFloat32;
}

static ncclResult_t queue(struct nccl_sum *nccl, const struct cnn_stream_part *parts, int n_parts) {
    ncclResult_t result = ncclGroupStart();
    for (int i = 0; i < n_parts && result == ncclSuccess; i++) {
        const ncclResult_t queued =
            ncclAllReduce(parts[i].data, parts[i].data, parts[i].n, type_of(parts[i].precision), ncclSum,
                          nccl->comm, nccl->stream);
        result = queued == ncclInProgress ? ncclSuccess : queued;
    }
    const ncclResult_t end = ncclGroupEnd();
    return result == ncclSuccess ? end : result;
}

static enum cnn_status nccl_sum(struct cnn_stream_sum *base, const struct cnn_stream_part *parts, int n_parts,
                                const struct cnn_patience *patience) {
    struct nccl_sum *nccl = nccl_of(base);
    return wait_for(nccl, queue(nccl, parts, n_parts), "summing gradients", patience);
}

static enum cnn_status nccl_check(struct cnn_stream_sum *base) {
    struct nccl_sum *nccl = nccl_of(base);
    ncclResult_t state = ncclSuccess;
    const ncclResult_t result = ncclCommGetAsyncError(nccl->comm, &state);
    if (result != ncclSuccess)
        return fail(nccl, result, "summing gradients");
    return state == ncclSuccess || state == ncclInProgress ? CNN_OK : fail(nccl, state, "summing gradients");
}

// ---- its life

// Where no recording holds its sums.
static void abort_at_once(struct nccl_sum *nccl) {
    if (nccl->comm)
        ncclCommAbort(nccl->comm);
    nccl->comm = NULL;
}

static void *run_abort(void *comm) {
    ncclCommAbort(comm);
    return NULL;
}

// Kernels that wait for other ranks end soon. NCCL's call returns only when no recording holds sums of the
// communicator any more, which in a step that failed is never, so a thread waits for that, and ends with the
// process.
static void nccl_abort(struct cnn_stream_sum *base) {
    struct nccl_sum *nccl = nccl_of(base);
    pthread_t thread;
    if (nccl->comm && pthread_create(&thread, NULL, run_abort, nccl->comm) == 0)
        pthread_detach(thread);
    nccl->comm = NULL;
}

static void nccl_destroy(struct cnn_stream_sum *base) {
    struct nccl_sum *nccl = nccl_of(base);
    if (nccl->comm) {
        const struct cnn_patience patience = cnn_patience_begin(nccl->job, nccl->timeout_s, NULL);
        const enum cnn_status status = wait_for(nccl, ncclCommFinalize(nccl->comm), "leaving", &patience);
        cnn_patience_end(&patience);
        if (status == CNN_OK)
            ncclCommDestroy(nccl->comm);
        else
            abort_at_once(nccl);
    }
    free(nccl);
}

static const struct cnn_stream_sum_ops nccl_ops = {
    .sum = nccl_sum,
    .check = nccl_check,
    .abort = nccl_abort,
    .destroy = nccl_destroy,
};

// Sums by NVLink's switches (NVLS) may differ from run to run; NCCL's other ways add in a fixed order. What
// the user set stays. NCCL looks once, when it is first used.
static void ask_for_same_bits(void) { setenv("NCCL_NVLS_ENABLE", "0", 0); }

bool cnn_nccl_is_usable(bool deterministic, char *why, size_t bytes) {
    if (deterministic)
        ask_for_same_bits();
    if (cnn_nccl_load() == CNN_OK)
        return true;
    snprintf(why, bytes, "%s", cnn_error_message());
    return false;
}

// NCCL counts 10000 * major + 100 * minor + patch.
static struct cnn_version version_of(int number) {
    return cnn_version_of(number / 10000, number / 100 % 100, number % 100);
}

void cnn_nccl_libraries(struct cnn_libraries *list) {
    int found = 0;
    const bool known = ncclGetVersion(&found) == ncclSuccess;
    cnn_libraries_add(list, "NCCL", version_of(NCCL_VERSION_CODE).text,
                      known ? version_of(found).text : NULL);
}

static void describe(struct nccl_sum *nccl) {
    int found = NCCL_VERSION_CODE;
    if (ncclGetVersion(&found) != ncclSuccess)
        found = NCCL_VERSION_CODE;
    snprintf(nccl->base.name, sizeof nccl->base.name, "NCCL %s", version_of(found).text);
}

// Rank 0 makes the name under which the others find it.
static enum cnn_status share_id(struct nccl_sum *nccl, struct cnn_comm *comm, ncclUniqueId *id) {
    enum cnn_status status = CNN_OK;
    memset(id, 0, sizeof *id);
    if (nccl->rank == 0) {
        const ncclResult_t result = ncclGetUniqueId(id);
        status = result == ncclSuccess ? CNN_OK : fail(nccl, result, "starting");
    }
    CNN_TRY(cnn_comm_agree(comm, status));
    return cnn_comm_broadcast(comm, id, sizeof *id, 0);
}

static enum cnn_status join(struct nccl_sum *nccl, struct cnn_comm *comm) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    ncclUniqueId id;
    CNN_TRY(share_id(nccl, comm, &id));
    config.blocking = 0;
    const struct cnn_patience patience = cnn_patience_begin(comm, nccl->timeout_s, NULL);
    const ncclResult_t result =
        ncclCommInitRankConfig(&nccl->comm, cnn_comm_size(comm), id, nccl->rank, &config);
    const enum cnn_status status = wait_for(nccl, result, "joining the other ranks", &patience);
    cnn_patience_end(&patience);
    if (status != CNN_OK)
        abort_at_once(nccl); // or destroy would wait for the others
    return cnn_comm_agree(comm, status);
}

enum cnn_status cnn_nccl_create(struct cnn_stream_sum **out, struct cnn_comm *comm,
                                struct cnn_exchange_device *device, double timeout_s) {
    struct nccl_sum *nccl = NULL;
    CNN_TRY(cnn_comm_agree(comm, cnn_calloc(&nccl, 1, sizeof *nccl)));
    nccl->base.ops = &nccl_ops;
    nccl->stream = device->stream;
    nccl->job = comm;
    nccl->rank = cnn_comm_rank(comm);
    nccl->timeout_s = timeout_s;
    describe(nccl);
    const enum cnn_status status = join(nccl, comm);
    if (status != CNN_OK) {
        abort_at_once(nccl);
        nccl_destroy(&nccl->base);
        return status;
    }
    *out = &nccl->base;
    return CNN_OK;
}
