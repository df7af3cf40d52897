// Private to comm/: what the environment says about how this process was started.
#ifndef CNN_COMM_LAUNCHER_H
#define CNN_COMM_LAUNCHER_H
#include <stdbool.h>

struct cnn_launcher {
    const char *name; // "mpirun" (Open MPI), "PMIx", "PMI", "srun"; NULL when nothing started this process
    int size;         // processes it started, 0 where it does not say
    int rank;         // of this one, -1 where it does not say
    bool can_join;    // it left the means to join an MPI job; false for srun without --mpi
};
// Not collective.
struct cnn_launcher cnn_launcher_find(void);

#endif
