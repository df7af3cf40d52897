// Private to comm/: MPI calls as statuses, and waiting for requests without burning a processor.
#ifndef CNN_COMM_MPI_CALLS_H
#define CNN_COMM_MPI_CALLS_H
#include "comm/exchange.h"

#include <mpi.h>

// Turns an MPI return code into a status; `what` names the call. Not collective.
enum cnn_status cnn_mpi_check(int code, const char *what) CNN_MUST_CHECK;
#define CNN_MPI_TRY(call, what) CNN_TRY(cnn_mpi_check((call), (what)))

// Waits for n requests. MPI's own waiting calls spin; this one yields for a moment and then sleeps, so that
// the compute threads of all ranks of the host keep their processors. Without patience (NULL) it waits for
// ever. *late (may be NULL): -1, or the index of a request still open when patience was over; then the call
// fails and the open requests stay open.
enum cnn_status cnn_mpi_wait(MPI_Request *requests, int n, const char *what,
                             const struct cnn_patience *patience, int *late) CNN_MUST_CHECK;
// One request, for ever.
enum cnn_status cnn_mpi_wait_one(MPI_Request *request, const char *what) CNN_MUST_CHECK;

#endif
