// How ranks of an MPI job sum gradients. The ranks of one host add in shared memory; across hosts each host's
// owners of a run exchange it by messages. Chunks are small enough that the shared copies stay in the
// processor's cache.
//
// One chunk on one host: every rank copies the runs it does not own into its shared buffer and posts
// `copied`; owner r adds run r of all ranks in pairs (fold.h), leaves the sums in its own buffer, where slot
// r is free, and posts `summed`; all copy the other runs' sums out. Two buffers a rank, used in turn: a rank
// reuses one for chunk c + 2 after every owner has posted `summed` for c, and an owner overwrites the sums of
// c after every rank has posted `copied` for c + 2, which each does when it has copied the sums of c out.
//
// Memory is not scarce like a network: where gradients travel in 16 bits, shared memory still holds floats,
// rounded.
#include "base/log.h"
#include "base/memory.h"
#include "comm/fold.h"
#include "comm/messages.h"
#include "comm/mpi_calls.h"
#include "comm/mpi_job.h"
#include "comm/segment.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_ONE_HOST ((size_t)256 << 10) // floats
#define CHUNK_MANY_HOSTS ((size_t)1 << 20) // floats; runs travel as messages, larger ones do better

struct neighbour { // a rank of this host
    int rank;      // in the job
    struct cnn_counter *copied, *summed;
    float *buffers[2];
};

struct mpi_exchange {
    struct cnn_exchange base; // first
    struct cnn_comm *comm;
    struct cnn_messages
        *across; // the owners of the same run on all hosts, or all ranks where nothing is shared; or NULL
    struct cnn_segment_map segment;
    struct neighbour *neighbours; // local_size of them
    const float **rows;
    int owners;   // ranks 0 .. owners - 1 of every host own a run
    size_t chunk; // floats
    size_t slot;  // floats: where run r lies in a buffer is r * slot, whatever the size of the chunk at hand
    uint32_t count;                      // chunks done, the same on all ranks
    const struct cnn_patience *patience; // of the sum under way
};

// ---- summing

static bool owns_a_run(const struct mpi_exchange *exchange) {
    return exchange->comm->local_rank < exchange->owners;
}

// `rank` posts this counter.
static enum cnn_status wait_for(struct mpi_exchange *exchange, struct cnn_counter *counter, uint32_t value,
                                int rank) {
    const struct cnn_patience now = {0};
    if (cnn_counter_wait(counter, value, &now))
        return CNN_OK;
    cnn_patience_expect(exchange->patience, rank);
    if (cnn_counter_wait(counter, value, exchange->patience))
        return CNN_OK;
    return cnn_patience_give(exchange->patience, exchange->comm->rank, "the gradients of another rank");
}

// Rounds the chunk as if it travelled and shares the runs of it that this rank does not own.
static void copy_in(struct mpi_exchange *exchange, float *arena, struct cnn_span chunk, uint32_t number) {
    struct neighbour *self = &exchange->neighbours[exchange->comm->local_rank];
    float *buffer = self->buffers[number & 1];
    cnn_wire_round(&exchange->base.wire, arena, chunk);
    for (int owner = 0; owner < exchange->owners; owner++) {
        if (owner == exchange->comm->local_rank)
            continue;
        struct cnn_span run = cnn_span_part(chunk, exchange->owners, owner);
        memcpy(buffer + (size_t)owner * exchange->slot, arena + run.first, run.n * sizeof *arena);
    }
    cnn_counter_post(self->copied, number + 1);
}

