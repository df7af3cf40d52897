// Going back to a checkpoint: the second half of store.h.
#include "train/store.h"

#include "base/file.h"
#include "base/log.h"
#include "base/owner.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define ASIDE ".set-aside"

static bool same_file(const char *a, const char *b) {
    struct stat of_a, of_b;
    return a && b && stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

// ---- setting aside ----

static enum cnn_status delete_set_aside(const char *folder, const char *source) {
    char **names, path[PATH_BYTES];
    size_t n;
    enum cnn_status status = CNN_OK;
    CNN_TRY(cnn_folder_list(&names, &n, folder, "step-", ASIDE));
    for (size_t i = 0; i < n && status == CNN_OK; i++) {
        status = cnn_path_format(path, sizeof path, "%s/%s", folder, names[i]);
        if (status == CNN_OK && !same_file(path, source) && unlink(path) != 0 && errno != ENOENT)
            status = cnn_fail(CNN_ERR_IO, "cannot delete %s: %s", path, strerror(errno));
    }
    cnn_names_free(names, n);
    return status;
}

// One that was set aside may be what the run resumes from, and keeps its name then.
static enum cnn_status set_aside(const char *folder, int64_t step, const char *source) {
    char path[PATH_BYTES], aside[PATH_BYTES];
    CNN_TRY(cnn_store_path(path, sizeof path, folder, step));
    CNN_TRY(cnn_path_format(aside, sizeof aside, "%s" ASIDE, path));
    CNN_TRY(cnn_owner_check_path(path));
    if (same_file(aside, source) ? unlink(path) != 0 : rename(path, aside) != 0)
        return cnn_fail(CNN_ERR_IO, "cannot rename %s: %s", path, strerror(errno));
    cnn_log_warn("%s is later than the checkpoint this run resumes from: renamed to %s", path, aside);
    return CNN_OK;
}

// steps[0..n-1] ascending. *out_kept: how many of them are not later than `step`.
static enum cnn_status set_aside_later(const char *folder, const int64_t *steps, size_t n, int64_t step,
                                       const char *source, size_t *out_kept) {
    size_t kept = n;
    while (kept > 0 && steps[kept - 1] > step)
        kept--;
    if (kept < n)
        CNN_TRY(delete_set_aside(folder, source));
    for (size_t i = kept; i < n; i++)
        CNN_TRY(set_aside(folder, steps[i], source));
    *out_kept = kept;
    return CNN_OK;
}

// ---- what `latest` and `best` name ----

static enum cnn_status point(const char *folder, const char *pointer, int64_t step) {
    char path[PATH_BYTES];
    if (step >= 0)
        return cnn_store_pointed(folder, pointer) == step ? CNN_OK : cnn_store_point(folder, pointer, step);
    CNN_TRY(cnn_path_format(path, sizeof path, "%s/%s", folder, pointer));
    CNN_TRY(cnn_owner_check_path(path));
    if (unlink(path) != 0 && errno != ENOENT)
        return cnn_fail(CNN_ERR_IO, "cannot delete %s: %s", path, strerror(errno));
    return CNN_OK;
}

static bool contains(const int64_t *steps, size_t n, int64_t step) {
    for (size_t i = 0; i < n; i++)
        if (steps[i] == step)
            return true;
    return false;
}

// How the checkpoint was evaluated, where its file knows. Files that cannot be read are passed over.
static bool read_top1(double *out, const char *folder, int64_t step) {
    char path[PATH_BYTES];
    struct cnn_checkpoint *checkpoint = NULL;
    if (cnn_store_path(path, sizeof path, folder, step) != CNN_OK ||
        cnn_checkpoint_open(&checkpoint, path) != CNN_OK)
        return false;
    const struct cnn_run_state *state = &cnn_checkpoint_record(checkpoint)->state;
    bool evaluated = state->step == step && (state->evaluated_step == step || state->best_step == step);
    *out = state->evaluated_step == step ? state->evaluated_top1 : state->best_top1;
    cnn_checkpoint_close(checkpoint);
    return evaluated && isfinite(*out);
}

static struct cnn_best find_best(const char *folder, const int64_t *steps, size_t n,
                                 const struct cnn_run_state *state) {
    struct cnn_best best = {.step = -1};
    if (state && state->best_step >= 0 && contains(steps, n, state->best_step))
        return (struct cnn_best){state->best_step, state->best_top1};
    for (size_t i = 0; i < n && state; i++) {
        double top1;
        if (read_top1(&top1, folder, steps[i]) && (best.step < 0 || top1 > best.top1))
            best = (struct cnn_best){steps[i], top1};
    }
    return best;
}

enum cnn_status cnn_store_rewind(struct cnn_best *out_best, const char *folder,
                                 const struct cnn_run_state *state, const char *source) {
    int64_t *steps = NULL;
    size_t n, kept = 0;
    CNN_TRY(cnn_store_steps(&steps, &n, folder));
    enum cnn_status status = set_aside_later(folder, steps, n, state ? state->step : -1, source, &kept);
    struct cnn_best best = {.step = -1};
    if (status == CNN_OK)
        best = find_best(folder, steps, kept, state);
    if (status == CNN_OK)
        status = point(folder, "latest", kept > 0 ? steps[kept - 1] : -1);
    if (status == CNN_OK)
        status = point(folder, "best", best.step);
    free(steps);
    if (status == CNN_OK)
        *out_best = best;
    return status;
}
