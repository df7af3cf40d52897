// Private to comm/: what a way of talking (self, MPI) provides, and the state every way shares.
#ifndef CNN_COMM_TABLE_H
#define CNN_COMM_TABLE_H
#include "comm/comm.h"
#include "comm/exchange.h"
#include "comm/launcher.h"

#include <stdatomic.h>

// All entries are set. Control verbs are blocking and collective; `bytes` may be 0.
struct cnn_comm_ops {
    const char *name;
    enum cnn_status (*allgather)(struct cnn_comm *comm, const void *mine, size_t bytes,
                                 void *all); // all: size * bytes
    enum cnn_status (*broadcast)(struct cnn_comm *comm, void *data, size_t bytes, int root);
    enum cnn_status (*gather)(struct cnn_comm *comm, const void *data, size_t bytes, void *out, int root);
    enum cnn_status (*barrier)(struct cnn_comm *comm);
    // Collective; what the wire points to is borrowed.
    enum cnn_status (*exchange_create)(struct cnn_exchange **out, struct cnn_comm *comm,
                                       const struct cnn_wire *wire);
    void (*finish)(struct cnn_comm *comm, int exit_code); // also frees comm
    void (*abort)(struct cnn_comm *comm, int exit_code);  // may return where it could not end the job
};

struct cnn_comm {
    const struct cnn_comm_ops *ops;
    struct cnn_watchdog *watchdog; // NULL: a rank alone
    char *gathered;                // room for a block of an allreduce
    int rank, size, local_rank, local_size;
    int hosts;
    bool threads; // two threads may talk at once
    atomic_bool
        broken; // an exchange was given up half-way: this rank is out of step and must not talk any more
    const char *launcher; // static, or NULL
    char host[256], library[256];
};

// Whole jobs. Collective. cnn_mpi_start explains a job whose launcher belongs to another MPI.
enum cnn_status cnn_self_start(struct cnn_comm **out) CNN_MUST_CHECK;
enum cnn_status cnn_mpi_start(struct cnn_comm **out, const struct cnn_launcher *launcher) CNN_MUST_CHECK;

#endif
