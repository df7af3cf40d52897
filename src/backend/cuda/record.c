// Recordings are CUDA graphs: what is queued on the ops' stream by this thread is captured instead of run.
#include "backend/cuda/cuda.h"

#include "base/memory.h"

#include <stdlib.h>

struct cnn_recording {
    cudaGraphExec_t graph;
};

static enum cnn_status fail(cudaError_t error) {
    (void)cudaGetLastError();
    return cnn_fail(
        CNN_ERR_BACKEND,
        "cuda: the step cannot be captured as a CUDA graph: %s (%s); use train.record=false, which launches "
        "every kernel separately",
        cudaGetErrorString(error), cudaGetErrorName(error));
}

enum cnn_status cnn_cuda_record_begin(struct cnn_backend *backend) {
    struct cnn_cuda *cuda = cnn_cuda_of(backend);
    // other threads may go on with what a capture must not do
    const cudaError_t error = cudaStreamBeginCapture(cuda->compute, cudaStreamCaptureModeThreadLocal);
    if (error != cudaSuccess)
        return fail(error);
    cuda->recording = true;
    return CNN_OK;
}

static cudaError_t make_ready(struct cnn_cuda *cuda, cudaGraphExec_t *out, cudaGraph_t graph) {
    const cudaError_t error = cudaGraphInstantiate(out, graph, 0);
    if (error != cudaSuccess)
        return error;
    return cudaGraphUpload(*out, cuda->compute);
}

enum cnn_status cnn_cuda_record_end(struct cnn_backend *backend, struct cnn_recording **out) {
    struct cnn_cuda *cuda = cnn_cuda_of(backend);
    struct cnn_recording *recording = NULL;
    cudaGraph_t graph = NULL;
    cuda->recording = false;
    cudaError_t error = cudaStreamEndCapture(cuda->compute, &graph);
    enum cnn_status status =
        error == cudaSuccess ? cnn_calloc(&recording, 1, sizeof *recording) : fail(error);
    if (status == CNN_OK && (error = make_ready(cuda, &recording->graph, graph)) != cudaSuccess)
        status = fail(error);
    if (graph)
        cudaGraphDestroy(graph);
    if (status != CNN_OK) {
        cnn_cuda_recording_destroy(recording);
        return status;
    }
    *out = recording;
    return CNN_OK;
}

enum cnn_status cnn_cuda_replay(struct cnn_backend *backend, struct cnn_recording *recording) {
    return cnn_cuda_check(cudaGraphLaunch(recording->graph, cnn_cuda_of(backend)->compute),
                          "running the recorded step");
}

void cnn_cuda_recording_destroy(struct cnn_recording *recording) {
    if (!recording)
        return;
    if (recording->graph)
        cudaGraphExecDestroy(recording->graph);
    free(recording);
}
