#include "image/plan.h"

#include <math.h>
#include <stdlib.h>

#define TRIES 10

static struct cnn_stage *last(struct cnn_plan *plan) { return &plan->stages[plan->n - 1]; }

void cnn_plan_output(const struct cnn_plan *plan, int *out_h, int *out_w) {
    *out_h = plan->stages[plan->n - 1].window.h;
    *out_w = plan->stages[plan->n - 1].window.w;
}

// Moves the window; x, y as seen after the mirroring so far, relative to the window so far, negative for a
// border.
static void cut(struct cnn_plan *plan, int x, int y, int h, int w) {
    struct cnn_stage *stage = last(plan);
    struct cnn_rect before = stage->window;
    if (plan->flip)
        x = before.w - x - w;
    stage->content = cnn_rect_common(stage->content, before);
    stage->window = (struct cnn_rect){before.x + x, before.y + y, w, h};
}

static enum cnn_status scale(struct cnn_plan *plan, int64_t h, int64_t w) {
    struct cnn_stage *stage = last(plan);
    if (h == stage->window.h && w == stage->window.w)
        return CNN_OK;
    if (h < 1 || w < 1 || h > CNN_MAX_PIXELS / w)
        return cnn_fail(CNN_ERR_INPUT, "a picture of %d x %d pixels cannot be resized to %lld x %lld",
                        stage->window.w, stage->window.h, (long long)w, (long long)h);
    stage->h = (int)h;
    stage->w = (int)w;
    plan->n++;
    *last(plan) = (struct cnn_stage){.window = {0, 0, (int)w, (int)h}, .content = {0, 0, (int)w, (int)h}};
    return CNN_OK;
}

static enum cnn_status random_crop(struct cnn_plan *plan, const struct cnn_augment *op,
                                   struct cnn_draws *draws) {
    int size = (int)op->args[0][0], padding = (int)op->args[1][0];
    struct cnn_rect window = last(plan)->window;
    int rows = window.h + 2 * padding - size, columns = window.w + 2 * padding - size;
    if (rows < 0 || columns < 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "random_crop of %d does not fit into a picture of %d x %d pixels with padding %d",
                        size, window.w, window.h, padding);
    int y = (int)cnn_draw_below(draws, (uint32_t)rows + 1),
        x = (int)cnn_draw_below(draws, (uint32_t)columns + 1);
    cut(plan, x - padding, y - padding, size, size);
    return CNN_OK;
}

// Where no try fits: the largest rectangle of an allowed ratio, in the middle.
static void cut_middle(struct cnn_plan *plan, double least_ratio, double most_ratio) {
    struct cnn_rect window = last(plan)->window;
    double ratio = (double)window.w / window.h;
    int w = window.w, h = window.h;
    if (ratio < least_ratio)
        h = (int)nearbyint(w / least_ratio);
    else if (ratio > most_ratio)
        w = (int)nearbyint(h * most_ratio);
    w = w < 1 ? 1 : w;
    h = h < 1 ? 1 : h;
    cut(plan, (window.w - w) / 2, (window.h - h) / 2, h, w);
}

// Szegedy et al., "Going deeper with convolutions", 2015; the rounding is torchvision's.
static void cut_random(struct cnn_plan *plan, const struct cnn_augment *op, struct cnn_draws *draws) {
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
        cut(plan, x, y, (int)h, (int)w);
        return;
    }
    cut_middle(plan, op->args[2][0], op->args[2][1]);
}

static enum cnn_status random_resized_crop(struct cnn_plan *plan, const struct cnn_augment *op,
                                           struct cnn_draws *draws) {
    int size = (int)op->args[0][0];
    cut_random(plan, op, draws);
    return scale(plan, size, size);
}

static enum cnn_status flip_horizontal(struct cnn_plan *plan, const struct cnn_augment *op,
                                       struct cnn_draws *draws) {
    if (cnn_draw_uniform(draws) < op->args[0][0])
        plan->flip = !plan->flip;
    return CNN_OK;
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
    int size = (int)op->args[0][0];
    struct cnn_rect window = last(plan)->window;
    cut(plan, middle(window.w, size), middle(window.h, size), size, size);
    return CNN_OK;
}

enum cnn_status cnn_plan_draw(struct cnn_plan *out, const struct cnn_augment_list *list, int h, int w,
                              struct cnn_draws draws) {
    typedef enum cnn_status (*apply)(struct cnn_plan *, const struct cnn_augment *, struct cnn_draws *);
    static const apply table[CNN_N_AUGMENTS] = {
        [CNN_AUGMENT_RANDOM_CROP] = random_crop,
        [CNN_AUGMENT_RANDOM_RESIZED_CROP] = random_resized_crop,
        [CNN_AUGMENT_FLIP_HORIZONTAL] = flip_horizontal,
        [CNN_AUGMENT_RESIZE] = resize,
        [CNN_AUGMENT_CENTER_CROP] = center_crop,
    };
    out->n = 1;
    out->flip = false;
    out->stages[0] = (struct cnn_stage){.window = {0, 0, w, h}, .content = {0, 0, w, h}};
    for (int i = 0; i < list->n; i++)
        CNN_TRY(table[list->ops[i].kind](out, &list->ops[i], &draws));
    return CNN_OK;
}
