// Private to comm/nccl*.c: the library, opened when it is first needed.
#ifndef CNN_COMM_NCCL_LAZY_H
#define CNN_COMM_NCCL_LAZY_H
#include <cnn_dist/status.h>

enum cnn_status cnn_nccl_load(void) CNN_MUST_CHECK;

#endif
