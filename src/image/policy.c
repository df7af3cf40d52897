#include "image/policy.h"

#include "base/memory.h"
#include "image/choose.h"
#include <math.h>
#include <stdlib.h>

// What is known of the pictures between two augmentations: their size, or at least how long their shorter
// side always is (0: nothing).
struct knowledge {
    bool size_known;
    int h, w, shorter;
};

static void know_size(struct knowledge *known, int h, int w) {
    *known = (struct knowledge){true, h, w, h < w ? h : w};
}

// Of the last entry that is not inside another one.
static const char *last_name(const struct cnn_augment_list *list) {
    const struct cnn_augment *last = list->ops;
    for (const struct cnn_augment *op = last; op < list->ops + list->n; op += 1 + cnn_augment_span(op))
        last = op;
    return cnn_augment_table[last->kind].name;
}

static int count_of(const struct cnn_augment_arg *arg) {
    switch (arg->type) {
    case CNN_ARG_RANGE:
    case CNN_ARG_PAIR:
        return 2;
    case CNN_ARG_COLOR:
        return 3;
    default:
        return 1;
    }
}

static enum cnn_status check_args(const struct cnn_augment *op) {
    const struct cnn_augment_info *info = &cnn_augment_table[op->kind];
    for (int i = 0; i < info->n_args; i++) {
        const struct cnn_augment_arg *arg = &info->args[i];
        for (int v = 0; v < count_of(arg); v++)
            if (!(op->args[i][v] >= arg->least && op->args[i][v] <= arg->most))
                return cnn_fail(CNN_ERR_INPUT, "augment: %s: %s is %g; allowed: %g to %g", info->name,
                                arg->name, op->args[i][v], arg->least, arg->most);
        if (arg->type == CNN_ARG_SIZE && op->args[i][1] != 0 &&
            !(op->args[i][1] >= arg->least && op->args[i][1] <= arg->most))
            return cnn_fail(CNN_ERR_INPUT, "augment: %s: width is %g; allowed: %g to %g", info->name,
                            op->args[i][1], arg->least, arg->most);
        if (arg->type == CNN_ARG_RANGE && op->args[i][0] > op->args[i][1])
            return cnn_fail(CNN_ERR_INPUT, "augment: %s: %s: the range [%g, %g] ends below its start",
                            info->name, arg->name, op->args[i][0], op->args[i][1]);
    }
    return CNN_OK;
}

static void size_of(const struct cnn_augment *op, int *h, int *w) {
    *h = (int)op->args[0][0];
    *w = op->args[0][1] > 0 ? (int)op->args[0][1] : *h;
}

static enum cnn_status follow_random_crop(struct knowledge *known, const struct cnn_augment *op) {
    int h, w, padding = (int)op->args[1][0];
    size_of(op, &h, &w);
    int have_h = known->size_known ? known->h : known->shorter;
    int have_w = known->size_known ? known->w : known->shorter;
    // Of pictures of which only the shorter side is known, either may be it.
    bool fits = known->size_known ? h <= have_h + 2 * padding && w <= have_w + 2 * padding
                                  : (h < w ? h : w) <= known->shorter + 2 * padding;
    if ((known->size_known || known->shorter > 0) && !fits)
        return cnn_fail(
            CNN_ERR_INPUT,
            "augment: random_crop of %d x %d does not fit into images whose shorter side is %d, with "
            "padding %d; use more padding or a smaller size",
            w, h, known->shorter, padding);
    know_size(known, h, w);
    return CNN_OK;
}

