// Inputs on their way to the device, beside the ops: on a stream of their own, held to the ops' stream by two
// events. `used`: the ops have read what was staged last. `staged`: all that was staged has arrived.
#include "backend/cuda/cuda.h"

enum cnn_status cnn_cuda_stage(struct cnn_backend *backend, void *device, const void *host, size_t bytes) {
    struct cnn_cuda *cuda = cnn_cuda_of(backend);
    CNN_CUDA_TRY(cudaStreamWaitEvent(cuda->copy, cuda->used, 0), "staging inputs");
    CNN_CUDA_TRY(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, cuda->copy), "staging inputs");
    return cnn_cuda_check(cudaEventRecord(cuda->staged, cuda->copy), "staging inputs");
}

enum cnn_status cnn_cuda_stage_wait(struct cnn_backend *backend) {
    struct cnn_cuda *cuda = cnn_cuda_of(backend);
    return cnn_cuda_check(cudaStreamWaitEvent(cuda->compute, cuda->staged, 0), "waiting for inputs");
}

// In a recording the event is external: every replay records it anew, for copies that are not part of it.
enum cnn_status cnn_cuda_stage_used(struct cnn_backend *backend) {
    struct cnn_cuda *cuda = cnn_cuda_of(backend);
    const unsigned flags = cuda->recording ? cudaEventRecordExternal : cudaEventRecordDefault;
    return cnn_cuda_check(cudaEventRecordWithFlags(cuda->used, cuda->compute, flags),
                          "marking inputs as used");
}

enum cnn_status cnn_cuda_stage_finish(struct cnn_backend *backend) {
    return cnn_cuda_check(cudaEventSynchronize(cnn_cuda_of(backend)->staged), "waiting for inputs");
}
