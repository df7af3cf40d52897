#include "backend/cuda/tiles.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static bool is_same(const struct cnn_segment *a, const struct cnn_segment *b) {
    return a->first == b->first && a->n == b->n && a->kind == b->kind &&
           a->statistic_momentum == b->statistic_momentum;
}

static bool is_of(const struct cnn_tiles *tiles, const struct cnn_segment *segments, size_t n) {
    if (tiles->n_segments != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_same(&tiles->segments[i], &segments[i]))
            return false;
    return true;
}

static size_t tiles_in(const struct cnn_segment *segment) {
    return (segment->n + CNN_TILE_ELEMENTS - 1) / CNN_TILE_ELEMENTS;
}

static void cut(struct cnn_tile *out, const struct cnn_segment *segments, size_t n) {
    for (size_t s = 0; s < n; s++)
        for (size_t at = 0; at < segments[s].n; at += CNN_TILE_ELEMENTS) {
            const size_t left = segments[s].n - at;
            *out++ = (struct cnn_tile){
                .first = segments[s].first + at,
                .n = (int)(left < CNN_TILE_ELEMENTS ? left : CNN_TILE_ELEMENTS),
                .kind = segments[s].kind,
                .statistic_momentum = segments[s].statistic_momentum,
            };
        }
}

static enum cnn_status copy_up(struct cnn_tiles *tiles, struct cnn_cuda *cuda) {
    const size_t bytes = (size_t)tiles->n * sizeof(struct cnn_tile);
    struct cnn_tile *host = NULL;
    CNN_TRY(cnn_calloc(&host, (size_t)tiles->n, sizeof *host));
    cut(host, tiles->segments, tiles->n_segments);
    enum cnn_status status = cnn_backend_alloc(&cuda->base, (void **)&tiles->device, bytes);
    if (status == CNN_OK)
        status = cnn_backend_upload(&cuda->base, tiles->device, host, bytes);
    if (status == CNN_OK)
        status = cnn_backend_synchronize(&cuda->base);
    free(host);
    return status;
}

static void destroy(struct cnn_cuda *cuda, struct cnn_tiles *tiles) {
    cnn_backend_free(&cuda->base, tiles->device);
    free(tiles->segments);
    free(tiles);
}

static enum cnn_status create(struct cnn_tiles **out, struct cnn_cuda *cuda,
                              const struct cnn_segment *segments, size_t n) {
    struct cnn_tiles *tiles = NULL;
    size_t count = 0;
    CNN_TRY(cnn_calloc(&tiles, 1, sizeof *tiles));
    enum cnn_status status = cnn_calloc(&tiles->segments, n, sizeof *segments);
    for (size_t s = 0; status == CNN_OK && s < n; s++) {
        tiles->segments[s] = segments[s];
        count += tiles_in(&segments[s]);
    }
    tiles->n_segments = n;
    tiles->n = (int)count;
    if (status == CNN_OK)
        status = copy_up(tiles, cuda);
    if (status != CNN_OK) {
        destroy(cuda, tiles);
        return status;
    }
    *out = tiles;
    return CNN_OK;
}

enum cnn_status cnn_cuda_tiles_of(const struct cnn_tiles **out, struct cnn_cuda *cuda,
                                  const struct cnn_segment *segments, size_t n_segments) {
    for (const struct cnn_tiles *tiles = cuda->tiles; tiles; tiles = tiles->next)
        if (is_of(tiles, segments, n_segments)) {
            *out = tiles;
            return CNN_OK;
        }
    struct cnn_tiles *made = NULL;
    CNN_TRY(create(&made, cuda, segments, n_segments));
    made->next = cuda->tiles;
    cuda->tiles = made;
    *out = made;
    return CNN_OK;
}

void cnn_cuda_forget_tiles(struct cnn_cuda *cuda) {
    while (cuda->tiles) {
        struct cnn_tiles *tiles = cuda->tiles;
        cuda->tiles = tiles->next;
        destroy(cuda, tiles);
    }
}
