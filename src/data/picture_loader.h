// Threads that read picture files, decode and prepare them, and deliver them in batches, in the order of the
// list, a bounded number ahead. What the loader is for datasets, for files.
// A picture loader belongs to one thread: all calls on it come from there. Not collective.
#ifndef CNN_DATA_PICTURE_LOADER_H
#define CNN_DATA_PICTURE_LOADER_H
#include "image/image.h"

struct cnn_picture_batch {
    const uint8_t *pixels; // batch x h x w x c of the policy; rows of files that failed are zero
    char *const *reasons;  // n: why the file could not be used, its path included; NULL where it could
    size_t first;          // index of row 0 in the list
    int n, n_bad;          // n: batch, less in the last one
};

struct cnn_picture_loader_options {
    char *const *paths; // borrowed, like the policy, until destroy
    size_t n;
    const struct cnn_policy *policy;
    int channels; // 1 or 3
    int threads;  // >= 1
    int batch;    // >= 1
    int ahead;    // batches in the making besides the one that is held, >= 1
};

struct cnn_picture_loader;
// Takes all memory and starts the threads.
enum cnn_status cnn_picture_loader_create(struct cnn_picture_loader **out,
                                          const struct cnn_picture_loader_options *options) CNN_MUST_CHECK;
void cnn_picture_loader_destroy(struct cnn_picture_loader *loader); // at any time

// The next batch; *out is NULL at the end. Ends the previous one. A file that cannot be read or decoded is a
// reason in the batch; an error (CNN_ERR_MEMORY) is the loader's end.
enum cnn_status cnn_picture_loader_next(struct cnn_picture_loader *loader,
                                        const struct cnn_picture_batch **out) CNN_MUST_CHECK;

#endif
