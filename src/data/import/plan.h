// What an import will make: datasets, their shards, and what each of them says of itself. Written to
// OUT/.import/plan, which tells one import from another and is all that finishing needs.
#ifndef CNN_DATA_IMPORT_PLAN_H
#define CNN_DATA_IMPORT_PLAN_H
#include "data/import/select.h"
#include "data/shard.h"

struct cnn_import_part {
    char folder[CNN_IMPORT_MAX_PART_NAME]; // in OUT; "": OUT itself
    char name[256];                        // of its shards
    uint64_t records;                      // planned: some may turn out to be of no use
    uint64_t shard_records;                // 0: spread evenly
    int n_shards, first_shard;             // shards of all parts are counted through
};

struct cnn_import_plan {
    const char *out; // borrowed
    char *source;    // what shards say they were made from
    bool pixels;
    int h, w, c;    // where pixels
    char **classes; // NULL: unnamed
    int n_classes;
    struct cnn_import_part parts[CNN_IMPORT_MAX_PARTS];
    int n_parts, n_shards;
};

// Cuts the selection into shards. Finish frees, also after an error.
enum cnn_status cnn_import_plan_make(struct cnn_import_plan *out, const struct cnn_import_source *source,
                                     const struct cnn_selection *selection,
                                     const struct cnn_import_options *options) CNN_MUST_CHECK;
// Reads OUT/.import/plan.
enum cnn_status cnn_import_plan_read(struct cnn_import_plan *out, const char *folder) CNN_MUST_CHECK;
void cnn_import_plan_finish(struct cnn_import_plan *plan);
// The text that is, or would be, in OUT/.import/plan.
enum cnn_status cnn_import_plan_text(struct cnn_bytes *out,
                                     const struct cnn_import_plan *plan) CNN_MUST_CHECK;

// Record number `position` of part p is in this shard.
int cnn_import_plan_shard(const struct cnn_import_plan *plan, int p, uint64_t position);
// Records planned for shard s.
uint64_t cnn_import_plan_records(const struct cnn_import_plan *plan, int s);
int cnn_import_plan_part(const struct cnn_import_plan *plan, int s);

// Where things lie. Shards end up in `shard_path`; until then there are
enum cnn_status cnn_import_shard_path(char out[4096], const struct cnn_import_plan *plan,
                                      int s) CNN_MUST_CHECK;
enum cnn_status cnn_import_part_folder(char out[4096], const struct cnn_import_plan *plan,
                                       int p) CNN_MUST_CHECK;
// OUT/.import/00003.images and OUT/.import/00003.index
enum cnn_status cnn_import_work_path(char out[4096], const char *folder, int s,
                                     const char *kind) CNN_MUST_CHECK;
#define CNN_IMPORT_WORK ".import"
#define CNN_IMPORT_QUARANTINE "quarantine.tsv"

#endif
