// Gradients on their way: a stream that goes before the ops', for a bucket that is late keeps all ranks
// waiting.
#include "backend/cuda/exchange.h"
#include "base/memory.h"

#include <stdlib.h>

struct cuda_exchange {
    struct cnn_exchange_device base; // first
    struct cnn_cuda *cuda;
    cudaStream_t stream;
};

static struct cuda_exchange *exchange_of(struct cnn_exchange_device *device) {
    return (struct cuda_exchange *)device;
}

static cudaStream_t stream_of(struct cnn_exchange_device *device, enum cnn_stream stream) {
    return stream == CNN_STREAM_OPS ? exchange_of(device)->cuda->compute : exchange_of(device)->stream;
}

static cudaEvent_t event_of(struct cnn_device_event *event) { return (cudaEvent_t)(void *)event; }

// ---- memory

static enum cnn_status enter(struct cnn_exchange_device *device) {
    return cnn_cuda_check(cudaSetDevice(exchange_of(device)->cuda->device), "exchanging gradients");
}

static enum cnn_status alloc(struct cnn_exchange_device *device, void **out, size_t bytes) {
    return cnn_cuda_alloc(&exchange_of(device)->cuda->base, out, bytes);
}

static void free_memory(struct cnn_exchange_device *device, void *memory) {
    cnn_cuda_free(&exchange_of(device)->cuda->base, memory);
}

static enum cnn_status alloc_host(struct cnn_exchange_device *device, void **out, size_t bytes) {
    return cnn_cuda_alloc_host(&exchange_of(device)->cuda->base, out, bytes);
}

static void free_host(struct cnn_exchange_device *device, void *memory) {
    cnn_cuda_free_host(&exchange_of(device)->cuda->base, memory);
}

// ---- events

static enum cnn_status event_create(struct cnn_exchange_device *device, struct cnn_device_event **out,
                                    bool timed) {
    cudaEvent_t event = NULL;
    const unsigned flags = timed ? cudaEventDefault : cudaEventDisableTiming | cudaEventBlockingSync;
    CNN_CUDA_TRY(cudaEventCreateWithFlags(&event, flags), "exchanging gradients");
    *out = (struct cnn_device_event *)(void *)event;
    return CNN_OK;
}

static void event_destroy(struct cnn_exchange_device *device, struct cnn_device_event *event) {
    if (event)
        cudaEventDestroy(event_of(event));
}

static enum cnn_status record(struct cnn_exchange_device *device, struct cnn_device_event *event,
                              enum cnn_stream stream) {
    return cnn_cuda_check(cudaEventRecord(event_of(event), stream_of(device, stream)), "marking gradients");
}

static enum cnn_status wait(struct cnn_exchange_device *device, struct cnn_device_event *event,
                            enum cnn_stream stream) {
    return cnn_cuda_check(cudaStreamWaitEvent(stream_of(device, stream), event_of(event), 0),
                          "waiting for gradients");
}

static enum cnn_status has_happened(struct cnn_exchange_device *device, struct cnn_device_event *event,
                                    bool *out) {
    const cudaError_t error = cudaEventQuery(event_of(event));
    *out = error == cudaSuccess;
    if (error == cudaErrorNotReady) {
        (void)cudaGetLastError(); // it stays behind as if it were an error
        return CNN_OK;
    }
    return cnn_cuda_check(error, "waiting for the step's end");
}

static enum cnn_status synchronize(struct cnn_exchange_device *device, struct cnn_device_event *event) {
    return cnn_cuda_check(cudaEventSynchronize(event_of(event)), "waiting for gradients");
}

// In a recording an event is external, or the host could not look at it.
static enum cnn_status stamp(struct cnn_exchange_device *device, struct cnn_device_event *event,
                             enum cnn_stream stream) {
    const unsigned flags =
        exchange_of(device)->cuda->recording ? cudaEventRecordExternal : cudaEventRecordDefault;
    return cnn_cuda_check(cudaEventRecordWithFlags(event_of(event), stream_of(device, stream), flags),
                          "timing the exchange");
}

static enum cnn_status between(struct cnn_exchange_device *device, struct cnn_device_event *from,
                               struct cnn_device_event *to, double *out) {
    float ms = 0;
    CNN_CUDA_TRY(cudaEventElapsedTime(&ms, event_of(from), event_of(to)), "timing the exchange");
    *out = 1e-3 * (double)ms;
    return CNN_OK;
}

// ---- data

static enum cnn_status download(struct cnn_exchange_device *device, void *host, const void *memory,
                                size_t bytes) {
    return cnn_cuda_check(
        cudaMemcpyAsync(host, memory, bytes, cudaMemcpyDeviceToHost, exchange_of(device)->stream),
        "copying gradients from the device");
}

static enum cnn_status upload(struct cnn_exchange_device *device, void *memory, const void *host,
                              size_t bytes) {
    return cnn_cuda_check(
        cudaMemcpyAsync(memory, host, bytes, cudaMemcpyHostToDevice, exchange_of(device)->stream),
        "copying gradients to the device");
}

static enum cnn_status pack(struct cnn_exchange_device *device, uint16_t *out, const float *in, size_t n,
                            enum cnn_precision precision) {
    return cnn_cuda_pack(exchange_of(device)->cuda, exchange_of(device)->stream, out, in, n, precision);
}

static enum cnn_status unpack(struct cnn_exchange_device *device, float *out, const uint16_t *in, size_t n,
                              enum cnn_precision precision) {
    return cnn_cuda_unpack(exchange_of(device)->cuda, exchange_of(device)->stream, out, in, n, precision);
}

// ---- making one

static void destroy(struct cnn_exchange_device *device) {
    struct cuda_exchange *exchange = exchange_of(device);
    if (exchange->stream)
        cudaStreamDestroy(exchange->stream);
    free(exchange);
}

static const struct cnn_exchange_device_ops ops = {
    .destroy = destroy,
    .enter = enter,
    .alloc = alloc,
    .free = free_memory,
    .alloc_host = alloc_host,
    .free_host = free_host,
    .event_create = event_create,
    .event_destroy = event_destroy,
    .record = record,
    .wait = wait,
    .has_happened = has_happened,
    .synchronize = synchronize,
    .stamp = stamp,
    .between = between,
    .download = download,
    .upload = upload,
    .pack = pack,
    .unpack = unpack,
};

static enum cnn_status start(struct cuda_exchange *exchange) {
    int least, greatest; // the greatest priority is the lowest number
    CNN_CUDA_TRY(
        cudaDeviceGetPCIBusId(exchange->base.place, sizeof exchange->base.place, exchange->cuda->device),
        "asking for the GPU's bus");
    CNN_CUDA_TRY(cudaDeviceGetStreamPriorityRange(&least, &greatest), "starting the exchange");
    CNN_CUDA_TRY(cudaStreamCreateWithPriority(&exchange->stream, cudaStreamNonBlocking, greatest),
                 "starting the exchange");
    exchange->base.stream = exchange->stream;
    return CNN_OK;
}

enum cnn_status cnn_cuda_exchange_device(struct cnn_exchange_device **out, struct cnn_backend *backend) {
    struct cuda_exchange *exchange = NULL;
    CNN_TRY(cnn_calloc(&exchange, 1, sizeof *exchange));
    exchange->base.ops = &ops;
    exchange->cuda = cnn_cuda_of(backend);
    const enum cnn_status status = start(exchange);
    if (status != CNN_OK) {
        destroy(&exchange->base);
        return status;
    }
    *out = &exchange->base;
    return CNN_OK;
}
