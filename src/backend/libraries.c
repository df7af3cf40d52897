#include "backend/libraries.h"

void cnn_backend_libraries(struct cnn_libraries *list) {
    cnn_cpu_libraries(list);
    cnn_cuda_libraries(list);
}
