#include "image/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 10

static struct cnn_stage *last(struct cnn_plan *plan) { return &plan->stages[plan->n - 1]; }

void cnn_plan_output(const struct cnn_plan *plan, int *out_h, int *out_w) {
    *out_h = plan->stages[plan->n - 1].window.h;
    *out_w = plan->stages[plan->n - 1].window.w;
}

static void add_stage(struct cnn_plan *plan, int h, int w) {
    last(plan)->h = h;
    last(plan)->w = w;
    plan->n++;
    *last(plan) = (struct cnn_stage){.window = {0, 0, w, h}, .content = {0, 0, w, h}};
}

static const struct cnn_border black = {CNN_BORDER_CONSTANT, {0, 0, 0}};

static bool is_same(const struct cnn_border *a, const struct cnn_border *b) {
    return a->mode == CNN_BORDER_CONSTANT && b->mode == CNN_BORDER_CONSTANT &&
           memcmp(a->fill, b->fill, sizeof a->fill) == 0;
}

// Moves the window; x, y as seen after the mirroring so far, relative to the window so far, outside of it for
// a border.
static enum cnn_status cut(struct cnn_plan *plan, int x, int y, int h, int w,
                           const struct cnn_border *border) {
    struct cnn_rect before = last(plan)->window;
    if ((int64_t)h * w > CNN_MAX_PIXELS)
        return cnn_fail(CNN_ERR_INPUT, "an image of %d x %d pixels is too large", w, h);
    if (plan->flip)
        x = before.w - x - w;
    if (plan->flip_vertical)
        y = before.h - y - h;
    struct cnn_rect after = {before.x + x, before.y + y, w, h};
    if (!cnn_rect_contains(before, after)) {
        bool has_border = !cnn_rect_contains(last(plan)->content, before);
        if (has_border && !is_same(&last(plan)->border, border)) { // a border around a border
            add_stage(plan, before.h, before.w);
            before = last(plan)->window;
            after = (struct cnn_rect){x, y, w, h};
        }
        last(plan)->border = *border;
    }
    // What the window before did not show is gone, unless the border it showed goes on as it is.
    if (last(plan)->border.mode == CNN_BORDER_CONSTANT || cnn_rect_contains(last(plan)->content, before))
        last(plan)->content = cnn_rect_common(last(plan)->content, before);
    last(plan)->window = after;
    return CNN_OK;
}

static enum cnn_status scale(struct cnn_plan *plan, int64_t h, int64_t w) {
    struct cnn_stage *stage = last(plan);
    if (h == stage->window.h && w == stage->window.w)
        return CNN_OK;
    if (h < 1 || w < 1 || h > CNN_MAX_PIXELS / w)
        return cnn_fail(CNN_ERR_INPUT, "an image of %d x %d pixels cannot be resized to %lld x %lld",
                        stage->window.w, stage->window.h, (long long)w, (long long)h);
    add_stage(plan, (int)h, (int)w);
    return CNN_OK;
}

// Height and width of an argument of type CNN_ARG_SIZE.
static void read_size(const double value[3], int *h, int *w) {
    *h = (int)value[0];
    *w = value[1] > 0 ? (int)value[1] : *h;
}

// The arguments padding_mode and fill, from `args` on.
static struct cnn_border read_border(const double (*args)[3]) {
    struct cnn_border border = {.mode = (enum cnn_augment_border)args[0][0]};
    for (int k = 0; k < 3; k++)
        border.fill[k] = (uint8_t)args[1][k];
    return border;
}

static enum cnn_status random_crop(struct cnn_plan *plan, const struct cnn_augment *op,
                                   struct cnn_draws *draws) {
    int h, w, padding = (int)op->args[1][0];
    struct cnn_rect window = last(plan)->window;
    struct cnn_border border = read_border(op->args + 2);
    read_size(op->args[0], &h, &w);
    int rows = window.h + 2 * padding - h, columns = window.w + 2 * padding - w;
    if (rows < 0 || columns < 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "random_crop of %d x %d does not fit into an image of %d x %d pixels with padding %d",
                        w, h, window.w, window.h, padding);
    int y = (int)cnn_draw_below(draws, (uint32_t)rows + 1),
        x = (int)cnn_draw_below(draws, (uint32_t)columns + 1);
    return cut(plan, x - padding, y - padding, h, w, &border);
}

static enum cnn_status pad(struct cnn_plan *plan, const struct cnn_augment *op, struct cnn_draws *draws) {
    struct cnn_rect window = last(plan)->window;
    struct cnn_border border = read_border(op->args + 1);
    int across = (int)op->args[0][0], down = (int)op->args[0][1];
    return cut(plan, -across, -down, window.h + 2 * down, window.w + 2 * across, &border);
}

// Where no try fits: the largest rectangle of an allowed ratio, in the middle.
static enum cnn_status cut_middle(struct cnn_plan *plan, double least_ratio, double most_ratio) {
    struct cnn_rect window = last(plan)->window;
    double ratio = (double)window.w / window.h;
    int w = window.w, h = window.h;
    if (ratio < least_ratio)
        h = (int)nearbyint(w / least_ratio);
    else if (ratio > most_ratio)
        w = (int)nearbyint(h * most_ratio);
    w = w < 1 ? 1 : w;
    h = h < 1 ? 1 : h;
    return cut(plan, (window.w - w) / 2, (window.h - h) / 2, h, w, &black);
}

