// Sums of a step's gradients over micro-batches, in a fixed order that does not depend on how micro-batches
// are divided over ranks: pairs first, then pairs of pairs. An odd micro-batch is added to its partner by
// backward itself. Sums that wait for a partner lie in levels, one for each power of two, like the bits of a
// binary counter.
#include "backend/ops.h"
#include "replica/private.h"

// The last pair's number; its bits say which levels wait for it.
static int last_pair(const struct cnn_replica *r) { return (r->options.micros - 1) / 2; }

int cnn_replica_pair_levels(const struct cnn_replica *r) {
    int levels = 0;
    while (last_pair(r) >> levels)
        levels++;
    return levels;
}

static float *level_at(const struct cnn_replica *r, int level) { return r->pairs + (size_t)level * r->count; }

enum cnn_status cnn_replica_keep_pair(struct cnn_replica *r, int micro) {
    if (micro % 2 == 0)
        return CNN_OK;
    int level = 0;
    for (; micro / 2 >> level & 1; level++)
        CNN_TRY(r->backend->ops->add(r->backend, CNN_TYPE_F32, r->gradients, level_at(r, level), r->count));
    return r->backend->ops->copy(r->backend, level_at(r, level), r->gradients, r->count);
}

enum cnn_status cnn_replica_add_pairs(struct cnn_replica *r, size_t from, size_t to) {
    for (int level = 0; last_pair(r) >> level; level++)
        if (last_pair(r) >> level & 1)
            CNN_TRY(r->backend->ops->add(r->backend, CNN_TYPE_F32, r->gradients + from,
                                         level_at(r, level) + from, to - from));
    return CNN_OK;
}
