#include "comm/messages.h"

#include "base/memory.h"
#include "comm/fold.h"
#include "comm/mpi_calls.h"
#include "comm/mpi_job.h"

#include <stdbool.h>
#include <stdlib.h>

// Data is exchanged in blocks of this many floats: large enough that two waits a block do not count.
#define BLOCK ((size_t)2 << 20)

enum { TAG_PARTS = 1, TAG_SUMS = 2 };

struct cnn_messages {
    MPI_Comm comm;
    int rank, size, job_rank;
    int *job_ranks; // what the ranks of comm are called in the job
    struct cnn_messages_wires wires;
    float *received;                // size runs of at most run_limit floats
    const float **rows;             // this rank's run as each rank has it
    char *letters_in, *letters_out; // size runs each, as they travel; NULL where floats do
    MPI_Request *requests;          // 2 (size - 1)
    size_t run_limit, run_bytes;    // the same in bytes, of floats
    bool failed;
};

static void release(struct cnn_messages *messages) {
    free(messages->job_ranks);
    free(messages->received);
    free(messages->rows);
    free(messages->letters_in);
    free(messages->letters_out);
    free(messages->requests);
    free(messages);
}

static enum cnn_status allocate(struct cnn_messages *messages) {
    size_t size = (size_t)messages->size;
    messages->run_limit = cnn_span_part((struct cnn_span){0, BLOCK}, messages->size, 0).n;
    messages->run_bytes = messages->run_limit * sizeof(float);
    CNN_TRY(cnn_calloc(&messages->job_ranks, size, sizeof *messages->job_ranks));
    CNN_TRY(cnn_malloc(&messages->received, size, messages->run_bytes));
    CNN_TRY(cnn_calloc(&messages->rows, size, sizeof *messages->rows));
    if (cnn_wire_rounds(&messages->wires.parts) || cnn_wire_rounds(&messages->wires.sums)) {
        CNN_TRY(cnn_malloc(&messages->letters_in, size, messages->run_bytes));
        CNN_TRY(cnn_malloc(&messages->letters_out, size, messages->run_bytes));
    }
    return cnn_calloc(&messages->requests, 2 * size, sizeof *messages->requests);
}

enum cnn_status cnn_messages_create(struct cnn_messages **out, MPI_Comm comm, int job_rank,
                                    const struct cnn_messages_wires *wires) {
    struct cnn_messages *messages;
    CNN_TRY(cnn_calloc(&messages, 1, sizeof *messages));
    messages->comm = comm;
    messages->job_rank = job_rank;
    messages->wires = *wires;
    MPI_Comm_rank(comm, &messages->rank);
    MPI_Comm_size(comm, &messages->size);
    enum cnn_status status = allocate(messages);
    if (status == CNN_OK)
        status = cnn_mpi_job_ranks(comm, messages->size, messages->job_ranks);
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
    const int others = messages->size - 1;
    for (int i = 0; i < 2 * others; i++) {
        const int partner = i < others ? receives_from(messages, i + 1) : sends_to(messages, i - others + 1);
        bool done;
        cnn_patience_expect(patience, messages->job_ranks[partner]);
        CNN_TRY(cnn_mpi_wait(&messages->requests[i], "gradient messages", patience, &done));
        if (!done)
            return cnn_patience_give(patience, messages->job_rank, "the gradients of another rank");
    }
    return CNN_OK;
}

// One step's message to the k-th partner and the one from it; with a wire of floats they are read and written
// where the floats are.
struct letters {
    const struct cnn_wire *wire;
    int k, tag;
    const float *arena;
    struct cnn_span out, in;
    float *floats; // where what comes in belongs
};

static void *place_for(struct cnn_messages *messages, const struct letters *letters) {
    size_t slot = (size_t)receives_from(messages, letters->k) * messages->run_bytes;
    return cnn_wire_rounds(letters->wire) ? (void *)(messages->letters_in + slot) : letters->floats;
}

static const void *packed(struct cnn_messages *messages, const struct letters *letters) {
    if (!cnn_wire_rounds(letters->wire))
        return letters->arena + letters->out.first;
    char *letter = messages->letters_out + (size_t)sends_to(messages, letters->k) * messages->run_bytes;
    cnn_wire_pack(letters->wire, letter, letters->arena, letters->out);
    return letter;
}

