// The outside libraries of this folder (base/library.h): MPI, NCCL.
#ifndef CNN_COMM_LIBRARIES_H
#define CNN_COMM_LIBRARIES_H
#include "base/library.h"

void cnn_comm_libraries(struct cnn_libraries *list);

#endif
