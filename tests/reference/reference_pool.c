// Pooling: one window at a time, over planes of h x w.
#include "model/shape.h"
#include "reference.h"
#include <math.h>
#include <string.h>

struct ref_shape ref_pool_shape(struct ref_shape in, const struct cnn_pool *k) {
    return (struct ref_shape){in.n, in.c,
                              cnn_pool_extent(in.h, k->kernel[0], k->stride[0], k->padding[0], k->ceil_mode),
                              cnn_pool_extent(in.w, k->kernel[1], k->stride[1], k->padding[1], k->ceil_mode)};
}

static int larger(int a, int b) { return a > b ? a : b; }

static int smaller(int a, int b) { return a < b ? a : b; }

// A window cut to the input, and the elements its average is divided by.
struct window {
    int y0, y1, x0, x1, divisor;
};

static struct window window_at(struct ref_shape in, const struct cnn_pool *k, int oy, int ox) {
    const int y = oy * k->stride[0] - k->padding[0], x = ox * k->stride[1] - k->padding[1];
    struct window w = {larger(y, 0), smaller(y + k->kernel[0], in.h), larger(x, 0),
                       smaller(x + k->kernel[1], in.w), 0};
    const int padded_h = smaller(y + k->kernel[0], in.h + k->padding[0]) - y;
    const int padded_w = smaller(x + k->kernel[1], in.w + k->padding[1]) - x;
    w.divisor = k->count_include_pad ? padded_h * padded_w : (w.y1 - w.y0) * (w.x1 - w.x0);
    return w;
}

static struct window adaptive_at(struct ref_shape in, const int out[2], int oy, int ox) {
    struct window w = {(int)floor((double)oy * in.h / out[0]), (int)ceil((double)(oy + 1) * in.h / out[0]),
                       (int)floor((double)ox * in.w / out[1]), (int)ceil((double)(ox + 1) * in.w / out[1]),
                       0};
    w.divisor = (w.y1 - w.y0) * (w.x1 - w.x0);
    return w;
}

static void max_of(double *out, int *argmax, const double *plane, int width, struct window w) {
    *out = -INFINITY;
    *argmax = w.y0 * width + w.x0;
    for (int y = w.y0; y < w.y1; y++)
        for (int x = w.x0; x < w.x1; x++) {
            const double v = plane[y * width + x];
            if (v > *out || isnan(v)) {
                *out = v;
                *argmax = y * width + x;
            }
        }
}

void ref_max_pool(double *out, int *argmax, const double *in, struct ref_shape s,
                  const struct cnn_pool *pool) {
    const struct ref_shape o = ref_pool_shape(s, pool);
    for (int plane = 0; plane < s.n * s.c; plane++)
        for (int i = 0; i < o.h * o.w; i++) {
            const size_t to = (size_t)plane * (size_t)(o.h * o.w) + (size_t)i;
            max_of(out + to, argmax + to, in + (size_t)plane * (size_t)(s.h * s.w), s.w,
                   window_at(s, pool, i / o.w, i % o.w));
        }
}

void ref_max_pool_grad(double *d_in, const double *d_out, const int *argmax, struct ref_shape s,
                       const struct cnn_pool *pool) {
    const struct ref_shape o = ref_pool_shape(s, pool);
    const size_t area = (size_t)(o.h * o.w);
    memset(d_in, 0, ref_count(s) * sizeof *d_in);
    for (size_t i = 0; i < ref_count(o); i++)
        d_in[i / area * (size_t)(s.h * s.w) + (size_t)argmax[i]] += d_out[i];
}

static double mean_of(const double *plane, int width, struct window w) {
    double sum = 0;
    for (int y = w.y0; y < w.y1; y++)
        for (int x = w.x0; x < w.x1; x++)
            sum += plane[y * width + x];
    return sum / w.divisor;
}

static void share(double *plane, int width, struct window w, double gradient) {
    for (int y = w.y0; y < w.y1; y++)
        for (int x = w.x0; x < w.x1; x++)
            plane[y * width + x] += gradient / w.divisor;
}

// pool NULL: adaptive, by o's size.
static struct window average_at(struct ref_shape s, struct ref_shape o, const struct cnn_pool *pool, int i) {
    const int size[2] = {o.h, o.w};
    return pool ? window_at(s, pool, i / o.w, i % o.w) : adaptive_at(s, size, i / o.w, i % o.w);
}

static void average(double *out, const double *in, struct ref_shape s, struct ref_shape o,
                    const struct cnn_pool *pool) {
    for (int plane = 0; plane < s.n * s.c; plane++)
        for (int i = 0; i < o.h * o.w; i++)
            out[plane * o.h * o.w + i] = mean_of(in + plane * s.h * s.w, s.w, average_at(s, o, pool, i));
}

static void average_grad(double *d_in, const double *d_out, struct ref_shape s, struct ref_shape o,
                         const struct cnn_pool *pool) {
    memset(d_in, 0, ref_count(s) * sizeof *d_in);
    for (int plane = 0; plane < s.n * s.c; plane++)
        for (int i = 0; i < o.h * o.w; i++)
            share(d_in + plane * s.h * s.w, s.w, average_at(s, o, pool, i), d_out[plane * o.h * o.w + i]);
}

void ref_avg_pool(double *out, const double *in, struct ref_shape s, const struct cnn_pool *pool) {
    average(out, in, s, ref_pool_shape(s, pool), pool);
}

void ref_avg_pool_grad(double *d_in, const double *d_out, struct ref_shape s, const struct cnn_pool *pool) {
    average_grad(d_in, d_out, s, ref_pool_shape(s, pool), pool);
}

void ref_adaptive_pool(double *out, const double *in, struct ref_shape s, const int out_size[2]) {
    average(out, in, s, (struct ref_shape){s.n, s.c, out_size[0], out_size[1]}, NULL);
}

void ref_adaptive_pool_grad(double *d_in, const double *d_out, struct ref_shape s, const int out_size[2]) {
    average_grad(d_in, d_out, s, (struct ref_shape){s.n, s.c, out_size[0], out_size[1]}, NULL);
}
