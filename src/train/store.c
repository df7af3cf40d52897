#include "train/store.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "step-"
#define SUFFIX ".safetensors"
#define PATH_BYTES 4096

void cnn_store_name(char out[CNN_STORE_NAME_BYTES], int64_t step) {
    snprintf(out, CNN_STORE_NAME_BYTES, PREFIX "%08" PRId64 SUFFIX, step);
}

enum cnn_status cnn_store_path(char *out, size_t out_bytes, const char *folder, int64_t step) {
    char name[CNN_STORE_NAME_BYTES];
    cnn_store_name(name, step);
    return cnn_path_format(out, out_bytes, "%s/%s", folder, name);
}

// The step of a checkpoint's name; -1 for any other name.
static int64_t step_of(const char *name) {
    char *end, again[CNN_STORE_NAME_BYTES];
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
        return -1;
    int64_t step = strtoll(name + strlen(PREFIX), &end, 10);
    if (step < 0)
        return -1;
    cnn_store_name(again, step);
    return strcmp(name, again) == 0 ? step : -1;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

enum cnn_status cnn_store_steps(int64_t **out, size_t *out_n, const char *folder) {
    char **names = NULL;
    size_t n_names = 0, n = 0;
    int64_t *steps = NULL;
    if (cnn_folder_exists(folder))
        CNN_TRY(cnn_folder_list(&names, &n_names, folder, PREFIX, SUFFIX));
    enum cnn_status status = cnn_calloc(&steps, n_names, sizeof *steps);
    for (size_t i = 0; status == CNN_OK && i < n_names; i++)
        if (step_of(names[i]) >= 0)
            steps[n++] = step_of(names[i]);
    cnn_names_free(names, n_names);
    if (status != CNN_OK)
        return status;
    qsort(steps, n, sizeof *steps, ascending); // names sort otherwise past 8 digits
    *out = steps;
    *out_n = n;
    return CNN_OK;
}

enum cnn_status cnn_store_point(const char *folder, const char *pointer, int64_t step) {
    char path[PATH_BYTES], text[CNN_STORE_NAME_BYTES + 1];
    cnn_store_name(text, step);
    strcat(text, "\n");
    CNN_TRY(cnn_path_format(path, sizeof path, "%s/%s", folder, pointer));
    return cnn_file_replace(path, text, strlen(text));
}

int64_t cnn_store_pointed(const char *folder, const char *pointer) {
    char path[PATH_BYTES], *text = NULL;
    size_t bytes;
    int64_t step = -1;
    if (cnn_path_format(path, sizeof path, "%s/%s", folder, pointer) != CNN_OK || !cnn_file_exists(path) ||
        cnn_file_read(&text, &bytes, path, 4096) != CNN_OK)
        return -1;
    text[strcspn(text, "\n")] = '\0';
    step = step_of(text);
    free(text);
    return step;
}

enum cnn_status cnn_store_prune(const char *folder, int keep, int64_t best_step) {
    int64_t *steps = NULL;
    size_t n;
    enum cnn_status status = CNN_OK;
    char path[PATH_BYTES];
    CNN_TRY(cnn_store_steps(&steps, &n, folder));
    for (size_t i = 0; status == CNN_OK && i + (size_t)keep < n; i++) {
        if (steps[i] == best_step)
            continue;
        status = cnn_store_path(path, sizeof path, folder, steps[i]);
        if (status == CNN_OK && unlink(path) != 0 && errno != ENOENT)
            status = cnn_fail(CNN_ERR_IO, "cannot delete %s: %s", path, strerror(errno));
    }
    free(steps);
    return status;
}

// One candidate: *out stays NULL, without an error, where the file is refused.
static enum cnn_status open_or_refuse(struct cnn_checkpoint **out, const char *folder, int64_t step) {
    char path[PATH_BYTES];
    CNN_TRY(cnn_store_path(path, sizeof path, folder, step));
    enum cnn_status status = cnn_checkpoint_open(out, path);
    if (status != CNN_ERR_INPUT)
        return status;
    cnn_log_warn("checkpoint refused: %s", cnn_error_message());
    return CNN_OK;
}

enum cnn_status cnn_store_open_newest(struct cnn_checkpoint **out, const char *folder) {
    int64_t *steps = NULL;
    size_t n;
    struct cnn_checkpoint *found = NULL;
    enum cnn_status status = CNN_OK;
    CNN_TRY(cnn_store_steps(&steps, &n, folder));
    for (size_t i = n; status == CNN_OK && !found && i-- > 0;)
        status = open_or_refuse(&found, folder, steps[i]);
    free(steps);
    if (status != CNN_OK)
        return status;
    if (!found && n > 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "none of the %zu checkpoints in %s can be read (see the log for details); start a "
                        "new run with another run.name, or delete the run folder",
                        n, folder);
    *out = found;
    return CNN_OK;
}

enum cnn_status cnn_store_find(char *out, size_t out_bytes, const char *run_or_checkpoint, bool latest) {
    char folder[PATH_BYTES];
    int64_t *steps = NULL, step = -1;
    size_t n = 0;
    if (cnn_file_exists(run_or_checkpoint))
        return cnn_path_format(out, out_bytes, "%s", run_or_checkpoint);
    if (!cnn_folder_exists(run_or_checkpoint))
        return cnn_fail(CNN_ERR_INPUT, "%s: no such run folder or checkpoint", run_or_checkpoint);
    CNN_TRY(cnn_path_format(folder, sizeof folder, "%s/checkpoints", run_or_checkpoint));
    if (!cnn_folder_exists(folder))
        CNN_TRY(cnn_path_format(folder, sizeof folder, "%s", run_or_checkpoint));
    if (!latest)
        step = cnn_store_pointed(folder, "best");
    if (step >= 0 && (cnn_store_path(out, out_bytes, folder, step) != CNN_OK || !cnn_file_exists(out))) {
        cnn_log_warn("%s/best names step %" PRId64 ", which is not there; using the newest checkpoint",
                     folder, step);
        step = -1;
    }
    CNN_TRY(cnn_store_steps(&steps, &n, folder));
    if (step < 0 && n > 0)
        step = steps[n - 1];
    free(steps);
    if (step < 0)
        return cnn_fail(CNN_ERR_INPUT, "%s has no checkpoint", run_or_checkpoint);
    return cnn_store_path(out, out_bytes, folder, step);
}
