#include "image/policy.h"

#include "base/memory.h"
#include <math.h>
#include <stdlib.h>

// What is known of the pictures between two augmentations: their size, or at least their shorter side (0:
// nothing).
struct knowledge {
    bool size_known;
    int h, w, shorter;
};

static void know_size(struct knowledge *known, int h, int w) {
    *known = (struct knowledge){true, h, w, h < w ? h : w};
}

static const char *name_of(const struct cnn_augment *op) { return cnn_augment_table[op->kind].name; }

static enum cnn_status check_args(const struct cnn_augment *op) {
    if ((int)op->kind < 0 || op->kind >= CNN_N_AUGMENTS)
        return cnn_fail(CNN_ERR_INPUT, "augment: unknown augmentation %d", (int)op->kind);
    const struct cnn_augment_info *info = &cnn_augment_table[op->kind];
    for (int i = 0; i < info->n_args; i++) {
        const struct cnn_augment_arg *arg = &info->args[i];
        for (int v = 0; v < (arg->type == CNN_ARG_RANGE ? 2 : 1); v++)
            if (!(op->args[i][v] >= arg->least && op->args[i][v] <= arg->most))
                return cnn_fail(CNN_ERR_INPUT, "augment: %s: %s is %g, allowed is %g to %g", info->name,
                                arg->name, op->args[i][v], arg->least, arg->most);
        if (arg->type == CNN_ARG_RANGE && op->args[i][0] > op->args[i][1])
            return cnn_fail(CNN_ERR_INPUT, "augment: %s: %s goes from %g down to %g", info->name, arg->name,
                            op->args[i][0], op->args[i][1]);
    }
    return CNN_OK;
}

static enum cnn_status follow_random_crop(struct knowledge *known, const struct cnn_augment *op) {
    int size = (int)op->args[0][0], padding = (int)op->args[1][0];
    if (known->shorter > 0 && size > known->shorter + 2 * padding)
        return cnn_fail(CNN_ERR_INPUT,
                        "augment: random_crop of %d does not fit into pictures whose shorter side is %d, "
                        "with padding %d; "
                        "make the padding larger or the size smaller",
                        size, known->shorter, padding);
    know_size(known, size, size);
    return CNN_OK;
}

static void follow_resize(struct knowledge *known, int side) {
    if (!known->size_known) {
        *known = (struct knowledge){.shorter = side};
        return;
    }
    int64_t longer = known->h > known->w ? known->h : known->w;
    longer = side * longer / known->shorter;
    longer = longer > CNN_MAX_PIXELS ? CNN_MAX_PIXELS : longer;
    if (known->h >= known->w)
        know_size(known, (int)longer, side);
    else
        know_size(known, side, (int)longer);
}

static enum cnn_status follow(struct knowledge *known, const struct cnn_augment *op) {
    CNN_TRY(check_args(op));
    int size = (int)op->args[0][0];
    switch (op->kind) {
    case CNN_AUGMENT_RANDOM_CROP:
        return follow_random_crop(known, op);
    case CNN_AUGMENT_RESIZE:
        follow_resize(known, size);
        return CNN_OK;
    case CNN_AUGMENT_RANDOM_RESIZED_CROP:
    case CNN_AUGMENT_CENTER_CROP:
        know_size(known, size, size);
        return CNN_OK;
    default:
        return CNN_OK;
    }
}

static enum cnn_status output_size(struct knowledge *known, const struct cnn_augment_list *list, bool fixed,
                                   int h, int w) {
    if (fixed && (h < 1 || w < 1 || h > (int)CNN_MAX_PIXELS / w))
        return cnn_fail(CNN_ERR_INPUT, "augment: records of %d x %d pixels", h, w);
    if (fixed)
        know_size(known, h, w);
    for (int i = 0; i < list->n; i++)
        CNN_TRY(follow(known, &list->ops[i]));
    if (!known->size_known && list->n > 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "augment: the pictures differ in size, and %s leaves them so; end the list with "
                        "center_crop, random_crop or random_resized_crop",
                        name_of(&list->ops[list->n - 1]));
    if (!known->size_known)
        return cnn_fail(CNN_ERR_INPUT, "augment: the pictures differ in size and the list is empty; give it "
                                       "random_resized_crop, or resize and center_crop");
    if ((uint64_t)known->h * (uint64_t)known->w > CNN_MAX_PIXELS)
        return cnn_fail(CNN_ERR_INPUT, "augment: pictures of %d x %d pixels are too large", known->w,
                        known->h);
    return CNN_OK;
}

enum cnn_status cnn_policy_create(struct cnn_policy **out, const struct cnn_augment_list *list, bool fixed,
                                  int stored_h, int stored_w) {
    struct knowledge known = {0};
    struct cnn_policy *policy = NULL;
    if (list->n < 0 || list->n > CNN_AUGMENT_MAX_OPS)
        return cnn_fail(CNN_ERR_INPUT, "augment: %d augmentations, at most %d are allowed", list->n,
                        CNN_AUGMENT_MAX_OPS);
    CNN_TRY(output_size(&known, list, fixed, stored_h, stored_w));
    CNN_TRY(cnn_malloc(&policy, 1, sizeof *policy));
    *policy = (struct cnn_policy){.list = *list, .out_h = known.h, .out_w = known.w};
    *out = policy;
    return CNN_OK;
}

void cnn_policy_destroy(struct cnn_policy *policy) { free(policy); }

void cnn_policy_output(const struct cnn_policy *policy, int *out_h, int *out_w) {
    *out_h = policy->out_h;
    *out_w = policy->out_w;
}
