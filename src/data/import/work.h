// The half-made shards of an import, in OUT/.import. Private to import/.
// 00003.images: the records of shard 3, where they will lie in it. 00003.index: what else there is to know of
// it, written once the records are safe on the disk, so that a shard with an index need not be made again.
#ifndef CNN_DATA_IMPORT_WORK_H
#define CNN_DATA_IMPORT_WORK_H
#include "data/import/plan.h"
#include "data/shard_gather.h"

// What is known of a shard beside its records.
struct cnn_work_facts {
    uint64_t n;            // records
    uint64_t n_jpeg;       // of them
    uint64_t n_rejected;   // left out
    int32_t h, w;          // of every record; 0, 0: they differ, or there are none
    uint64_t report_bytes; // lines of the quarantine report
    uint64_t small_bytes;  // records that are not in the images file
};

// One shard being made.
struct cnn_work_shard {
    char images[4096], index[4096];
    struct cnn_work_facts facts;
    struct cnn_shard_gather gather;
    struct cnn_bytes report;
    int fd;
};
enum cnn_status cnn_work_begin(struct cnn_work_shard *out, const char *folder, int s) CNN_MUST_CHECK;
enum cnn_status cnn_work_add(struct cnn_work_shard *shard, const void *data, size_t bytes, int label,
                             uint64_t id, uint32_t crc32c, const struct cnn_image_info *info) CNN_MUST_CHECK;
enum cnn_status cnn_work_reject(struct cnn_work_shard *shard, const char *path,
                                const char *reason) CNN_MUST_CHECK;
// The records are on the disk, then the index.
enum cnn_status cnn_work_complete(struct cnn_work_shard *shard) CNN_MUST_CHECK;
void cnn_work_close(struct cnn_work_shard *shard); // also one that was not completed, or never begun: zeroed

// Reads an index back. Finish frees, also after an error.
struct cnn_work_index {
    struct cnn_work_facts facts;
    struct cnn_shard_index index;
    char *report;
    uint8_t *small;
};
enum cnn_status cnn_work_read(struct cnn_work_index *out, const char *folder, int s) CNN_MUST_CHECK;
void cnn_work_index_finish(struct cnn_work_index *index);

#endif
