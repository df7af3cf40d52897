// Private to update.cu: what an update has to do, cut into pieces of one segment each, in device memory.
#ifndef CNN_BACKEND_CUDA_TILES_H
#define CNN_BACKEND_CUDA_TILES_H
#include "backend/cuda/cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CNN_TILE_ELEMENTS = 4096 };

struct cnn_tile {
    size_t first;
    int n;
    enum cnn_segment_kind kind;
    float statistic_momentum;
};

// Of one list of segments. They stay as long as the backend, as recordings refer to them.
struct cnn_tiles {
    struct cnn_tiles *next;
    struct cnn_segment *segments; // a copy, to know the list again
    size_t n_segments;
    struct cnn_tile *device;
    int n;
};

// The list for these segments, made where it is asked for the first time; that time it waits for the device.
enum cnn_status cnn_cuda_tiles_of(const struct cnn_tiles **out, struct cnn_cuda *cuda,
                                  const struct cnn_segment *segments, size_t n_segments) CNN_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
