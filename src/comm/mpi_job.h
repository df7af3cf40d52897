// Private to comm/: what an MPI job holds beside the shared state of a cnn_comm.
#ifndef CNN_COMM_MPI_JOB_H
#define CNN_COMM_MPI_JOB_H
#include "comm/table.h"

#include <mpi.h>

struct cnn_mpi_job {
    struct cnn_comm base; // first
    MPI_Comm control;     // all ranks; control traffic only
    MPI_Comm host;        // the ranks of this host
    int host_index;       // 0.. in the order of the hosts' lowest ranks
};

static inline struct cnn_mpi_job *cnn_mpi_job(struct cnn_comm *comm) { return (struct cnn_mpi_job *)comm; }

// What the first n ranks of comm are called in the job. Not collective.
enum cnn_status cnn_mpi_job_ranks(MPI_Comm comm, int n, int *out) CNN_MUST_CHECK;
// Collective.
enum cnn_status cnn_mpi_exchange_create(struct cnn_exchange **out, struct cnn_comm *comm,
                                        const struct cnn_wire *wire) CNN_MUST_CHECK;

#endif
