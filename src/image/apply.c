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
    return cnn_rect_common(stage->window, stage->content);
}

// Pixels that exist: `rect` of the current picture, shrunk by 2^shift where that is the record itself.
static enum cnn_status fetch(struct run *run, struct cnn_rect rect, int shift, struct cnn_view *out) {
    if (!run->resized)
        return cnn_source_read(run->source, rect, shift, run->channels, run->scratch, out);
    *out =
        cnn_view_part(&run->view, (struct cnn_rect){rect.x - run->at.x, rect.y - run->at.y, rect.w, rect.h});
    return CNN_OK;
}

// Pixels of `rect`, black where it reaches outside `content`.
static enum cnn_status fetch_padded(struct run *run, struct cnn_rect rect, struct cnn_rect content,
                                    struct cnn_view *out) {
    struct cnn_rect inside = cnn_rect_common(rect, content);
    int c = channels_now(run);
    size_t stride = (size_t)rect.w * (size_t)c;
    CNN_TRY(cnn_image_buffer_reserve(&run->scratch->padded, stride * (size_t)rect.h));
    uint8_t *pixels = run->scratch->padded.data;
    memset(pixels, 0, stride * (size_t)rect.h);
    if (inside.w > 0) {
        struct cnn_view view;
        CNN_TRY(fetch(run, inside, 0, &view));
        uint8_t *first =
            pixels + (size_t)(inside.y - rect.y) * stride + (size_t)(inside.x - rect.x) * (size_t)c;
        cnn_pixels_copy(first, stride, c, &view, false);
    }
    *out = (struct cnn_view){pixels, stride, rect.h, rect.w, c};
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

// Resizes the window of stage `i` and keeps `need` of the result, mirrored where `flip`.
static enum cnn_status resize_to(struct run *run, int i, struct cnn_rect need, bool flip, uint8_t *out,
                                 size_t out_stride) {
    const struct cnn_stage *stage = &run->plan->stages[i];
    bool bordered = !cnn_rect_contains(stage->content, stage->window);
    int shift = run->resized || bordered
                    ? 0
                    : cnn_source_shift(run->source, stage->window.w, stage->window.h, stage->w, stage->h);
    int x, y;
    struct cnn_axis axes[2] = {axis_of(stage->window.x, stage->window.w, shift, &x),
                               axis_of(stage->window.y, stage->window.h, shift, &y)};
    axes[0].out = stage->w, axes[0].first = need.x, axes[0].count = need.w, axes[0].mirror = flip;
    axes[1].out = stage->h, axes[1].first = need.y, axes[1].count = need.h;
    struct cnn_filter filters[2];
    CNN_TRY(cnn_filters_create(filters, axes, run->scratch));
    struct cnn_rect read = {x + filters[0].low, y + filters[1].low, filters[0].high - filters[0].low,
                            filters[1].high - filters[1].low};
    struct cnn_view view;
    if (bordered)
        CNN_TRY(fetch_padded(run, read, stage->content, &view));
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

// The last window into the slot; a resize just before it writes there directly.
static enum cnn_status finish(struct run *run, uint8_t *slot, size_t slot_stride) {
    const struct cnn_plan *plan = run->plan;
    const struct cnn_stage *stage = &plan->stages[plan->n - 1];
    struct cnn_rect part = shown(stage);
    bool direct = plan->n > 1 && channels_now(run) == run->channels;
    if (plan->n > 1 && !direct)
        CNN_TRY(resize_stage(run, plan->n - 2));
    if (part.w != stage->window.w || part.h != stage->window.h)
        memset(slot, 0, slot_stride * (size_t)stage->window.h);
    if (part.w == 0)
        return CNN_OK;
    int x = part.x - stage->window.x, y = part.y - stage->window.y;
    x = plan->flip ? stage->window.w - x - part.w : x;
    uint8_t *first = slot + (size_t)y * slot_stride + (size_t)x * (size_t)run->channels;
    if (direct)
        return resize_to(run, plan->n - 2, part, plan->flip, first, slot_stride);
    struct cnn_view view;
    CNN_TRY(fetch(run, part, 0, &view));
    cnn_pixels_copy(first, slot_stride, run->channels, &view, plan->flip);
    return CNN_OK;
}

static enum cnn_status apply(const struct cnn_policy *policy, struct run *run, struct cnn_draws draws,
                             uint8_t *slot) {
    struct cnn_plan plan;
    int h, w;
    CNN_TRY(cnn_plan_draw(&plan, &policy->list, run->source->h, run->source->w, draws));
    cnn_plan_output(&plan, &h, &w);
    if (h != policy->out_h || w != policy->out_w)
        return cnn_fail(
            CNN_ERR_INPUT,
            "a picture of %d x %d pixels among records of one size gives %d x %d where %d x %d was expected",
            run->source->w, run->source->h, w, h, policy->out_w, policy->out_h);
    run->plan = &plan;
    for (int i = 0; i + 2 < plan.n; i++)
        CNN_TRY(resize_stage(run, i));
    return finish(run, slot, (size_t)w * (size_t)run->channels);
}

enum cnn_status cnn_policy_apply(const struct cnn_policy *policy, uint8_t *slot, int channels,
                                 const void *data, size_t bytes, const struct cnn_image_info *stored,
                                 struct cnn_draws draws, struct cnn_image_scratch *scratch) {
    struct cnn_source source;
    if (channels != 1 && channels != 3)
        return cnn_fail(CNN_ERR_INPUT, "pictures have 1 or 3 channels, not %d", channels);
    CNN_TRY(cnn_source_open(&source, data, bytes, stored));
    struct run run = {.source = &source, .scratch = scratch, .channels = channels};
    enum cnn_status status = apply(policy, &run, draws, slot);
    cnn_source_close(&source);
    return status;
}