// Adds the run this rank owns, in place and into its shared buffer.
static enum cnn_status sum_own(struct mpi_exchange *exchange, float *arena, struct cnn_span chunk,
                               uint32_t number) {
    struct cnn_comm *comm = exchange->comm;
    struct neighbour *self = &exchange->neighbours[comm->local_rank];
    struct cnn_span run = cnn_span_part(chunk, exchange->owners, comm->local_rank);
    size_t slot = (size_t)comm->local_rank * exchange->slot;
    float *own = arena + run.first, *shared = self->buffers[number & 1] + slot;
    bool as_added = !exchange->across && !cnn_wire_rounds(&exchange->base.wire);
    for (int local = 0; local < comm->local_size; local++) {
        struct neighbour *other = &exchange->neighbours[local];
        CNN_TRY(wait_for(exchange, other->copied, number + 1, other->rank));
        exchange->rows[local] = other == self ? own : other->buffers[number & 1] + slot;
    }
    if (comm->local_size > 1)
        cnn_fold_sum_rows(own, as_added ? shared : NULL, exchange->rows, comm->local_size, run.n);
    if (exchange->across)
        CNN_TRY(cnn_messages_sum(exchange->across, arena, run, exchange->patience));
    else
        cnn_wire_round(&exchange->base.wire, arena, run);
    if (!as_added)
        memcpy(shared, own, run.n * sizeof *own);
    cnn_counter_post(self->summed, number + 1);
    return CNN_OK;
}

static enum cnn_status copy_out(struct mpi_exchange *exchange, float *arena, struct cnn_span chunk,
                                uint32_t number) {
    for (int local = 0; local < exchange->owners; local++) {
        struct neighbour *owner = &exchange->neighbours[local];
        if (local == exchange->comm->local_rank)
            continue;
        CNN_TRY(wait_for(exchange, owner->summed, number + 1, owner->rank));
        struct cnn_span run = cnn_span_part(chunk, exchange->owners, local);
        memcpy(arena + run.first, owner->buffers[number & 1] + (size_t)local * exchange->slot,
               run.n * sizeof *arena);
    }
    return CNN_OK;
}

static struct cnn_span chunk_of(const struct mpi_exchange *exchange, struct cnn_span span, size_t c) {
    const size_t done = c * exchange->chunk, left = span.n - done;
    return (struct cnn_span){span.first + done, left < exchange->chunk ? left : exchange->chunk};
}

// Chunk c + 1 is shared before chunk c is summed, so that ranks seldom wait for each other.
static enum cnn_status shared_sum(struct mpi_exchange *exchange, float *arena, struct cnn_span span) {
    size_t chunks = (span.n + exchange->chunk - 1) / exchange->chunk;
    uint32_t base = exchange->count;
    copy_in(exchange, arena, chunk_of(exchange, span, 0), base);
    for (size_t c = 0; c < chunks; c++) {
        uint32_t number = base + (uint32_t)c;
        struct cnn_span chunk = chunk_of(exchange, span, c);
        if (c + 1 < chunks)
            copy_in(exchange, arena, chunk_of(exchange, span, c + 1), number + 1);
        if (owns_a_run(exchange))
            CNN_TRY(sum_own(exchange, arena, chunk, number));
        CNN_TRY(copy_out(exchange, arena, chunk, number));
    }
    exchange->count = base + (uint32_t)chunks;
    return CNN_OK;
}

static enum cnn_status mpi_sum(struct cnn_exchange *base, float *arena, struct cnn_span span,
                               const struct cnn_patience *patience) {
    struct mpi_exchange *exchange = (struct mpi_exchange *)base;
    exchange->patience = patience;
    if (!exchange->segment.memory)
        return cnn_messages_sum(exchange->across, arena, span, patience);
    return shared_sum(exchange, arena, span);
}

// ---- making one

static void mpi_exchange_destroy(struct cnn_exchange *base) {
    struct mpi_exchange *exchange = (struct mpi_exchange *)base;
    cnn_messages_destroy(exchange->across);
    cnn_segment_close(&exchange->segment);
    free(exchange->neighbours);
    free(exchange->rows);
    free(exchange);
}

static const struct cnn_exchange_ops mpi_exchange_ops = {.sum = mpi_sum, .destroy = mpi_exchange_destroy};

