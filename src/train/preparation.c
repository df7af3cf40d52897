#include "train/preparation.h"

#include "base/file.h"
#include "base/log.h"

#include <inttypes.h>
#include <string.h>

struct size {
    int h, w; // 0: unknown
};

static struct size size_of(const struct cnn_dataset *dataset) {
    const struct cnn_shard_header *header = cnn_dataset_header(dataset);
    const bool fixed = header->h > 0 && header->w > 0;
    return fixed ? (struct size){header->h, header->w} : (struct size){0};
}

void cnn_preparation_note_size(struct cnn_run_facts *facts, const struct cnn_dataset *train,
                               const struct cnn_dataset *val) {
    const struct size size = size_of(val ? val : train);
    facts->picture_height = size.h;
    facts->picture_width = size.w;
}

// For checkpoints of older versions, which do not record it: the size of the run's dataset, if that is still
// in its place.
static struct size look_up_size(const struct cnn_config *config) {
    const char *path = config->data.val[0] ? config->data.val : config->data.train;
    struct cnn_dataset *dataset = NULL;
    if (!cnn_folder_exists(path) || cnn_dataset_open(&dataset, path) != CNN_OK)
        return (struct size){0};
    const struct size size = size_of(dataset);
    cnn_dataset_close(dataset);
    return size;
}

// The size that pictures are fitted to: as the run's were stored.
static struct size find_size(const struct cnn_config *config, const struct cnn_run_facts *facts,
                             const struct cnn_dataset *dataset) {
    const double most = cnn_augment_table[CNN_AUGMENT_FIT].args[0].most;
    const int64_t h = facts->picture_height, w = facts->picture_width;
    if (h > 0 && w > 0 && (double)h <= most && (double)w <= most)
        return (struct size){(int)h, (int)w};
    if (dataset)
        return size_of(dataset);
    const struct size stored = look_up_size(config);
    if (stored.h > 0)
        return stored;
    cnn_log_warn(
        "augment.eval sets no size, and the checkpoint does not record the size of the images it was "
        "evaluated on; images are resized and cropped to the size used in training, %" PRId64 " x %" PRId64
        " (height x width); to change that, use "
        "--set 'augment.eval=[fit: [HEIGHT, WIDTH]]'",
        facts->height, facts->width);
    return (struct size){(int)facts->height, (int)facts->width};
}

static void report_fit(struct size size, const struct cnn_dataset *dataset) {
    const struct size stored = size_of(dataset);
    if (stored.h == size.h && stored.w == size.w)
        return;
    cnn_log_info(
        "augment.eval sets no size; images of %s are resized and cropped to %d x %d (height x width), "
        "the size of the images evaluated during training",
        cnn_dataset_path(dataset), size.h, size.w);
}

static enum cnn_status put_fit_first(struct cnn_augment_list *list, struct size size) {
    if (list->n == CNN_AUGMENT_MAX_OPS)
        return cnn_fail(CNN_ERR_INPUT, "augment: none of the %d augmentations sets a size", list->n);
    memmove(list->ops + 1, list->ops, (size_t)list->n * sizeof *list->ops);
    list->ops[0] = cnn_augment_default(CNN_AUGMENT_FIT);
    list->ops[0].args[0][0] = size.h;
    list->ops[0].args[0][1] = size.w;
    list->n++;
    return CNN_OK;
}

// The size of the list's results; fails where it depends on the size of the picture.
static enum cnn_status find_output(struct cnn_preparation *preparation) {
    struct cnn_policy *policy = NULL;
    CNN_TRY(cnn_policy_create(&policy, &preparation->list, false, 0, 0));
    cnn_policy_output(policy, &preparation->height, &preparation->width);
    cnn_policy_destroy(policy);
    return CNN_OK;
}

enum cnn_status cnn_preparation_make(struct cnn_preparation *out, const struct cnn_config *config,
                                     const struct cnn_run_facts *facts, const struct cnn_dataset *dataset) {
    *out = (struct cnn_preparation){.list = config->augment.eval, .channels = (int)facts->channels};
    enum cnn_status status = find_output(out);
    if (status == CNN_OK)
        return CNN_OK;
    const struct size size = find_size(config, facts, dataset);
    if (size.h > 0) {
        CNN_TRY(put_fit_first(&out->list, size));
        if (dataset)
            report_fit(size, dataset);
        status = find_output(out);
    }
    if (status != CNN_OK && dataset)
        status = cnn_fail_in(status, "%s", cnn_dataset_path(dataset));
    return status == CNN_OK ? CNN_OK : cnn_fail_in(status, "augment.eval");
}
