// Ranks over MPI: starting, leaving, and control traffic.
#include "comm/mpi_job.h"

#include "base/log.h"
#include "base/memory.h"
#include "comm/mpi_calls.h"
#include "comm/watchdog.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BROADCAST_BLOCK ((size_t)64 << 20) // MPI counts are ints

// ---- control traffic

static enum cnn_status check_count(size_t bytes, const char *what) {
    if (bytes <= INT_MAX)
        return CNN_OK;
    return cnn_fail(CNN_ERR_INPUT, "%s of %zu bytes a rank: at most %d are possible", what, bytes, INT_MAX);
}

static enum cnn_status mpi_allgather(struct cnn_comm *comm, const void *mine, size_t bytes, void *all) {
    CNN_TRY(check_count(bytes, "allgather"));
    int n = (int)bytes;
    MPI_Request request;
    CNN_MPI_TRY(MPI_Iallgather(mine, n, MPI_BYTE, all, n, MPI_BYTE, cnn_mpi_job(comm)->control, &request),
                "allgather");
    return cnn_mpi_wait_control(comm, &request, "allgather");
}

static enum cnn_status mpi_broadcast(struct cnn_comm *comm, void *data, size_t bytes, int root) {
    for (size_t first = 0; first < bytes; first += BROADCAST_BLOCK) {
        int n = (int)(bytes - first < BROADCAST_BLOCK ? bytes - first : BROADCAST_BLOCK);
        MPI_Request request;
        CNN_MPI_TRY(MPI_Ibcast((char *)data + first, n, MPI_BYTE, root, cnn_mpi_job(comm)->control, &request),
                    "broadcast");
        CNN_TRY(cnn_mpi_wait_control(comm, &request, "broadcast"));
    }
    return CNN_OK;
}

static enum cnn_status mpi_gather(struct cnn_comm *comm, const void *data, size_t bytes, void *out,
                                  int root) {
    CNN_TRY(check_count(bytes, "gather"));
    int n = (int)bytes;
    MPI_Request request;
    CNN_MPI_TRY(MPI_Igather(data, n, MPI_BYTE, out, n, MPI_BYTE, root, cnn_mpi_job(comm)->control, &request),
                "gather");
    return cnn_mpi_wait_control(comm, &request, "gather");
}

static enum cnn_status mpi_barrier(struct cnn_comm *comm) {
    MPI_Request request;
    CNN_MPI_TRY(MPI_Ibarrier(cnn_mpi_job(comm)->control, &request), "barrier");
    return cnn_mpi_wait_control(comm, &request, "barrier");
}

// ---- leaving

// MPI_Finalize waits for all ranks and cannot say for which. So they meet before. A rank that is out of step
// leaves without it, and its watchdog stays; the launcher then ends the job.
static void mpi_finish(struct cnn_comm *comm, int exit_code) {
    struct cnn_mpi_job *job = cnn_mpi_job(comm);
    cnn_comm_set_stage(comm, CNN_STAGE_END, -1);
    if (cnn_comm_barrier(comm) != CNN_OK) {
        if (!cnn_comm_was_told(comm))
            cnn_log_warn("leaving the job: %s", cnn_error_message());
        return;
    }
    cnn_watchdog_leave(comm->watchdog, exit_code);
    cnn_watchdog_begin(comm->watchdog, CNN_WAIT_CONTROL, 0, true);
    MPI_Comm_free(&job->host);
    MPI_Comm_free(&job->control);
    MPI_Finalize();
    cnn_watchdog_end(comm->watchdog, CNN_WAIT_CONTROL);
    cnn_watchdog_destroy(comm->watchdog);
    free(comm->gathered);
    free(job);
}

static void mpi_abort(struct cnn_comm *comm, int exit_code) {
    int initialized = 0;
    if (MPI_Initialized(&initialized) == MPI_SUCCESS && initialized)
        MPI_Abort(MPI_COMM_WORLD, exit_code);
}

static const struct cnn_comm_ops mpi_ops = {
    .name = "mpi",
    .allgather = mpi_allgather,
    .broadcast = mpi_broadcast,
    .gather = mpi_gather,
    .barrier = mpi_barrier,
    .exchange_create = cnn_mpi_exchange_create,
    .finish = mpi_finish,
    .abort = mpi_abort,
};

// ---- starting

enum cnn_status cnn_mpi_job_ranks(MPI_Comm comm, int n, int *out) {
    MPI_Group some = MPI_GROUP_NULL, all = MPI_GROUP_NULL;
    int code = MPI_Comm_group(comm, &some);
    if (code == MPI_SUCCESS)
        code = MPI_Comm_group(MPI_COMM_WORLD, &all);
    for (int rank = 0; rank < n && code == MPI_SUCCESS; rank++)
        code = MPI_Group_translate_ranks(some, 1, &rank, all, &out[rank]);
    if (some != MPI_GROUP_NULL)
        MPI_Group_free(&some);
    if (all != MPI_GROUP_NULL)
        MPI_Group_free(&all);
    return cnn_mpi_check(code, "MPI_Group_translate_ranks");
}

