#include "data/splits.h"

#include "base/file.h"

#include <stdbool.h>
#include <stdlib.h>

// False also where the folder cannot be read.
static bool holds_shards(const char *path) {
    char **names = NULL;
    size_t n = 0;
    if (!cnn_folder_exists(path) || cnn_folder_list(&names, &n, path, "", ".h5") != CNN_OK)
        return false;
    cnn_names_free(names, n);
    return n > 0;
}

enum cnn_status cnn_splits_list(char ***out, size_t *out_n, const char *path) {
    char **names, folder[4096];
    size_t n, kept = 0;
    *out = NULL;
    *out_n = 0;
    if (!cnn_folder_exists(path) || holds_shards(path))
        return CNN_OK;
    CNN_TRY(cnn_folder_list(&names, &n, path, "", ""));
    for (size_t i = 0; i < n; i++) {
        bool split =
            cnn_path_format(folder, sizeof folder, "%s/%s", path, names[i]) == CNN_OK && holds_shards(folder);
        if (split)
            names[kept++] = names[i];
        else
            free(names[i]);
    }
    *out = names;
    *out_n = kept;
    return CNN_OK;
}
