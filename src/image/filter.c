#include "base/memory.h"
#include "image/resample.h"

#include <math.h>

#define FRACTION_BITS 22

// The triangle of half-width `support` around each output's centre, cut off at the line's ends.
struct triangle {
    double scale, support, start;
    int limit;
};

static struct triangle triangle_of(const struct cnn_axis *axis) {
    double scale = (axis->stop - axis->start) / axis->out;
    return (struct triangle){scale, scale < 1 ? 1 : scale, axis->start, axis->limit};
}

static double weight_at(double distance) {
    distance = fabs(distance);
    return distance < 1 ? 1 - distance : 0;
}

static int most_taps(const struct triangle *triangle) { return (int)ceil(triangle->support) * 2 + 1; }

// Weights of output `i`, normalised to sum to one; returns how many there are.
static int fill(int32_t *weights, int *from, const struct triangle *triangle, int i) {
    double centre = triangle->start + (i + 0.5) * triangle->scale;
    double step = 1 / triangle->support, sum = 0;
    int low = (int)(centre - triangle->support + 0.5);
    int high = (int)(centre + triangle->support + 0.5);
    low = low < 0 ? 0 : low;
    high = high > triangle->limit ? triangle->limit : high;
    for (int t = 0; t < high - low; t++)
        sum += weight_at((t + low - centre + 0.5) * step);
    for (int t = 0; t < high - low; t++) {
        double weight = weight_at((t + low - centre + 0.5) * step);
        weights[t] = (int32_t)(0.5 + (sum != 0 ? weight / sum : weight) * (1 << FRACTION_BITS));
    }
    *from = low;
    return high - low;
}

// A weight of zero at either end reads a pixel for nothing.
static void trim(int32_t **weights, int *from, int *taps) {
    while (*taps > 1 && (*weights)[*taps - 1] == 0)
        --*taps;
    int skipped = 0;
    while (*taps - skipped > 1 && (*weights)[skipped] == 0)
        skipped++;
    if (skipped == 0)
        return;
    for (int t = skipped; t < *taps; t++)
        (*weights)[t - skipped] = (*weights)[t];
    *from += skipped;
    *taps -= skipped;
}

static void fill_filter(struct cnn_filter *filter, const struct cnn_axis *axis) {
    struct triangle triangle = triangle_of(axis);
    filter->low = axis->limit;
    filter->high = 0;
    for (int i = 0; i < axis->count; i++) {
        int at = axis->mirror ? axis->count - 1 - i : i;
        int32_t *weights = filter->weights + (size_t)at * (size_t)filter->stride;
        filter->taps[at] = fill(weights, &filter->from[at], &triangle, axis->first + i);
        trim(&weights, &filter->from[at], &filter->taps[at]);
        if (filter->from[at] < filter->low)
            filter->low = filter->from[at];
        if (filter->from[at] + filter->taps[at] > filter->high)
            filter->high = filter->from[at] + filter->taps[at];
    }
}

enum cnn_status cnn_filters_create(struct cnn_filter out[2], const struct cnn_axis axes[2],
                                   struct cnn_image_scratch *scratch) {
    size_t ints = 0;
    for (int a = 0; a < 2; a++) {
        struct triangle triangle = triangle_of(&axes[a]);
        out[a] = (struct cnn_filter){.count = axes[a].count, .stride = most_taps(&triangle)};
        ints += (size_t)out[a].count * ((size_t)out[a].stride + 2);
    }
    CNN_TRY(cnn_image_buffer_reserve(&scratch->filters, ints * sizeof(int32_t)));
    int32_t *next = scratch->filters.data;
    for (int a = 0; a < 2; a++) {
        size_t count = (size_t)out[a].count;
        out[a].from = next;
        out[a].taps = next + count;
        out[a].weights = next + 2 * count;
        next += count * ((size_t)out[a].stride + 2);
        fill_filter(&out[a], &axes[a]);
    }
    return CNN_OK;
}