static void name_library(char *out, size_t out_bytes) {
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    if (MPI_Get_library_version(text, &length) != MPI_SUCCESS)
        length = 0;
    text[length] = '\0';
    text[strcspn(text, ",\n")] = '\0'; // "Open MPI v4.1.4, package: ..."
    snprintf(out, out_bytes, "%s", text);
}

// For tests: ranks of one machine stand in for hosts of CNN_COMM_RANKS_PER_HOST ranks each.
static int pretended_ranks_per_host(void) {
    const char *text = getenv("CNN_COMM_RANKS_PER_HOST");
    return text ? atoi(text) : 0;
}

static enum cnn_status split_by_host(struct cnn_mpi_job *job) {
    struct cnn_comm *base = &job->base;
    int per_host = pretended_ranks_per_host();
    if (per_host > 0)
        CNN_MPI_TRY_BLOCKING(base,
                             MPI_Comm_split(job->control, base->rank / per_host, base->rank, &job->host),
                             "MPI_Comm_split");
    else
        CNN_MPI_TRY_BLOCKING(
            base,
            MPI_Comm_split_type(job->control, MPI_COMM_TYPE_SHARED, base->rank, MPI_INFO_NULL, &job->host),
            "MPI_Comm_split_type");
    CNN_MPI_TRY(MPI_Comm_rank(job->host, &base->local_rank), "MPI_Comm_rank");
    CNN_MPI_TRY(MPI_Comm_size(job->host, &base->local_size), "MPI_Comm_size");
    return CNN_OK;
}

// Hosts are numbered by their lowest ranks.
static enum cnn_status number_hosts(struct cnn_mpi_job *job) {
    struct cnn_comm *base = &job->base;
    int lowest, is_lowest = base->local_rank == 0;
    int *flags;
    CNN_TRY(cnn_mpi_job_ranks(job->host, 1, &lowest));
    CNN_TRY(cnn_calloc(&flags, (size_t)base->size, sizeof *flags));
    enum cnn_status status = mpi_allgather(base, &is_lowest, sizeof is_lowest, flags);
    for (int rank = 0; rank < base->size && status == CNN_OK; rank++) {
        base->hosts += flags[rank];
        job->host_index += rank < lowest && flags[rank];
    }
    free(flags);
    return status;
}

static enum cnn_status check_launcher(const struct cnn_comm *base, const struct cnn_launcher *launcher) {
    if (base->size != 1 || launcher->size <= 1)
        return CNN_OK;
    return cnn_fail(CNN_ERR_UNSUPPORTED,
                    "%s started %d copies of this program, but each copy's MPI library (%s) sees only one "
                    "rank; start them with the mpirun of that library, or with srun --mpi=pmix",
                    launcher->name, launcher->size, base->library);
}

static enum cnn_status describe(struct cnn_mpi_job *job, const struct cnn_launcher *launcher) {
    struct cnn_comm *base = &job->base;
    CNN_MPI_TRY(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    CNN_MPI_TRY(MPI_Comm_rank(MPI_COMM_WORLD, &base->rank), "MPI_Comm_rank");
    CNN_MPI_TRY(MPI_Comm_size(MPI_COMM_WORLD, &base->size), "MPI_Comm_size");
    name_library(base->library, sizeof base->library);
    CNN_TRY(check_launcher(base, launcher));
    CNN_TRY(cnn_watchdog_join(base->watchdog));
    CNN_MPI_TRY_BLOCKING(base, MPI_Comm_dup(MPI_COMM_WORLD, &job->control), "MPI_Comm_dup");
    CNN_TRY(split_by_host(job));
    return number_hosts(job);
}

static enum cnn_status init(struct cnn_mpi_job *job) {
    int provided = MPI_THREAD_SINGLE;
    CNN_MPI_TRY_BLOCKING(&job->base, MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided),
                         "MPI_Init_thread");
    job->base.threads = provided >= MPI_THREAD_MULTIPLE;
    return CNN_OK;
}

// `launcher` as it was found before MPI_Init, which leaves variables of its own.
enum cnn_status cnn_mpi_start(struct cnn_comm **out, const struct cnn_launcher *launcher) {
    struct cnn_mpi_job *job;
    CNN_TRY(cnn_calloc(&job, 1, sizeof *job));
    job->base.ops = &mpi_ops;
    if (gethostname(job->base.host, sizeof job->base.host - 1) != 0)
        snprintf(job->base.host, sizeof job->base.host, "localhost");
    enum cnn_status status = cnn_watchdog_create(&job->base.watchdog, &job->base, launcher->rank);
    if (status == CNN_OK)
        status = init(job);
    if (status == CNN_OK)
        status = describe(job, launcher);
    if (status != CNN_OK) {
        cnn_watchdog_destroy(job->base.watchdog);
        free(job);
        return status;
    }
    *out = &job->base;
    return CNN_OK;
}