static void unpack(struct cnn_messages *messages, const struct letters *letters) {
    if (cnn_wire_rounds(letters->wire))
        cnn_wire_unpack(letters->wire, letters->floats, place_for(messages, letters), letters->in);
}

static enum cnn_status start(struct cnn_messages *messages, const struct letters *letters) {
    MPI_Request *requests = messages->requests;
    const int k = letters->k, others = messages->size - 1;
    const int in_bytes = (int)cnn_wire_bytes(letters->wire, letters->in);
    const int out_bytes = (int)cnn_wire_bytes(letters->wire, letters->out);
    CNN_MPI_TRY(MPI_Irecv(place_for(messages, letters), in_bytes, MPI_BYTE, receives_from(messages, k),
                          letters->tag, messages->comm, &requests[k - 1]),
                "MPI_Irecv");
    CNN_MPI_TRY(MPI_Isend(packed(messages, letters), out_bytes, MPI_BYTE, sends_to(messages, k), letters->tag,
                          messages->comm, &requests[others + k - 1]),
                "MPI_Isend");
    return CNN_OK;
}

static struct letters part_letters(const struct cnn_messages *messages, float *arena, struct cnn_span block,
                                   int k) {
    return (struct letters){
        .wire = &messages->wires.parts,
        .k = k,
        .tag = TAG_PARTS,
        .arena = arena,
        .out = cnn_span_part(block, messages->size, sends_to(messages, k)),
        .in = cnn_span_part(block, messages->size, messages->rank),
        .floats = messages->received + (size_t)receives_from(messages, k) * messages->run_limit,
    };
}

static struct letters sum_letters(const struct cnn_messages *messages, float *arena, struct cnn_span block,
                                  int k) {
    const struct cnn_span theirs = cnn_span_part(block, messages->size, receives_from(messages, k));
    return (struct letters){
        .wire = &messages->wires.sums,
        .k = k,
        .tag = TAG_SUMS,
        .arena = arena,
        .out = cnn_span_part(block, messages->size, messages->rank),
        .in = theirs,
        .floats = arena + theirs.first,
    };
}

// All partners at once. `letters_of` is one of the two functions above.
static enum cnn_status exchange(struct cnn_messages *messages, float *arena, struct cnn_span block,
                                struct letters (*letters_of)(const struct cnn_messages *, float *,
                                                             struct cnn_span, int),
                                const struct cnn_patience *patience) {
    for (int k = 1; k < messages->size; k++) {
        const struct letters letters = letters_of(messages, arena, block, k);
        CNN_TRY(start(messages, &letters));
    }
    CNN_TRY(wait_all(messages, patience));
    for (int k = 1; k < messages->size; k++) {
        const struct letters letters = letters_of(messages, arena, block, k);
        unpack(messages, &letters);
    }
    return CNN_OK;
}

// At most BLOCK floats.
static enum cnn_status sum_block(struct cnn_messages *messages, float *arena, struct cnn_span block,
                                 const struct cnn_patience *patience) {
    const struct cnn_span mine = cnn_span_part(block, messages->size, messages->rank);
    CNN_TRY(exchange(messages, arena, block, part_letters, patience));
    cnn_wire_round(&messages->wires.parts, arena, mine);
    for (int rank = 0; rank < messages->size; rank++)
        messages->rows[rank] = rank == messages->rank
                                   ? arena + mine.first
                                   : messages->received + (size_t)rank * messages->run_limit;
    cnn_fold_sum_rows(arena + mine.first, NULL, messages->rows, messages->size, mine.n);
    cnn_wire_round(&messages->wires.sums, arena, mine);
    return exchange(messages, arena, block, sum_letters, patience);
}

enum cnn_status cnn_messages_sum(struct cnn_messages *messages, float *arena, struct cnn_span span,
                                 const struct cnn_patience *patience) {
    enum cnn_status status = CNN_OK;
    if (messages->size == 1)
        return CNN_OK;
    for (size_t done = 0; done < span.n && status == CNN_OK; done += BLOCK) {
        const struct cnn_span block = {span.first + done, span.n - done < BLOCK ? span.n - done : BLOCK};
        status = sum_block(messages, arena, block, patience);
    }
    messages->failed = status != CNN_OK;
    return status;
}
