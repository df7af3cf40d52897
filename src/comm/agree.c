#include "base/error.h"
#include "base/log.h"
#include "comm/comm.h"

#include <string.h>

// The lowest rank whose status is an error, or the number of ranks where none is.
static enum cnn_status first_failing(struct cnn_comm *comm, enum cnn_status mine, int *out) {
    int64_t first = mine == CNN_OK ? cnn_comm_size(comm) : cnn_comm_rank(comm);
    CNN_TRY(cnn_comm_allreduce(comm, &first, 1, CNN_COMM_I64, CNN_REDUCE_MIN));
    *out = (int)first;
    return CNN_OK;
}

// *first: as above; *error: that rank's error.
static enum cnn_status share(struct cnn_comm *comm, enum cnn_status mine, int *first,
                             struct cnn_error *error) {
    CNN_TRY(first_failing(comm, mine, first));
    if (*first == cnn_comm_size(comm))
        return CNN_OK;
    return cnn_comm_broadcast(comm, error, sizeof *error, *first);
}

enum cnn_status cnn_comm_agree(struct cnn_comm *comm, enum cnn_status mine) {
    if (cnn_comm_size(comm) == 1)
        return mine;
    struct cnn_error own, error;
    memset(&own, 0, sizeof own); // all of it travels
    if (mine != CNN_OK)
        cnn_error_take(&own, mine);
    error = own;
    int first = cnn_comm_size(comm);
    enum cnn_status talk = share(comm, mine, &first, &error);
    if (talk != CNN_OK && mine != CNN_OK)
        cnn_log_warn("this rank's error could not be sent to the other ranks: %s", cnn_error_message());
    if (mine != CNN_OK)
        return cnn_error_give(&own); // what this rank found comes before what talking about it found
    if (talk != CNN_OK || first == cnn_comm_size(comm))
        return talk;
    if (strncmp(error.message, "rank ", 5) == 0) // says by itself whom it is about
        return cnn_error_give(&error);
    return cnn_fail(error.status, "rank %d: %s", first, error.message);
}
