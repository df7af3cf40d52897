// Private to comm/: sums over ranks by NCCL. Without NCCL in the build, no_nccl.c stands for it.
#ifndef CNN_COMM_NCCL_H
#define CNN_COMM_NCCL_H
#include "base/library.h"
#include "comm/comm.h"
#include "comm/stream_sum.h"

// Whether it is built in and its library is there; *why, if not. `deterministic`: from then on it is to give
// the same bits in every run of the same ranks. Before other threads run.
bool cnn_nccl_is_usable(bool deterministic, char *why, size_t bytes);
void cnn_nccl_libraries(struct cnn_libraries *list); // as in libraries.h
// Every rank has a device of its own. timeout_s: how long to wait for the others here, and for what has to be
// ended. Collective.
enum cnn_status cnn_nccl_create(struct cnn_stream_sum **out, struct cnn_comm *comm,
                                struct cnn_exchange_device *device, double timeout_s) CNN_MUST_CHECK;

#endif
