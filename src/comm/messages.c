#include "comm/messages.h"

#include "base/memory.h"
#include "comm/fold.h"
#include "comm/mpi_calls.h"

#include <stdbool.h>
#include <stdlib.h>

// Data is exchanged in blocks of this many floats: large enough that two waits a block do not count.
#define BLOCK ((size_t)2 << 20)

enum { TAG_PARTS = 1, TAG_SUMS = 2 };

struct cnn_messages {
    MPI_Comm comm;
    int rank, size, job_rank;
    int *job_ranks;        // what the ranks of comm are called in the job
    float *received;       // size runs of at most run_limit floats
    const float **rows;    // this rank's run as each rank has it
    MPI_Request *requests; // 2 (size - 1)
    size_t run_limit;
    bool failed;
};

static void release(struct cnn_messages *messages) {
    free(messages->job_ranks);
    free(messages->received);
    free(messages->rows);
    free(messages->requests);
    free(messages);
}

static enum cnn_status allocate(struct cnn_messages *messages) {
    size_t size = (size_t)messages->size;
    messages->run_limit = cnn_run_of(BLOCK, messages->size, 0).n;
    CNN_TRY(cnn_calloc(&messages->job_ranks, size, sizeof *messages->job_ranks));
    CNN_TRY(cnn_malloc(&messages->received, size, messages->run_limit * sizeof *messages->received));
    CNN_TRY(cnn_calloc(&messages->rows, size, sizeof *messages->rows));
    return cnn_calloc(&messages->requests, 2 * size, sizeof *messages->requests);
}

enum cnn_status cnn_messages_create(struct cnn_messages **out, MPI_Comm comm, int job_rank) {
    struct cnn_messages *messages;
    CNN_TRY(cnn_calloc(&messages, 1, sizeof *messages));
    messages->comm = comm;
    messages->job_rank = job_rank;
    MPI_Comm_rank(comm, &messages->rank);
    MPI_Comm_size(comm, &messages->size);
    enum cnn_status status = allocate(messages);
    if (status == CNN_OK)
        status = cnn_mpi_check(MPI_Allgather(&job_rank, 1, MPI_INT, messages->job_ranks, 1, MPI_INT, comm),
                               "MPI_Allgather");
    if (status != CNN_OK) {
        release(messages);
        return status;
    }
    *out = messages;
    return CNN_OK;
}

void cnn_messages_destroy(struct cnn_messages *messages) {
    if (!messages || messages->failed)
        return;
    MPI_Comm_free(&messages->comm);
    release(messages);
}

// The k-th partner to send to and to receive from, k = 1 .. size - 1: at any moment each rank has another
// one.
static int sends_to(const struct cnn_messages *messages, int k) {
    return (messages->rank + k) % messages->size;
}
static int receives_from(const struct cnn_messages *messages, int k) {
    return (messages->rank - k + messages->size) % messages->size;
}

// requests[k - 1] receives from the k-th partner, requests[size - 1 + k - 1] sends.
static enum cnn_status wait_all(struct cnn_messages *messages, const struct cnn_patience *patience) {
    int others = messages->size - 1, late;
    enum cnn_status status =
        cnn_mpi_wait(messages->requests, 2 * others, "gradient messages", patience, &late);
    if (late < 0)
        return status;
    int partner = late < others ? receives_from(messages, late + 1) : sends_to(messages, late - others + 1);
    return cnn_exchange_late(messages->job_rank, messages->job_ranks[partner], patience);
}

static enum cnn_status start(struct cnn_messages *messages, int k, float *in, struct cnn_run in_run,
                             const float *out, struct cnn_run out_run, int tag) {
    MPI_Request *requests = messages->requests;
    CNN_MPI_TRY(MPI_Irecv(in, (int)in_run.n, MPI_FLOAT, receives_from(messages, k), tag, messages->comm,
                          &requests[k - 1]),
                "MPI_Irecv");
    CNN_MPI_TRY(MPI_Isend(out, (int)out_run.n, MPI_FLOAT, sends_to(messages, k), tag, messages->comm,
                          &requests[messages->size - 1 + k - 1]),
                "MPI_Isend");
    return CNN_OK;
}

// At most BLOCK floats.
static enum cnn_status sum_block(struct cnn_messages *messages, float *data, size_t n,
                                 const struct cnn_patience *patience) {
    int size = messages->size;
    struct cnn_run mine = cnn_run_of(n, size, messages->rank);
    float *sums = data + mine.first;
    messages->rows[messages->rank] = sums;
    for (int k = 1; k < size; k++) {
        int from = receives_from(messages, k);
        struct cnn_run theirs = cnn_run_of(n, size, sends_to(messages, k));
        float *in = messages->received + (size_t)from * messages->run_limit;
        messages->rows[from] = in;
        CNN_TRY(start(messages, k, in, mine, data + theirs.first, theirs, TAG_PARTS));
    }
    CNN_TRY(wait_all(messages, patience));
    cnn_fold_sum_rows(sums, NULL, messages->rows, size, mine.n);
    for (int k = 1; k < size; k++) {
        struct cnn_run theirs = cnn_run_of(n, size, receives_from(messages, k));
        CNN_TRY(start(messages, k, data + theirs.first, theirs, sums, mine, TAG_SUMS));
    }
    return wait_all(messages, patience);
}

enum cnn_status cnn_messages_sum(struct cnn_messages *messages, float *data, size_t n,
                                 const struct cnn_patience *patience) {
    enum cnn_status status = CNN_OK;
    if (messages->size == 1)
        return CNN_OK;
    for (size_t first = 0; first < n && status == CNN_OK; first += BLOCK)
        status = sum_block(messages, data + first, n - first < BLOCK ? n - first : BLOCK, patience);
    messages->failed = status != CNN_OK;
    return status;
}
