#include "comm/mpi_calls.h"

#include "base/clock.h"

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

enum cnn_status cnn_mpi_wait(MPI_Request *requests, int n, const char *what,
                             const struct cnn_patience *patience, int *late) {
    double start = cnn_clock_s();
    long nap = FIRST_SLEEP_NS;
    int first_open = 0, done = 0;
    if (late)
        *late = -1;
    for (;;) {
        while (first_open < n) {
            CNN_MPI_TRY(MPI_Test(&requests[first_open], &done, MPI_STATUS_IGNORE), what);
            if (!done)
                break;
            first_open++;
        }
        if (first_open == n)
            return CNN_OK;
        if (patience && cnn_patience_is_over(patience))
            break;
        if (cnn_clock_s() - start < YIELD_S) {
            sched_yield();
            continue;
        }
        sleep_ns(nap);
        nap = nap * 2 < LONGEST_SLEEP_NS ? nap * 2 : LONGEST_SLEEP_NS;
    }
    if (late)
        *late = first_open;
    return cnn_fail(CNN_ERR_COMM, "%s: not answered in time", what);
}

enum cnn_status cnn_mpi_wait_one(MPI_Request *request, const char *what) {
    return cnn_mpi_wait(request, 1, what, NULL, NULL);
}
