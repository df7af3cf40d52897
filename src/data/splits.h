// A folder of splits: folders (train, val ...) of which each is a dataset, as an import of splits makes them.
#ifndef CNN_DATA_SPLITS_H
#define CNN_DATA_SPLITS_H
#include <cnn_dist/status.h>
#include <stddef.h>

// The names, sorted, of the folders in `path` that hold shards; none where `path` is not a folder or holds
// shards itself. cnn_names_free frees them.
enum cnn_status cnn_splits_list(char ***out, size_t *out_n, const char *path) CNN_MUST_CHECK;

#endif
