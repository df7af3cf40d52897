#include "comm/way.h"

#include <stdio.h>
#include <string.h>

// Two ranks whose device is the same.
static bool find_shared(const struct cnn_way_facts *facts, int size, int *first, int *second) {
    for (int b = 1; b < size; b++)
        for (int a = 0; a < b; a++)
            if (!strcmp(facts[a].place, facts[b].place) && !strcmp(facts[a].host, facts[b].host)) {
                *first = a;
                *second = b;
                return true;
            }
    return false;
}

// Why NCCL is not possible, into `why`; empty where it is. Every rank has a device.
static void explain(char *why, size_t bytes, const struct cnn_way_facts *facts, int size) {
    int first, second;
    why[0] = '\0';
    for (int rank = 0; rank < size; rank++)
        if (!facts[rank].has_nccl) {
            snprintf(why, bytes, "rank %d: %s", rank, facts[rank].why);
            return;
        }
    if (find_shared(facts, size, &first, &second))
        snprintf(why, bytes, "ranks %d and %d share GPU %s on %s, but NCCL needs one GPU per rank", first,
                 second, facts[first].place, facts[first].host);
}

static int count_devices(const struct cnn_way_facts *facts, int size) {
    int n = 0;
    for (int rank = 0; rank < size; rank++)
        n += facts[rank].has_device != 0;
    return n;
}

static enum cnn_status choose_for_host(struct cnn_way_choice *out, enum cnn_comm_kind wanted) {
    if (wanted == CNN_COMM_NCCL)
        return cnn_fail(CNN_ERR_UNSUPPORTED,
                        "comm.backend: nccl needs GPUs, but this run computes on the CPU; use mpi or auto");
    *out = (struct cnn_way_choice){.way = CNN_WAY_HOST};
    return CNN_OK;
}

enum cnn_status cnn_way_choose(struct cnn_way_choice *out, enum cnn_comm_kind wanted,
                               const struct cnn_way_facts *facts, int size) {
    const int devices = count_devices(facts, size);
    struct cnn_way_choice choice = {.way = CNN_WAY_STAGED};
    if (devices == 0)
        return choose_for_host(out, wanted);
    if (devices < size)
        return cnn_fail(CNN_ERR_INPUT,
                        "gradient exchange: %d of %d ranks compute on a GPU and the others on the CPU; "
                        "give every rank a GPU, or use backend: cpu",
                        devices, size);
    if (wanted == CNN_COMM_AUTO || wanted == CNN_COMM_NCCL) {
        explain(choice.why, sizeof choice.why, facts, size);
        choice.way = choice.why[0] ? CNN_WAY_STAGED : CNN_WAY_NCCL;
    }
    if (wanted == CNN_COMM_NCCL && choice.why[0])
        return cnn_fail(CNN_ERR_UNSUPPORTED, "comm.backend: nccl cannot be used: %s; use mpi or auto",
                        choice.why);
    *out = choice;
    return CNN_OK;
}
