#include "image/choose.h"
#include "image/perform.h"
#include "image/plan.h"
#include "image/policy.h"
#include "image/resample.h"
#include "image/source.h"

#include <math.h>
#include <string.h>

// One record on its way through its plan.
struct run {
    const struct cnn_plan *plan;
    struct cnn_source *source;
    struct cnn_image_scratch *scratch;
    int channels;         // of the slot
    struct cnn_view view; // from the first resize on: the picture, as far as it is needed,
    struct cnn_rect at;   // which is this part of it
    bool resized;
};

static int channels_now(const struct run *run) {
    return run->source->c < run->channels ? run->source->c : run->channels;
}

static struct cnn_rect shown(const struct cnn_stage *stage) {
    return cnn_border_source(&stage->border, stage->window, stage->content);
}

// Pixels that exist: `rect` of the current picture, shrunk by 2^shift where that is the record itself.
static enum cnn_status fetch(struct run *run, struct cnn_rect rect, int shift, struct cnn_view *out) {
    if (!run->resized)
        return cnn_source_read(run->source, rect, shift, run->channels, run->scratch, out);
    *out =
        cnn_view_part(&run->view, (struct cnn_rect){rect.x - run->at.x, rect.y - run->at.y, rect.w, rect.h});
    return CNN_OK;
}

// Pixels of `rect`, with the border of the stage where it reaches outside the content.
static enum cnn_status fetch_padded(struct run *run, struct cnn_rect rect, const struct cnn_stage *stage,
                                    struct cnn_view *out) {
    struct cnn_rect inside = cnn_border_source(&stage->border, rect, stage->content);
    int c = channels_now(run);
    size_t stride = (size_t)rect.w * (size_t)c;
    struct cnn_view view = {.c = c};
    CNN_TRY(cnn_image_buffer_reserve(&run->scratch->padded, stride * (size_t)rect.h));
    if (inside.w > 0)
        CNN_TRY(fetch(run, inside, 0, &view));
    cnn_border_copy(run->scratch->padded.data, stride, &stage->border, rect, stage->content, &view);
    *out = (struct cnn_view){run->scratch->padded.data, stride, rect.h, rect.w, c};
    return CNN_OK;
}

// The interval of one line that a resize reads, on the grid of pixels shrunk by 2^shift; *origin is its first
// pixel.
static struct cnn_axis axis_of(int from, int length, int shift, int *origin) {
    double unit = 1 << shift, start = from / unit, stop = (from + length) / unit;
    *origin = (int)floor(start);
    return (struct cnn_axis){
        .start = start - *origin, .stop = stop - *origin, .limit = (int)ceil(stop) - *origin};
}

// Resizes the window of stage `i` and keeps `need` of the result, mirrored as the plan says where `is_last`.
static enum cnn_status resize_to(struct run *run, int i, struct cnn_rect need, bool is_last, uint8_t *out,
                                 size_t out_stride) {
    const struct cnn_stage *stage = &run->plan->stages[i];
    bool bordered = !cnn_rect_contains(stage->content, stage->window);
    int shift = run->resized || bordered
                    ? 0
                    : cnn_source_shift(run->source, stage->window.w, stage->window.h, stage->w, stage->h);
    int x, y;
    struct cnn_axis axes[2] = {axis_of(stage->window.x, stage->window.w, shift, &x),
                               axis_of(stage->window.y, stage->window.h, shift, &y)};
    axes[0].out = stage->w, axes[0].first = need.x, axes[0].count = need.w;
    axes[1].out = stage->h, axes[1].first = need.y, axes[1].count = need.h;
    axes[0].mirror = is_last && run->plan->flip;
    axes[1].mirror = is_last && run->plan->flip_vertical;
    struct cnn_filter filters[2];
    CNN_TRY(cnn_filters_create(filters, axes, run->scratch));
    struct cnn_rect read = {x + filters[0].low, y + filters[1].low, filters[0].high - filters[0].low,
                            filters[1].high - filters[1].low};
    struct cnn_view view;
    if (bordered)
        CNN_TRY(fetch_padded(run, read, stage, &view));
    else
        CNN_TRY(fetch(run, read, shift, &view));
    return cnn_resample(out, out_stride, &view, &filters[0], &filters[1], run->scratch);
}