// Counters first, then the buffers of each rank of the host.
static size_t segment_bytes(const struct mpi_exchange *exchange) {
    size_t buffer = (size_t)exchange->owners * exchange->slot * sizeof(float);
    return (size_t)exchange->comm->local_size * 2 * (sizeof(struct cnn_counter) + buffer);
}

static void lay_out(struct mpi_exchange *exchange) {
    int local_size = exchange->comm->local_size;
    struct cnn_counter *counters = exchange->segment.memory;
    float *buffers = (float *)(counters + 2 * local_size);
    size_t buffer = (size_t)exchange->owners * exchange->slot;
    for (int local = 0; local < local_size; local++) {
        struct neighbour *neighbour = &exchange->neighbours[local];
        neighbour->copied = &counters[2 * local];
        neighbour->summed = &counters[2 * local + 1];
        neighbour->buffers[0] = buffers + 2 * (size_t)local * buffer;
        neighbour->buffers[1] = neighbour->buffers[0] + buffer;
    }
}

// The lowest rank of the host makes the segment, the others open it. Collective over the host, whatever
// fails.
static enum cnn_status share_segment(struct mpi_exchange *exchange, MPI_Comm host,
                                     char name[CNN_SEGMENT_NAME_BYTES]) {
    size_t bytes = segment_bytes(exchange);
    bool makes = exchange->comm->local_rank == 0;
    enum cnn_status status = CNN_OK;
    name[0] = '\0';
    if (makes) {
        status = cnn_segment_make(&exchange->segment, name, bytes);
        if (status != CNN_OK)
            name[0] = '\0';
    }
    CNN_MPI_TRY_BLOCKING(exchange->comm, MPI_Bcast(name, CNN_SEGMENT_NAME_BYTES, MPI_CHAR, 0, host),
                         "MPI_Bcast");
    if (!makes && name[0])
        status = cnn_segment_open(&exchange->segment, name, bytes);
    if (!makes && !name[0])
        status =
            cnn_fail(CNN_ERR_IO, "shared memory: rank %d could not create it", exchange->neighbours[0].rank);
    return status;
}

// Opens the host's shared memory on all ranks or on none. *shared: whether it is there. Collective.
static enum cnn_status try_shared(struct mpi_exchange *exchange, bool *shared) {
    struct cnn_comm *comm = exchange->comm;
    char name[CNN_SEGMENT_NAME_BYTES];
    enum cnn_status status = share_segment(exchange, cnn_mpi_job(comm)->host, name);
    if (status != CNN_OK)
        cnn_log_warn("%s; gradients are exchanged by MPI messages instead, which takes more processor time",
                     cnn_error_message());
    int64_t works = status == CNN_OK;
    status = cnn_comm_allreduce(comm, &works, 1, CNN_COMM_I64, CNN_REDUCE_MIN);
    if (comm->local_rank == 0 && name[0])
        cnn_segment_unlink(name);
    *shared = status == CNN_OK && works;
    if (*shared)
        lay_out(exchange);
    else
        cnn_segment_close(&exchange->segment);
    return status;
}

static enum cnn_status name_neighbours(struct mpi_exchange *exchange) {
    struct cnn_comm *comm = exchange->comm;
    size_t local_size = (size_t)comm->local_size;
    int *ranks = NULL;
    CNN_TRY(cnn_calloc(&exchange->neighbours, local_size, sizeof *exchange->neighbours));
    CNN_TRY(cnn_calloc(&exchange->rows, local_size, sizeof *exchange->rows));
    CNN_TRY(cnn_calloc(&ranks, local_size, sizeof *ranks));
    enum cnn_status status = cnn_mpi_job_ranks(cnn_mpi_job(comm)->host, comm->local_size, ranks);
    for (size_t local = 0; local < local_size && status == CNN_OK; local++)
        exchange->neighbours[local].rank = ranks[local];
    free(ranks);
    return status;
}

