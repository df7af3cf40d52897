// Preloaded: lets one rank of a job fail at a chosen moment, by the MPI call it makes.
//   FAULT_RANK=R   the rank
//   FAULT_AT       init | start-up | step | exchange | sync | evaluation | end | finalize
//   FAULT_DO       stop (SIGSTOP) | kill (SIGKILL) | cut (creates FAULT_FILE and waits until it is gone)
//   FAULT_FILE     created when it happens
// and slows every fsync of rank 0 by FAULT_FSYNC_S seconds.
#include <dlfcn.h>
#include <fcntl.h>
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP_REPORT_BYTES 96 // of struct cnn_step_report
#define LOOK_BYTES 16        // of an evaluation's look at the other ranks

static int is_rank(const char *wanted) {
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    return rank && wanted && strcmp(rank, wanted) == 0;
}

static void happen(void) {
    const char *action = getenv("FAULT_DO"), *file = getenv("FAULT_FILE");
    const int fd = open(file, O_CREAT | O_EXCL | O_WRONLY, 0666);
    if (fd < 0)
        return; // once
    close(fd);
    if (strcmp(action, "kill") == 0)
        raise(SIGKILL);
    if (strcmp(action, "stop") == 0)
        kill(getpid(), SIGSTOP);
    while (strcmp(action, "cut") == 0 && access(file, F_OK) == 0)
        usleep(1000);
}

// The n-th time that this rank comes by.
static void pass(const char *at, int n, int *count) {
    const char *wanted = getenv("FAULT_AT");
    if (wanted && strcmp(wanted, at) == 0 && is_rank(getenv("FAULT_RANK")) && ++*count == n)
        happen();
}

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided) {
    static int count;
    pass("init", 1, &count);
    return PMPI_Init_thread(argc, argv, required, provided);
}

int MPI_Comm_dup(MPI_Comm comm, MPI_Comm *out) {
    static int count;
    pass("start-up", 1, &count);
    return PMPI_Comm_dup(comm, out);
}

int MPI_Iallgather(const void *in, int n_in, MPI_Datatype type_in, void *out, int n_out,
                   MPI_Datatype type_out, MPI_Comm comm, MPI_Request *request) {
    static int steps, evaluations, norms;
    static int has_stepped;
    has_stepped |= n_in == STEP_REPORT_BYTES;
    if (n_in == STEP_REPORT_BYTES)
        pass("step", 5, &steps);
    if (n_in == LOOK_BYTES && has_stepped)
        pass("evaluation", 1, &evaluations);
    if (n_in > STEP_REPORT_BYTES && has_stepped)
        pass("sync", 30, &norms);
    return PMPI_Iallgather(in, n_in, type_in, out, n_out, type_out, comm, request);
}

int MPI_Isend(const void *data, int n, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request *request) {
    static int count;
    if (comm != MPI_COMM_WORLD)
        pass("exchange", 20, &count);
    return PMPI_Isend(data, n, type, to, tag, comm, request);
}

int MPI_Ibarrier(MPI_Comm comm, MPI_Request *request) {
    static int count;
    pass("end", 1, &count);
    return PMPI_Ibarrier(comm, request);
}

int MPI_Finalize(void) {
    static int count;
    pass("finalize", 1, &count);
    return PMPI_Finalize();
}

int fsync(int fd) {
    static int (*real)(int);
    const char *seconds = getenv("FAULT_FSYNC_S");
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    if (seconds && is_rank("0"))
        usleep((useconds_t)(1e6 * atof(seconds)));
    return real(fd);
}
