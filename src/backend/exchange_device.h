// What the exchange of gradients between ranks (comm/) needs of a device whose memory holds them: a stream
// beside that of the ops, events that order the two, copies to the host and back, gradients in 16 bits. A
// backend fills the table. Everything is queued, but create, alloc, free, and what waits by its name.
#ifndef CNN_BACKEND_EXCHANGE_DEVICE_H
#define CNN_BACKEND_EXCHANGE_DEVICE_H
#include "config/config.h"

enum cnn_stream { CNN_STREAM_OPS, CNN_STREAM_EXCHANGE };
struct cnn_device_event; // a point in a stream

struct cnn_exchange_device;
struct cnn_exchange_device_ops {
    void (*destroy)(struct cnn_exchange_device *device);
    // Another thread than the one that made the device begins to call the others.
    enum cnn_status (*enter)(struct cnn_exchange_device *device);
    // Memory of the device, and of the host that it copies fast from and to.
    enum cnn_status (*alloc)(struct cnn_exchange_device *device, void **out, size_t bytes);
    void (*free)(struct cnn_exchange_device *device, void *memory);
    enum cnn_status (*alloc_host)(struct cnn_exchange_device *device, void **out, size_t bytes);
    void (*free_host)(struct cnn_exchange_device *device, void *memory);

    // A timed event can be stamped, others recorded.
    enum cnn_status (*event_create)(struct cnn_exchange_device *device, struct cnn_device_event **out,
                                    bool timed);
    void (*event_destroy)(struct cnn_exchange_device *device, struct cnn_device_event *event);
    // The event happens when what has been queued on the stream is done.
    enum cnn_status (*record)(struct cnn_exchange_device *device, struct cnn_device_event *event,
                              enum cnn_stream stream);
    // What is queued on the stream from now on runs after the event.
    enum cnn_status (*wait)(struct cnn_exchange_device *device, struct cnn_device_event *event,
                            enum cnn_stream stream);
    // For the host: whether the event has happened, and waiting for it asleep. Not of events that are part of
    // a recorded step.
    enum cnn_status (*has_happened)(struct cnn_exchange_device *device, struct cnn_device_event *event,
                                    bool *out);
    enum cnn_status (*synchronize)(struct cnn_exchange_device *device, struct cnn_device_event *event);
    // Notes the time when what has been queued is done, in every run of a recorded step as well.
    enum cnn_status (*stamp)(struct cnn_exchange_device *device, struct cnn_device_event *event,
                             enum cnn_stream stream);
    // Seconds from one stamp to another; both have happened.
    enum cnn_status (*between)(struct cnn_exchange_device *device, struct cnn_device_event *from,
                               struct cnn_device_event *to, double *out);

    // On the exchange's stream. `pack` rounds n floats to BF16 or FP16 (base/half.h), `unpack` is the way
    // back.
    enum cnn_status (*download)(struct cnn_exchange_device *device, void *host, const void *memory,
                                size_t bytes);
    enum cnn_status (*upload)(struct cnn_exchange_device *device, void *memory, const void *host,
                              size_t bytes);
    enum cnn_status (*pack)(struct cnn_exchange_device *device, uint16_t *out, const float *in, size_t n,
                            enum cnn_precision precision);
    enum cnn_status (*unpack)(struct cnn_exchange_device *device, float *out, const uint16_t *in, size_t n,
                              enum cnn_precision precision);
};

// The first member of every kind.
struct cnn_exchange_device {
    const struct cnn_exchange_device_ops *ops;
    char place[32]; // tells the device from all others of its host: "0000:3b:00.0"
    void *stream;   // the exchange's, as its maker calls it: CUDA's cudaStream_t
};

static inline void cnn_exchange_device_destroy(struct cnn_exchange_device *device) { // accepts NULL
    if (device)
        device->ops->destroy(device);
}

#endif
