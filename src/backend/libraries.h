// The outside libraries of this folder (base/library.h): oneDNN, and CUDA's where it is built in.
#ifndef CNN_BACKEND_LIBRARIES_H
#define CNN_BACKEND_LIBRARIES_H
#include "base/library.h"

void cnn_backend_libraries(struct cnn_libraries *list);

// Its parts: one a device. CUDA's adds nothing in a build without.
void cnn_cpu_libraries(struct cnn_libraries *list);
void cnn_cuda_libraries(struct cnn_libraries *list);

#endif