static void follow_pad(struct knowledge *known, const struct cnn_augment *op) {
    int across = 2 * (int)op->args[0][0], down = 2 * (int)op->args[0][1];
    if (known->size_known)
        know_size(known, known->h + down, known->w + across);
    else if (known->shorter > 0)
        known->shorter += across < down ? across : down;
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

static enum cnn_status follow_leaf(struct knowledge *known, const struct cnn_augment *op) {
    int h, w;
    switch (op->kind) {
    case CNN_AUGMENT_RANDOM_CROP:
        return follow_random_crop(known, op);
    case CNN_AUGMENT_RESIZE:
        follow_resize(known, (int)op->args[0][0]);
        return CNN_OK;
    case CNN_AUGMENT_PAD:
        follow_pad(known, op);
        return CNN_OK;
    case CNN_AUGMENT_RANDOM_RESIZED_CROP:
    case CNN_AUGMENT_CENTER_CROP:
    case CNN_AUGMENT_CROP:
    case CNN_AUGMENT_FIT:
    case CNN_AUGMENT_RESIZE_EXACT:
        size_of(op, &h, &w);
        know_size(known, h, w);
        return CNN_OK;
    default:
        return CNN_OK;
    }
}

// What is known where it may have gone either way.
static struct knowledge common(const struct knowledge *a, const struct knowledge *b) {
    if (a->size_known && b->size_known && a->h == b->h && a->w == b->w)
        return *a;
    return (struct knowledge){.shorter = a->shorter < b->shorter ? a->shorter : b->shorter};
}

static enum cnn_status follow_all(struct knowledge *known, const struct cnn_augment *op,
                                  const struct cnn_augment *end);

static enum cnn_status follow_choice(struct knowledge *known, const struct cnn_augment *op,
                                     const struct cnn_augment *end) {
    const struct knowledge before = *known;
    for (const struct cnn_augment *in = op; in < end; in += 1 + cnn_augment_span(in)) {
        struct knowledge after = before;
        CNN_TRY(follow_all(&after, in, in + 1 + cnn_augment_span(in)));
        *known = in == op ? after : common(known, &after);
    }
    return CNN_OK;
}

// As deep as the lists are, which is checked beforehand.
static enum cnn_status follow_all(struct knowledge *known, const struct cnn_augment *op,
                                  const struct cnn_augment *end) {
    for (; op < end; op += 1 + cnn_augment_span(op)) {
        const struct cnn_augment *in = op + 1, *in_end = in + cnn_augment_span(op);
        const struct knowledge before = *known;
        CNN_TRY(check_args(op));
        if (op->kind == CNN_AUGMENT_RANDOM_CHOICE)
            CNN_TRY(follow_choice(known, in, in_end));
        else if (in < in_end)
            CNN_TRY(follow_all(known, in, in_end));
        else
            CNN_TRY(follow_leaf(known, op));
        if (op->kind == CNN_AUGMENT_RANDOM_APPLY && op->args[1][0] < 1)
            *known = common(known, &before);
    }
    return CNN_OK;
}

static enum cnn_status output_size(struct knowledge *known, const struct cnn_augment_list *list, bool fixed,
                                   int h, int w) {
    if (fixed && (h < 1 || w < 1 || h > (int)CNN_MAX_PIXELS / w))
        return cnn_fail(CNN_ERR_INPUT, "augment: invalid record size %d x %d", h, w);
    if (fixed)
        know_size(known, h, w);
    CNN_TRY(follow_all(known, list->ops, list->ops + list->n));
    if (!known->size_known && list->n > 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "augment: the images differ in size, and %s does not change that; end the list with "
                        "center_crop, random_crop or random_resized_crop",
                        last_name(list));
    if (!known->size_known)
        return cnn_fail(CNN_ERR_INPUT, "augment: the images differ in size and the list is empty; add "
                                       "random_resized_crop, or resize and center_crop");
    if ((uint64_t)known->h * (uint64_t)known->w > CNN_MAX_PIXELS)
        return cnn_fail(CNN_ERR_INPUT, "augment: images of %d x %d pixels are too large", known->w, known->h);
    return CNN_OK;
}

static enum cnn_status check_kinds(const struct cnn_augment_list *list) {
    for (int i = 0; i < list->n; i++)
        if ((int)list->ops[i].kind < 0 || list->ops[i].kind >= CNN_N_AUGMENTS)
            return cnn_fail(CNN_ERR_INPUT, "augment: unknown augmentation %d", (int)list->ops[i].kind);
    return cnn_choose_check(list);
}

enum cnn_status cnn_policy_create(struct cnn_policy **out, const struct cnn_augment_list *list, bool fixed,
                                  int stored_h, int stored_w) {
    struct knowledge known = {0};
    struct cnn_policy *policy = NULL;
    if (list->n < 0 || list->n > CNN_AUGMENT_MAX_OPS)
        return cnn_fail(CNN_ERR_INPUT, "augment: %d augmentations; at most %d are allowed", list->n,
                        CNN_AUGMENT_MAX_OPS);
    CNN_TRY(check_kinds(list));
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
