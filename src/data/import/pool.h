// The threads of an import: they read records, check and re-encode them, and hand them out in order.
#ifndef CNN_DATA_IMPORT_POOL_H
#define CNN_DATA_IMPORT_POOL_H
#include "data/import/plan.h"
#include "image/image.h"

// One record as it comes out. Pointers are valid until the next call.
struct cnn_pool_record {
    uint64_t i;       // in the source
    int shard;        // of the plan
    const void *data; // NULL where it cannot be used
    size_t bytes;
    uint32_t crc32c;
    struct cnn_image_info info;
    const char *reason; // why it cannot be used
};

struct cnn_pool;
// Records of the selection whose shard is not `skipped` (n_shards of the plan). All is borrowed until
// destroy.
enum cnn_status cnn_pool_create(struct cnn_pool **out, const struct cnn_import_source *source,
                                const struct cnn_selection *selection, const struct cnn_import_plan *plan,
                                const bool *skipped, const struct cnn_import_options *options) CNN_MUST_CHECK;
// The next record in the order of the source; *out_end: there is none. One thread.
enum cnn_status cnn_pool_next(struct cnn_pool *pool, struct cnn_pool_record *out,
                              bool *out_end) CNN_MUST_CHECK;
void cnn_pool_destroy(struct cnn_pool *pool); // ends the threads

#endif
