// Private to comm/: MPI calls as statuses, and waiting for requests without burning a processor.
#ifndef CNN_COMM_MPI_CALLS_H
#define CNN_COMM_MPI_CALLS_H
#include "comm/exchange.h"
#include "comm/watchdog.h"

#include <mpi.h>

// Turns an MPI return code into a status; `what` names the call. Not collective.
enum cnn_status cnn_mpi_check(int code, const char *what) CNN_MUST_CHECK;
#define CNN_MPI_TRY(call, what) CNN_TRY(cnn_mpi_check((call), (what)))

// Waits for a request. MPI's own waiting calls spin; this one yields for a moment and then sleeps, so that
// the compute threads of all ranks of the host keep their processors. *done is false where patience was over;
// the request then stays open.
enum cnn_status cnn_mpi_wait(MPI_Request *request, const char *what, const struct cnn_patience *patience,
                             bool *done) CNN_MUST_CHECK;
// One request of control traffic, whose wait the watchdog learns of.
enum cnn_status cnn_mpi_wait_control(struct cnn_comm *comm, MPI_Request *request,
                                     const char *what) CNN_MUST_CHECK;
// A collective call that only MPI can wait for; the watchdog ends the process where that takes too long.
#define CNN_MPI_TRY_BLOCKING(comm, call, what)                                                               \
    do {                                                                                                     \
        cnn_watchdog_begin((comm)->watchdog, CNN_WAIT_CONTROL, 0, true);                                     \
        const int blocking_code = (call);                                                                    \
        cnn_watchdog_end((comm)->watchdog, CNN_WAIT_CONTROL);                                                \
        CNN_MPI_TRY(blocking_code, what);                                                                    \
    } while (0)

#endif