// The picture after stage `i`, as far as the next stage shows it, becomes the current one.
static enum cnn_status resize_stage(struct run *run, int i) {
    struct cnn_rect need = shown(&run->plan->stages[i + 1]);
    struct cnn_image_buffer *buffer = &run->scratch->canvas[i & 1];
    size_t stride = (size_t)need.w * (size_t)channels_now(run);
    if (need.w > 0) {
        CNN_TRY(cnn_image_buffer_reserve(buffer, stride * (size_t)need.h));
        CNN_TRY(resize_to(run, i, need, false, buffer->data, stride));
    }
    run->view = (struct cnn_view){buffer->data, stride, need.h, need.w, channels_now(run)};
    run->at = need;
    run->resized = true;
    return CNN_OK;
}

static void fill_slot(uint8_t *slot, const struct run *run, const struct cnn_stage *stage) {
    uint8_t fill[3];
    size_t bytes = (size_t)stage->window.h * (size_t)stage->window.w * (size_t)run->channels;
    cnn_border_fill(fill, &stage->border, channels_now(run));
    if (run->channels == 1 || (fill[0] == fill[1] && fill[0] == fill[2]))
        memset(slot, fill[0], bytes);
    else
        for (size_t i = 0; i < bytes; i++)
            slot[i] = fill[i % 3];
}

static void copy_mirrored(uint8_t *out, size_t out_stride, const struct run *run, const struct cnn_view *in) {
    if (!run->plan->flip_vertical) {
        cnn_pixels_copy(out, out_stride, run->channels, in, run->plan->flip);
        return;
    }
    for (int y = 0; y < in->h; y++) {
        struct cnn_view row = cnn_view_part(in, (struct cnn_rect){0, in->h - 1 - y, in->w, 1});
        cnn_pixels_copy(out + (size_t)y * out_stride, out_stride, run->channels, &row, run->plan->flip);
    }
}

// The last window, whose border shows pixels of the picture.
static enum cnn_status finish_bordered(struct run *run, const struct cnn_stage *stage, uint8_t *slot) {
    struct cnn_view view;
    if (run->plan->n > 1)
        CNN_TRY(resize_stage(run, run->plan->n - 2));
    CNN_TRY(fetch_padded(run, stage->window, stage, &view));
    copy_mirrored(slot, (size_t)stage->window.w * (size_t)run->channels, run, &view);
    return CNN_OK;
}

// The last window into the slot; a resize just before it writes there directly.
static enum cnn_status finish(struct run *run, uint8_t *slot) {
    const struct cnn_plan *plan = run->plan;
    const struct cnn_stage *stage = &plan->stages[plan->n - 1];
    size_t slot_stride = (size_t)stage->window.w * (size_t)run->channels;
    struct cnn_rect part = cnn_rect_common(stage->window, stage->content);
    bool is_whole = part.w == stage->window.w && part.h == stage->window.h;
    if (!is_whole && stage->border.mode != CNN_BORDER_CONSTANT)
        return finish_bordered(run, stage, slot);
    bool direct = plan->n > 1 && channels_now(run) == run->channels;
    if (plan->n > 1 && !direct)
        CNN_TRY(resize_stage(run, plan->n - 2));
    if (!is_whole)
        fill_slot(slot, run, stage);
    if (part.w == 0)
        return CNN_OK;
    int x = part.x - stage->window.x, y = part.y - stage->window.y;
    x = plan->flip ? stage->window.w - x - part.w : x;
    y = plan->flip_vertical ? stage->window.h - y - part.h : y;
    uint8_t *first = slot + (size_t)y * slot_stride + (size_t)x * (size_t)run->channels;
    if (direct)
        return resize_to(run, plan->n - 2, part, true, first, slot_stride);
    struct cnn_view view;
    CNN_TRY(fetch(run, part, 0, &view));
    copy_mirrored(first, slot_stride, run, &view);
    return CNN_OK;
}

// The record, or what the augmentations so far made of it, through windows to `out`, in all its channels.
static enum cnn_status move_window(struct run *run, const struct cnn_plan *plan, uint8_t *out) {
    run->plan = plan;
    run->resized = false;
    for (int i = 0; i + 2 < plan->n; i++)
        CNN_TRY(resize_stage(run, i));
    return finish(run, out);
}

