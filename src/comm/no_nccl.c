// Instead of nccl.c where NCCL was not found when this was built.
#include "comm/nccl.h"

#include <stdio.h>

bool cnn_nccl_is_usable(bool deterministic, char *why, size_t bytes) {
    snprintf(why, bytes, "this build does not support NCCL");
    return false;
}

void cnn_nccl_libraries(struct cnn_libraries *list) {}

enum cnn_status cnn_nccl_create(struct cnn_stream_sum **out, struct cnn_comm *comm,
                                struct cnn_exchange_device *device, double timeout_s) {
    return cnn_fail(CNN_ERR_UNSUPPORTED, "comm.backend: this build does not support NCCL; use mpi or auto");
}
