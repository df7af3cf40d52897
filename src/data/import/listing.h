// The picture files below class folders, in the one order every process agrees on.
#ifndef CNN_DATA_IMPORT_LISTING_H
#define CNN_DATA_IMPORT_LISTING_H
#include <cnn_dist/status.h>
#include <stddef.h>
#include <stdint.h>

struct cnn_listing_file {
    size_t path; // where its path, relative to the folder, stands in `paths`
    uint64_t bytes;
    int label;
};
struct cnn_listing {
    char **classes; // sorted folder names
    size_t n_classes;
    struct cnn_listing_file *files; // sorted by label, then path
    size_t n, capacity;
    char *paths;
    size_t paths_bytes, paths_capacity;
    uint64_t bytes; // of all files
};

// Lists every regular file below the folders of `folder`, links followed, names with a leading dot left out.
// Files beside the class folders are not records; they are counted in a log line. Finish frees, also after an
// error.
enum cnn_status cnn_listing_read(struct cnn_listing *out, const char *folder) CNN_MUST_CHECK;
void cnn_listing_finish(struct cnn_listing *listing);

static inline const char *cnn_listing_path(const struct cnn_listing *listing, size_t i) {
    return listing->paths + listing->files[i].path;
}

#endif
