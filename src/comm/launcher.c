#include "comm/launcher.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>

// Each launcher leaves these; the first row that applies names it. Open MPI's mpirun under SLURM leaves
// srun's too, so srun comes last. Only a step's own variables count for srun: SLURM_NTASKS is also set in a
// batch script, where one process runs.
struct row {
    const char *name, *mark, *size, *rank;
    bool can_join;
};
static const struct row rows[] = {
    {"mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", true},
    {"PMIx", "PMIX_RANK", "SLURM_STEP_NUM_TASKS", "PMIX_RANK", true},
    {"PMI", "PMI_RANK", "PMI_SIZE", "PMI_RANK", true},
    {"PMI", "PMI_FD", "PMI_SIZE", "PMI_RANK", true},
    {"srun", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", false},
};

static int number(const char *variable, int otherwise) {
    const char *text = getenv(variable);
    if (!text || !*text)
        return otherwise;
    char *end;
    long value = strtol(text, &end, 10);
    return *end || value < 0 || value > INT_MAX ? otherwise : (int)value;
}

struct cnn_launcher cnn_launcher_find(void) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!getenv(rows[i].mark))
            continue;
        struct cnn_launcher found = {rows[i].name, number(rows[i].size, 0), number(rows[i].rank, -1),
                                     rows[i].can_join};
        if (!found.can_join && found.size <= 1)
            continue; // a step of one task is a process alone
        return found;
    }
    return (struct cnn_launcher){0};
}
