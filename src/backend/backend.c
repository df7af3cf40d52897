#include "backend/ops.h"
#include "base/log.h"
#include <stddef.h>

// The first rank of a host tells of a GPU that is not used; the others would say the same.
static enum cnn_backend_kind choose(const struct cnn_backend_options *options) {
    const struct cnn_backend_ops *cuda = cnn_backends[CNN_BACKEND_CUDA];
    char why[1024] = "";
    if (!cuda)
        return CNN_BACKEND_CPU;
    if (cuda->is_usable(options, why, sizeof why))
        return CNN_BACKEND_CUDA;
    if (why[0] && options->local_rank == 0)
        cnn_log_warn("backend: auto: using the CPU, because the GPU cannot be used: %s", why);
    return CNN_BACKEND_CPU;
}

enum cnn_status cnn_backend_create(struct cnn_backend **out, enum cnn_backend_kind kind,
                                   const struct cnn_backend_options *options) {
    if (kind == CNN_BACKEND_AUTO)
        kind = choose(options);
    if (!cnn_backends[kind])
        return cnn_fail(CNN_ERR_UNSUPPORTED,
                        "backend: cuda: this build has no CUDA support; use backend: cpu");
    return cnn_backends[kind]->create(out, options);
}

bool cnn_backend_built(enum cnn_backend_kind kind) { return cnn_backends[kind] != NULL; }

void cnn_backend_destroy(struct cnn_backend *backend) {
    if (backend)
        backend->ops->destroy(backend);
}

const char *cnn_backend_name(const struct cnn_backend *backend) { return backend->ops->name; }
const char *cnn_backend_description(const struct cnn_backend *backend) { return backend->description; }
enum cnn_type cnn_backend_type(const struct cnn_backend *backend) { return backend->type; }
bool cnn_backend_is_host(const struct cnn_backend *backend) { return !backend->ops->stage; }

enum cnn_status cnn_backend_alloc(struct cnn_backend *backend, void **out, size_t bytes) {
    return backend->ops->alloc(backend, out, bytes);
}

void cnn_backend_free(struct cnn_backend *backend, void *memory) {
    if (memory)
        backend->ops->free(backend, memory);
}

enum cnn_status cnn_backend_alloc_host(struct cnn_backend *backend, void **out, size_t bytes) {
    return backend->ops->alloc_host(backend, out, bytes);
}

void cnn_backend_free_host(struct cnn_backend *backend, void *memory) {
    if (memory)
        backend->ops->free_host(backend, memory);
}

enum cnn_status cnn_backend_upload(struct cnn_backend *backend, void *device, const void *host,
                                   size_t bytes) {
    return backend->ops->upload(backend, device, host, bytes);
}

enum cnn_status cnn_backend_download(struct cnn_backend *backend, void *host, const void *device,
                                     size_t bytes) {
    return backend->ops->download(backend, host, device, bytes);
}

enum cnn_status cnn_backend_synchronize(struct cnn_backend *backend) {
    return backend->ops->synchronize(backend);
}

size_t cnn_backend_peak_bytes(const struct cnn_backend *backend) {
    return backend->ops->peak_bytes ? backend->ops->peak_bytes(backend) : 0;
}

bool cnn_backend_is_busy(const struct cnn_backend *backend) {
    return backend->ops->is_busy && backend->ops->is_busy(backend);
}

enum cnn_status cnn_backend_exchange_device(struct cnn_exchange_device **out, struct cnn_backend *backend) {
    *out = NULL;
    return backend->ops->exchange_device ? backend->ops->exchange_device(out, backend) : CNN_OK;
}

enum cnn_status cnn_backend_sgd(struct cnn_backend *backend, const struct cnn_sgd *sgd) {
    return backend->ops->sgd(backend, sgd);
}

enum cnn_status cnn_backend_check_finite(struct cnn_backend *backend, const float *values, size_t n,
                                         struct cnn_control *control) {
    return backend->ops->check_finite(backend, values, n, control);
}

bool cnn_backend_can_record(const struct cnn_backend *backend) { return backend->ops->record_begin; }

enum cnn_status cnn_backend_record_begin(struct cnn_backend *backend) {
    return backend->ops->record_begin(backend);
}

enum cnn_status cnn_backend_record_end(struct cnn_backend *backend, struct cnn_recording **out) {
    return backend->ops->record_end(backend, out);
}

enum cnn_status cnn_backend_replay(struct cnn_backend *backend, struct cnn_recording *recording) {
    return backend->ops->replay(backend, recording);
}

void cnn_recording_destroy(struct cnn_backend *backend, struct cnn_recording *recording) {
    if (recording)
        backend->ops->recording_destroy(recording);
}
