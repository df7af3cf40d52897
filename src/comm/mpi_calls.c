#include "comm/mpi_calls.h"

#include "base/clock.h"
#include "comm/table.h"

#include <sched.h>
#include <time.h>

// Yielding lets others run and still answers quickly; after that, sleeps that grow.
#define YIELD_S 50e-6
#define FIRST_SLEEP_NS 20000
#define LONGEST_SLEEP_NS 200000

enum cnn_status cnn_mpi_check(int code, const char *what) {
    if (code == MPI_SUCCESS)
        return CNN_OK;
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int length;
    MPI_Error_string(code, text, &length);
    return cnn_fail(CNN_ERR_COMM, "%s: %s", what, text);
}

static void sleep_ns(long ns) {
    struct timespec time = {0, ns};
    nanosleep(&time, NULL);
}

enum cnn_status cnn_mpi_wait(MPI_Request *request, const char *what, const struct cnn_patience *patience,
                             bool *done) {
    const double start = cnn_clock_s();
    long nap = FIRST_SLEEP_NS;
    int is_done = 0;
    for (*done = false;;) {
        CNN_MPI_TRY(MPI_Test(request, &is_done, MPI_STATUS_IGNORE), what);
        *done = is_done;
        if (is_done || cnn_patience_is_over(patience))
            return CNN_OK;
        if (cnn_clock_s() - start < YIELD_S) {
            sched_yield();
            continue;
        }
        sleep_ns(nap);
        nap = nap * 2 < LONGEST_SLEEP_NS ? nap * 2 : LONGEST_SLEEP_NS;
    }
}

enum cnn_status cnn_mpi_wait_control(struct cnn_comm *comm, MPI_Request *request, const char *what) {
    const struct cnn_patience patience = {.watchdog = comm->watchdog};
    bool done;
    cnn_watchdog_begin(comm->watchdog, CNN_WAIT_CONTROL, 0, false);
    const enum cnn_status status = cnn_mpi_wait(request, what, &patience, &done);
    cnn_watchdog_end(comm->watchdog, CNN_WAIT_CONTROL);
    CNN_TRY(status);
    return done ? CNN_OK : cnn_patience_give(&patience, comm->rank, what);
}