// Everything a host decides from here on follows from the smallest and largest number of ranks on a host.
static enum cnn_status plan(struct mpi_exchange *exchange, bool *worth_sharing) {
    struct cnn_comm *comm = exchange->comm;
    int64_t extent[2] = {comm->local_size, -comm->local_size};
    CNN_TRY(cnn_comm_allreduce(comm, extent, 2, CNN_COMM_I64, CNN_REDUCE_MIN));
    size_t most = (size_t)-extent[1];
    size_t limit = CNN_COMM_SHARED_BYTES / (2 * sizeof(float) * most) / CNN_ALIGN * CNN_ALIGN;
    size_t chunk = comm->hosts == 1 ? CHUNK_ONE_HOST : CHUNK_MANY_HOSTS;
    exchange->owners = (int)extent[0];
    exchange->chunk = chunk < limit ? chunk : limit;
    exchange->slot = cnn_span_part((struct cnn_span){0, exchange->chunk}, exchange->owners, 0).n;
    *worth_sharing = most > 1;
    return CNN_OK;
}

// For tests, and where shared memory misbehaves: CNN_COMM_EXCHANGE=messages. The ranks need not all have it
// set.
static bool messages_are_asked_for(void) {
    const char *text = getenv("CNN_COMM_EXCHANGE");
    return text && !strcmp(text, "messages");
}

// Sums of a host are no longer of
// 16 bits, and travel as floats so that they are not rounded twice.
static enum cnn_status connect(struct mpi_exchange *exchange, bool shared) {
    struct cnn_comm *comm = exchange->comm;
    const struct cnn_wire floats = {0};
    const struct cnn_messages_wires wires = {shared ? floats : exchange->base.wire, exchange->base.wire};
    struct cnn_mpi_job *job = cnn_mpi_job(comm);
    MPI_Comm across = MPI_COMM_NULL;
    if (shared && comm->hosts == 1)
        return CNN_OK;
    int color = !shared ? 0 : owns_a_run(exchange) ? comm->local_rank : MPI_UNDEFINED;
    CNN_MPI_TRY_BLOCKING(comm,
                         MPI_Comm_split(job->control, color, shared ? job->host_index : comm->rank, &across),
                         "MPI_Comm_split");
    return cnn_comm_agree(comm, across == MPI_COMM_NULL
                                    ? CNN_OK
                                    : cnn_messages_create(&exchange->across, across, comm->rank, &wires));
}

static enum cnn_status build(struct mpi_exchange *exchange) {
    struct cnn_comm *comm = exchange->comm;
    bool worth_sharing, shared = false;
    CNN_TRY(cnn_comm_agree(comm, name_neighbours(exchange)));
    CNN_TRY(plan(exchange, &worth_sharing));
    int64_t wanted = worth_sharing && !messages_are_asked_for();
    CNN_TRY(cnn_comm_allreduce(comm, &wanted, 1, CNN_COMM_I64, CNN_REDUCE_MIN));
    if (wanted)
        CNN_TRY(try_shared(exchange, &shared));
    CNN_TRY(connect(exchange, shared));
    exchange->base.any_thread =
        comm->threads || (shared && comm->hosts == 1); // shared memory alone makes no MPI calls
    exchange->base.name = !shared            ? "messages"
                          : comm->hosts == 1 ? "shared memory"
                                             : "shared memory and messages";
    return CNN_OK;
}

enum cnn_status cnn_mpi_exchange_create(struct cnn_exchange **out, struct cnn_comm *comm,
                                        const struct cnn_wire *wire) {
    struct mpi_exchange *exchange = NULL;
    const enum cnn_status room = cnn_comm_agree(comm, cnn_calloc(&exchange, 1, sizeof *exchange));
    if (room != CNN_OK) {
        free(exchange);
        return room;
    }
    exchange->base.ops = &mpi_exchange_ops;
    exchange->base.wire = *wire;
    exchange->comm = comm;
    enum cnn_status status = build(exchange);
    if (status != CNN_OK) {
        mpi_exchange_destroy(&exchange->base);
        return status;
    }
    *out = &exchange->base;
    return CNN_OK;
}