// A part of a list: augmentations that move the window, and those after them that work on the pixels it
// leaves. `first`..`pixels`-1 are the former, up to `end`-1 the latter.
struct part {
    int first, pixels, end;
    struct cnn_plan plan;
};

static enum cnn_status plan_part(struct part *part, const struct cnn_chosen *chosen, int first, int h,
                                 int w) {
    int i = first;
    cnn_plan_init(&part->plan, h, w);
    for (; i < chosen->n && cnn_plan_takes(chosen->ops[i].op->kind); i++)
        CNN_TRY(cnn_plan_add(&part->plan, chosen->ops[i].op, chosen->ops[i].draws));
    part->first = first;
    part->pixels = i;
    for (; i < chosen->n; i++) {
        enum cnn_augment_kind kind = chosen->ops[i].op->kind;
        bool is_flip = kind == CNN_AUGMENT_FLIP_HORIZONTAL || kind == CNN_AUGMENT_FLIP_VERTICAL;
        if (cnn_plan_takes(kind) && !is_flip)
            break;
    }
    part->end = i;
    return CNN_OK;
}

static enum cnn_status change_pixels(const struct part *part, const struct cnn_chosen *chosen,
                                     uint8_t *pixels, const struct run *run, int h, int w) {
    struct cnn_canvas canvas;
    cnn_canvas_init(&canvas, pixels, h, w, run->channels, run->scratch);
    for (int i = part->pixels; i < part->end; i++)
        CNN_TRY(cnn_perform(&canvas, chosen->ops[i].op, chosen->ops[i].draws));
    return cnn_canvas_finish(&canvas);
}

static enum cnn_status check_output(const struct cnn_policy *policy, const struct cnn_source *record, int h,
                                    int w) {
    if (h == policy->out_h && w == policy->out_w)
        return CNN_OK;
    return cnn_fail(CNN_ERR_INPUT,
                    "an image of %d x %d pixels in a dataset of one size becomes %d x %d instead of %d x %d",
                    record->w, record->h, w, h, policy->out_w, policy->out_h);
}

static enum cnn_status apply(const struct cnn_policy *policy, struct run *run, struct cnn_draws draws,
                             uint8_t *slot) {
    struct cnn_chosen chosen;
    struct cnn_source *record = run->source, between;
    struct part part; // large: not cleared
    part.end = 0;
    cnn_choose(&chosen, &policy->list, draws);
    for (int i = 0;; i++) {
        int h, w;
        CNN_TRY(plan_part(&part, &chosen, part.end, run->source->h, run->source->w));
        cnn_plan_output(&part.plan, &h, &w);
        bool is_last = part.end == chosen.n;
        struct cnn_image_buffer *buffer = &run->scratch->parts[i & 1];
        if (is_last)
            CNN_TRY(check_output(policy, record, h, w));
        else
            CNN_TRY(cnn_image_buffer_reserve(buffer, (size_t)h * (size_t)w * (size_t)run->channels));
        uint8_t *out = is_last ? slot : buffer->data;
        CNN_TRY(move_window(run, &part.plan, out));
        CNN_TRY(change_pixels(&part, &chosen, out, run, h, w));
        if (is_last)
            return CNN_OK;
        cnn_source_init_raw(&between, out, h, w, run->channels);
        run->source = &between;
    }
}

enum cnn_status cnn_policy_apply(const struct cnn_policy *policy, uint8_t *slot, int channels,
                                 const void *data, size_t bytes, const struct cnn_image_info *stored,
                                 struct cnn_draws draws, struct cnn_image_scratch *scratch) {
    struct cnn_source source;
    if (channels != 1 && channels != 3)
        return cnn_fail(CNN_ERR_INPUT, "images have 1 or 3 channels, not %d", channels);
    CNN_TRY(cnn_source_open(&source, data, bytes, stored));
    struct run run = {.source = &source, .scratch = scratch, .channels = channels};
    enum cnn_status status = apply(policy, &run, draws, slot);
    cnn_source_close(&source);
    return status;
}
