#include "train/alike.h"

// Whether a number is the same on all ranks. Collective.
static enum cnn_status is_same(struct cnn_comm *comm, int64_t value, bool *out) {
    int64_t least[2] = {value, -value};
    CNN_TRY(cnn_comm_allreduce(comm, least, 2, CNN_COMM_I64, CNN_REDUCE_MIN));
    *out = least[0] == -least[1];
    return CNN_OK;
}

enum cnn_status cnn_check_backends_alike(struct cnn_comm *comm, struct cnn_backend *backend) {
    bool same = false;
    CNN_TRY(is_same(comm, 8 * cnn_backend_is_host(backend) + (int64_t)cnn_backend_type(backend), &same));
    if (same)
        return CNN_OK;
    return cnn_fail(
        CNN_ERR_INPUT,
        "backend: the ranks would not all compute alike, rank %d on %s; give every rank a GPU of the "
        "same kind, or say backend: cpu, or train.precision",
        cnn_comm_rank(comm), cnn_backend_description(backend));
}

enum cnn_status cnn_check_layouts_alike(struct cnn_comm *comm, struct cnn_backend *backend,
                                        struct cnn_replica *replica) {
    uint32_t mine = 0;
    if (cnn_comm_size(comm) == 1)
        return CNN_OK;
    bool same = false;
    CNN_TRY(cnn_comm_agree(comm, cnn_replica_layout(replica, &mine)));
    CNN_TRY(is_same(comm, mine, &same));
    if (same)
        return CNN_OK;
    return cnn_fail(
        CNN_ERR_INPUT,
        "the ranks lay out the network differently in memory, rank %d on %s; use hosts with one kind of "
        "processor, or set ONEDNN_MAX_CPU_ISA on all ranks to what the least of them has, such as AVX2",
        cnn_comm_rank(comm), cnn_backend_description(backend));
}
