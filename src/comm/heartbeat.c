#include "comm/heartbeat.h"

#include "base/clock.h"
#include "base/memory.h"

#include <mpi.h>
#include <stdlib.h>

#define TAG 1

// Rank 0 has a slot for every rank, the others one, for rank 0.
struct cnn_heartbeat {
    int rank, n_slots;
    struct cnn_beat in, *out;
    MPI_Request in_request, *out_requests;
};

static int slot_of(const struct cnn_heartbeat *heartbeat, int to) { return heartbeat->rank == 0 ? to : 0; }

static void listen(struct cnn_heartbeat *heartbeat) {
    const int from = heartbeat->rank == 0 ? MPI_ANY_SOURCE : 0;
    if (MPI_Irecv(&heartbeat->in, sizeof heartbeat->in, MPI_BYTE, from, TAG, MPI_COMM_WORLD,
                  &heartbeat->in_request) != MPI_SUCCESS)
        heartbeat->in_request = MPI_REQUEST_NULL;
}

enum cnn_status cnn_heartbeat_create(struct cnn_heartbeat **out, int rank, int size) {
    struct cnn_heartbeat *heartbeat;
    CNN_TRY(cnn_calloc(&heartbeat, 1, sizeof *heartbeat));
    heartbeat->rank = rank;
    heartbeat->n_slots = rank == 0 ? size : 1;
    heartbeat->in_request = MPI_REQUEST_NULL;
    const size_t slots = (size_t)heartbeat->n_slots;
    enum cnn_status status = cnn_calloc(&heartbeat->out, slots, sizeof *heartbeat->out);
    if (status == CNN_OK)
        status = cnn_calloc(&heartbeat->out_requests, slots, sizeof(MPI_Request));
    if (status != CNN_OK) {
        cnn_heartbeat_destroy(heartbeat);
        return status;
    }
    for (size_t i = 0; i < slots; i++)
        heartbeat->out_requests[i] = MPI_REQUEST_NULL;
    listen(heartbeat);
    *out = heartbeat;
    return CNN_OK;
}

bool cnn_heartbeat_next(struct cnn_heartbeat *heartbeat, struct cnn_beat *out, int *from) {
    MPI_Status status;
    int arrived = 0;
    if (heartbeat->in_request == MPI_REQUEST_NULL ||
        MPI_Test(&heartbeat->in_request, &arrived, &status) != MPI_SUCCESS || !arrived)
        return false;
    *out = heartbeat->in;
    *from = status.MPI_SOURCE;
    listen(heartbeat);
    return true;
}

bool cnn_heartbeat_send(struct cnn_heartbeat *heartbeat, int to, const struct cnn_beat *beat) {
    const int slot = slot_of(heartbeat, to);
    MPI_Request *request = &heartbeat->out_requests[slot];
    int sent = 1;
    if (*request != MPI_REQUEST_NULL && MPI_Test(request, &sent, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        return false;
    if (!sent)
        return false;
    heartbeat->out[slot] = *beat;
    return MPI_Isend(&heartbeat->out[slot], sizeof *beat, MPI_BYTE, to, TAG, MPI_COMM_WORLD, request) ==
           MPI_SUCCESS;
}

static bool is_under_way(struct cnn_heartbeat *heartbeat) {
    bool under_way = false;
    for (int i = 0; i < heartbeat->n_slots; i++) {
        int sent = 1;
        if (heartbeat->out_requests[i] != MPI_REQUEST_NULL)
            MPI_Test(&heartbeat->out_requests[i], &sent, MPI_STATUS_IGNORE);
        under_way |= !sent;
    }
    return under_way;
}

void cnn_heartbeat_flush(struct cnn_heartbeat *heartbeat, double most_s) {
    const double until_s = cnn_clock_s() + most_s;
    while (is_under_way(heartbeat) && cnn_clock_s() < until_s)
        cnn_clock_sleep(0.0002);
}

// What is still under way belongs to MPI until it is finalized, and so does the memory.
void cnn_heartbeat_destroy(struct cnn_heartbeat *heartbeat) {
    if (!heartbeat)
        return;
    if (heartbeat->in_request != MPI_REQUEST_NULL) {
        MPI_Cancel(&heartbeat->in_request);
        MPI_Wait(&heartbeat->in_request, MPI_STATUS_IGNORE);
    }
    if (heartbeat->out_requests && is_under_way(heartbeat))
        return;
    free(heartbeat->out);
    free(heartbeat->out_requests);
    free(heartbeat);
}