// Szegedy et al., "Going deeper with convolutions", 2015; the rounding is torchvision's.
static enum cnn_status cut_random(struct cnn_plan *plan, const struct cnn_augment *op,
                                  struct cnn_draws *draws) {
    struct cnn_rect window = last(plan)->window;
    double area = (double)window.h * window.w;
    double least_log = log(op->args[2][0]), most_log = log(op->args[2][1]);
    for (int i = 0; i < TRIES; i++) {
        double wanted = area * cnn_draw_between(draws, op->args[1][0], op->args[1][1]);
        double ratio = exp(cnn_draw_between(draws, least_log, most_log));
        double w = nearbyint(sqrt(wanted * ratio)), h = nearbyint(sqrt(wanted / ratio));
        if (w < 1 || h < 1 || w > window.w || h > window.h)
            continue;
        int y = (int)cnn_draw_below(draws, (uint32_t)(window.h - (int)h) + 1);
        int x = (int)cnn_draw_below(draws, (uint32_t)(window.w - (int)w) + 1);
        return cut(plan, x, y, (int)h, (int)w, &black);
    }
    return cut_middle(plan, op->args[2][0], op->args[2][1]);
}

static enum cnn_status random_resized_crop(struct cnn_plan *plan, const struct cnn_augment *op,
                                           struct cnn_draws *draws) {
    int h, w;
    read_size(op->args[0], &h, &w);
    CNN_TRY(cut_random(plan, op, draws));
    return scale(plan, h, w);
}

static enum cnn_status flip_horizontal(struct cnn_plan *plan, const struct cnn_augment *op,
                                       struct cnn_draws *draws) {
    plan->flip = !plan->flip;
    return CNN_OK;
}

static enum cnn_status flip_vertical(struct cnn_plan *plan, const struct cnn_augment *op,
                                     struct cnn_draws *draws) {
    plan->flip_vertical = !plan->flip_vertical;
    return CNN_OK;
}

static enum cnn_status resize_exact(struct cnn_plan *plan, const struct cnn_augment *op,
                                    struct cnn_draws *draws) {
    int h, w;
    read_size(op->args[0], &h, &w);
    return scale(plan, h, w);
}

static enum cnn_status resize(struct cnn_plan *plan, const struct cnn_augment *op, struct cnn_draws *draws) {
    int64_t side = (int64_t)op->args[0][0];
    struct cnn_rect window = last(plan)->window;
    if (window.w <= window.h)
        return scale(plan, side * window.h / window.w, side);
    return scale(plan, side, side * window.w / window.h);
}

// First column (or row) of the middle `size` of `have`; half pixels round to even, a border is thinner at the
// start.
static int middle(int have, int size) {
    return size > have ? -((size - have) / 2) : (int)nearbyint((have - size) / 2.0);
}

static enum cnn_status center_crop(struct cnn_plan *plan, const struct cnn_augment *op,
                                   struct cnn_draws *draws) {
    int h, w;
    struct cnn_rect window = last(plan)->window;
    read_size(op->args[0], &h, &w);
    return cut(plan, middle(window.w, w), middle(window.h, h), h, w, &black);
}

// Of a square size this is resize and center_crop, to the pixel.
static enum cnn_status fit(struct cnn_plan *plan, const struct cnn_augment *op, struct cnn_draws *draws) {
    int h, w;
    struct cnn_rect window = last(plan)->window;
    read_size(op->args[0], &h, &w);
    if ((int64_t)h * window.w >= (int64_t)w * window.h)
        CNN_TRY(scale(plan, h, (int64_t)h * window.w / window.h));
    else
        CNN_TRY(scale(plan, (int64_t)w * window.h / window.w, w));
    window = last(plan)->window;
    return cut(plan, middle(window.w, w), middle(window.h, h), h, w, &black);
}

static enum cnn_status crop(struct cnn_plan *plan, const struct cnn_augment *op, struct cnn_draws *draws) {
    int h, w;
    const struct cnn_rect window = last(plan)->window;
    const double *at = op->args[1];
    read_size(op->args[0], &h, &w);
    return cut(plan, (int)lround((window.w - w) * at[0]), (int)lround((window.h - h) * at[1]), h, w, &black);
}

typedef enum cnn_status (*planner)(struct cnn_plan *, const struct cnn_augment *, struct cnn_draws *);
static const planner planners[CNN_N_AUGMENTS] = {
    [CNN_AUGMENT_RANDOM_CROP] = random_crop,
    [CNN_AUGMENT_RANDOM_RESIZED_CROP] = random_resized_crop,
    [CNN_AUGMENT_FLIP_HORIZONTAL] = flip_horizontal,
    [CNN_AUGMENT_RESIZE] = resize,
    [CNN_AUGMENT_CENTER_CROP] = center_crop,
    [CNN_AUGMENT_FLIP_VERTICAL] = flip_vertical,
    [CNN_AUGMENT_RESIZE_EXACT] = resize_exact,
    [CNN_AUGMENT_PAD] = pad,
    [CNN_AUGMENT_CROP] = crop,
    [CNN_AUGMENT_FIT] = fit,
};

bool cnn_plan_takes(enum cnn_augment_kind kind) { return planners[kind] != NULL; }

void cnn_plan_init(struct cnn_plan *plan, int h, int w) {
    plan->n = 1;
    plan->flip = plan->flip_vertical = false;
    plan->stages[0] = (struct cnn_stage){.window = {0, 0, w, h}, .content = {0, 0, w, h}};
}

enum cnn_status cnn_plan_add(struct cnn_plan *plan, const struct cnn_augment *op, struct cnn_draws draws) {
    return planners[op->kind](plan, op, &draws);
}
