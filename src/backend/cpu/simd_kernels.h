// The bodies of struct cnn_simd's functions, in GCC vector extensions; included once per instruction set and
// type by files that define CNN_SIMD_TABLE and CNN_SIMD_NAME and include simd_float.h or simd_bf16.h before:
// what a tensor's `element` is, how vectors are loaded and stored, and the loops that do little else.
#include "backend/cpu/simd.h"
#include <string.h>

// Folds 16 lanes of sums to `block` channels.
INLINE void fold(const double lanes[CNN_LANES], int block, double *out) {
    for (int l = 0; l < block; l++)
        out[l] = block == 16 ? lanes[l] : lanes[l] + lanes[l + 8];
}

INLINE void flush_sum(double lanes[CNN_LANES], vec a, vec b) {
    vec sum = a + b;
    for (int l = 0; l < CNN_LANES; l++)
        lanes[l] += (double)sum[l];
}

// Floats between flushes of single-precision sums into double ones.
#define FLUSH 8192

// The mean of a few pixels, the same for both halves of a block of 8.
INLINE vec rough_mean(const element *x, size_t pixels, int block) {
    half low = {0}, high = {0};
    for (size_t i = 0; i < 4; i++) {
        const element *pixel = x + i * pixels / 4 * (size_t)block;
        low += load_half(pixel);
        high += load_half(block == 16 ? pixel + 8 : pixel);
    }
    vec mean;
    memcpy(&mean, &low, sizeof low);
    memcpy((float *)&mean + 8, &high, sizeof high);
    return mean * 0.25f;
}

// Shifted one-pass sums: the shift is near the mean, so squares stay near the variance.
static void moments(const void *values, size_t pixels, int block, double *mean, double *m2) {
    const element *x = values;
    const size_t n = pixels * (size_t)block, whole = n / CNN_LANES * CNN_LANES;
    double s1[CNN_LANES] = {0}, s2[CNN_LANES] = {0}, f1[CNN_LANES], f2[CNN_LANES];
    const vec shift = rough_mean(x, pixels, block);
    for (size_t begin = 0; begin < whole; begin += FLUSH) {
        const size_t end = whole - begin < FLUSH ? whole : begin + FLUSH;
        vec a = {0}, b = {0}, c = {0}, d = {0};
        size_t i = begin;
        for (; i + 2 * CNN_LANES <= end; i += 2 * CNN_LANES) {
            const vec u = load(x + i) - shift, v = load(x + i + CNN_LANES) - shift;
            a += u;
            b += v;
            c += u * u;
            d += v * v;
        }
        if (i < end) {
            const vec u = load(x + i) - shift;
            a += u;
            c += u * u;
        }
        flush_sum(s1, a, b);
        flush_sum(s2, c, d);
    }
    if (whole < n) {
        const vec u = load_tail(x + whole, shift) - shift;
        flush_sum(s1, u, (vec){0});
        flush_sum(s2, u * u, (vec){0});
    }
    fold(s1, block, f1);
    fold(s2, block, f2);
    for (int l = 0; l < block; l++) {
        mean[l] = (double)shift[l] + f1[l] / (double)pixels;
        m2[l] = f2[l] - f1[l] * f1[l] / (double)pixels;
        if (m2[l] < 0)
            m2[l] = 0;
    }
}

INLINE vec applied(vec in, vec scale, vec shift, vec residual, bool relu) {
    const vec v = in * scale + shift + residual;
    return relu ? relu_vec(v) : v;
}

INLINE void apply_loop(element *out, const element *in, const element *residual, const float *scale,
                       const float *shift, size_t n, bool relu, bool add) {
    const vec a = floats(scale), b = floats(shift), zero = {0};
    size_t i = 0;
    for (; i + CNN_LANES <= n; i += CNN_LANES)
        store(out + i, applied(load(in + i), a, b, add ? load(residual + i) : zero, relu));
    if (i < n)
        store_tail(out + i,
                   applied(load_tail(in + i, zero), a, b, add ? load_tail(residual + i, zero) : zero, relu));
}

static void norm_apply(void *out, const void *in, const void *residual, const float *scale,
                       const float *shift, size_t n, bool relu) {
    if (residual)
        relu ? apply_loop(out, in, residual, scale, shift, n, true, true)
             : apply_loop(out, in, residual, scale, shift, n, false, true);
    else
        relu ? apply_loop(out, in, NULL, scale, shift, n, true, false)
             : apply_loop(out, in, NULL, scale, shift, n, false, false);
}

// g of one vector; the mask by input repeats applied()'s arithmetic, so both passes see the same sign.
INLINE vec masked(const struct cnn_norm_grad *grad, size_t i, vec in, vec scale, vec shift, bool tail,
                  bool two, enum cnn_mask mask) {
    const element *d0 = grad->d0, *d1 = grad->d1, *out = grad->out;
    const vec zero = {0};
    vec g = tail ? load_tail(d0 + i, zero) : load(d0 + i);
    if (two)
        g += tail ? load_tail(d1 + i, zero) : load(d1 + i);
    if (mask == CNN_MASK_BY_INPUT)
        g = select_vec(~(in * scale + shift + zero <= 0.0f), g);
    if (mask == CNN_MASK_BY_OUTPUT)
        g = select_vec(~((tail ? load_tail(out + i, zero) : load(out + i)) <= 0.0f), g);
    return g;
}

INLINE void sums_loop(const struct cnn_norm_grad *grad, const float *mean, element *g_out, size_t n,
                      double *s1, double *s2, bool two, enum cnn_mask mask, bool write) {
    const element *x = grad->in;
    const vec m = floats(mean), scale = mask == CNN_MASK_BY_INPUT ? floats(grad->scale) : m,
              shift = mask == CNN_MASK_BY_INPUT ? floats(grad->shift) : m;
    const size_t whole = n / CNN_LANES * CNN_LANES;
    for (size_t begin = 0; begin < whole; begin += FLUSH) {
        const size_t end = whole - begin < FLUSH ? whole : begin + FLUSH;
        vec a = {0}, b = {0};
        for (size_t i = begin; i < end; i += CNN_LANES) {
            const vec in = load(x + i), g = masked(grad, i, in, scale, shift, false, two, mask);
            a += g;
            b += g * (in - m);
            if (write)
                store(g_out + i, g);
        }
        flush_sum(s1, a, (vec){0});
        flush_sum(s2, b, (vec){0});
    }
    if (whole < n) {
        const vec in = load_tail(x + whole, m), g = masked(grad, whole, in, scale, shift, true, two, mask);
        flush_sum(s1, g, (vec){0});
        flush_sum(s2, g * (in - m), (vec){0});
        if (write)
            store_tail(g_out + whole, g);
    }
}

INLINE void sums_by_mask(const struct cnn_norm_grad *grad, const float *mean, element *g_out, size_t n,
                         double *s1, double *s2, bool two, bool write) {
    if (grad->mask == CNN_MASK_NONE)
        sums_loop(grad, mean, g_out, n, s1, s2, two, CNN_MASK_NONE, write);
    else if (grad->mask == CNN_MASK_BY_INPUT)
        sums_loop(grad, mean, g_out, n, s1, s2, two, CNN_MASK_BY_INPUT, write);
    else
        sums_loop(grad, mean, g_out, n, s1, s2, two, CNN_MASK_BY_OUTPUT, write);
}

static void norm_grad_sums(const struct cnn_norm_grad *grad, const float *mean, void *g_out, size_t pixels,
                           int block, double *sum_g, double *sum_gx) {
    double s1[CNN_LANES] = {0}, s2[CNN_LANES] = {0};
    const size_t n = pixels * (size_t)block;
    if (grad->d1)
        g_out ? sums_by_mask(grad, mean, g_out, n, s1, s2, true, true)
              : sums_by_mask(grad, mean, NULL, n, s1, s2, true, false);
    else
        g_out ? sums_by_mask(grad, mean, g_out, n, s1, s2, false, true)
              : sums_by_mask(grad, mean, NULL, n, s1, s2, false, false);
    fold(s1, block, sum_g);
    fold(s2, block, sum_gx);
}

INLINE void grad_apply_loop(element *d_in, const struct cnn_norm_grad *grad, const float *a, const float *b,
                            const float *c, size_t n, bool two, enum cnn_mask mask) {
    const element *x = grad->in;
    const vec va = floats(a), vb = floats(b), vc = floats(c), zero = {0};
    const vec scale = mask == CNN_MASK_BY_INPUT ? floats(grad->scale) : zero,
              shift = mask == CNN_MASK_BY_INPUT ? floats(grad->shift) : zero;
    size_t i = 0;
    for (; i + CNN_LANES <= n; i += CNN_LANES) {
        const vec in = load(x + i);
        store(d_in + i, va * masked(grad, i, in, scale, shift, false, two, mask) + vb * in + vc);
    }
    if (i < n) {
        const vec in = load_tail(x + i, zero);
        store_tail(d_in + i, va * masked(grad, i, in, scale, shift, true, two, mask) + vb * in + vc);
    }
}

static void norm_grad_apply(void *d_in, const struct cnn_norm_grad *grad, const float *a, const float *b,
                            const float *c, size_t n) {
    const bool two = grad->d1 != NULL;
    if (grad->mask == CNN_MASK_NONE)
        two ? grad_apply_loop(d_in, grad, a, b, c, n, true, CNN_MASK_NONE)
            : grad_apply_loop(d_in, grad, a, b, c, n, false, CNN_MASK_NONE);
    else if (grad->mask == CNN_MASK_BY_INPUT)
        two ? grad_apply_loop(d_in, grad, a, b, c, n, true, CNN_MASK_BY_INPUT)
            : grad_apply_loop(d_in, grad, a, b, c, n, false, CNN_MASK_BY_INPUT);
    else
        two ? grad_apply_loop(d_in, grad, a, b, c, n, true, CNN_MASK_BY_OUTPUT)
            : grad_apply_loop(d_in, grad, a, b, c, n, false, CNN_MASK_BY_OUTPUT);
}

static void sgd(float *restrict w, float *restrict v, const float *restrict g, size_t n,
                struct cnn_sgd_factors factors) {
    for (size_t i = 0; i < n; i++)
        cnn_update_sgd(w + i, v + i, g[i], factors);
}

static void nesterov(float *restrict w, float *restrict v, const float *restrict g, size_t n,
                     struct cnn_sgd_factors factors) {
    for (size_t i = 0; i < n; i++)
        cnn_update_nesterov(w + i, v + i, g[i], factors);
}

INLINE int clamp(int v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : v; }

// One output pixel, 8 channels: the first of equal maxima wins and NaN beats everything, as in PyTorch.
INLINE void max_pool_pixel(element *out, uint8_t *argmax, const element *in, const struct cnn_window *k,
                           int block, int oy, int ox) {
    const int y0 = oy * k->stride[0] - k->padding[0], x0 = ox * k->stride[1] - k->padding[1];
    const int y_lo = clamp(-y0, 0, k->kernel[0]), y_hi = clamp(k->h - y0, 0, k->kernel[0]);
    const int x_lo = clamp(-x0, 0, k->kernel[1]), x_hi = clamp(k->w - x0, 0, k->kernel[1]);
    half best = {0};
    best -= __builtin_inff();
    ihalf which = {0};
    which += y_lo * k->kernel[1] + x_lo;
    for (int y = y_lo; y < y_hi; y++)
        for (int x = x_lo; x < x_hi; x++) {
            const half v = load_half(in + ((ptrdiff_t)(y0 + y) * k->w + (x0 + x)) * block);
            const ihalf wins = (v > best) | (v != v), here = (ihalf){0} + (y * k->kernel[1] + x);
            best = (half)((wins & (ihalf)v) | (~wins & (ihalf)best));
            which = (wins & here) | (~wins & which);
        }
    store_half(out, best);
    if (k->positive) {
        const ihalf lost = best <= 0.0f;
        which = (lost & CNN_NO_WINNER) | (~lost & which);
    }
    if (argmax)
        *(bytes8 *)argmax = __builtin_convertvector(which, bytes8);
}

static void max_pool(void *to, uint8_t *argmax, const void *from, const struct cnn_window *k, int block) {
    element *out = to;
    const element *in = from;
    for (int oy = 0; oy < k->out_h; oy++)
        for (int ox = 0; ox < k->out_w; ox++)
            for (int l = 0; l < block; l += 8) {
                const size_t at = ((size_t)oy * (size_t)k->out_w + (size_t)ox) * (size_t)block + (size_t)l;
                max_pool_pixel(out + at, argmax ? argmax + at : NULL, in + l, k, block, oy, ox);
            }
}

// First and last + 1 output position whose window covers input position i.
INLINE void covering(int i, int padding, int kernel, int stride, int out, int *first, int *last) {
    const int lo = i + padding - kernel + 1;
    *first = lo <= 0 ? 0 : (lo + stride - 1) / stride;
    *last = clamp((i + padding) / stride + 1, 0, out);
}

static void max_pool_grad(void *to, const void *from, const uint8_t *argmax, const struct cnn_window *k,
                          int block) {
    element *d_in = to;
    const element *d_out = from;
    for (int y = 0; y < k->h; y++) {
        int oy0, oy1;
        covering(y, k->padding[0], k->kernel[0], k->stride[0], k->out_h, &oy0, &oy1);
        for (int x = 0; x < k->w; x++) {
            int ox0, ox1;
            covering(x, k->padding[1], k->kernel[1], k->stride[1], k->out_w, &ox0, &ox1);
            for (int l = 0; l < block; l += 8) {
                half sum = {0};
                for (int oy = oy0; oy < oy1; oy++)
                    for (int ox = ox0; ox < ox1; ox++) {
                        const size_t at =
                            ((size_t)oy * (size_t)k->out_w + (size_t)ox) * (size_t)block + (size_t)l;
                        const int mine = (y + k->padding[0] - oy * k->stride[0]) * k->kernel[1] +
                                         (x + k->padding[1] - ox * k->stride[1]);
                        const ihalf won =
                            __builtin_convertvector(*(const bytes8 *)(argmax + at), ihalf) == mine;
                        sum += (half)(won & (ihalf)load_half(d_out + at));
                    }
                store_half(d_in + ((size_t)y * (size_t)k->w + (size_t)x) * (size_t)block + l, sum);
            }
        }
    }
}

const struct cnn_simd CNN_SIMD_TABLE = {
    .name = CNN_SIMD_NAME,
    .moments = moments,
    .norm_apply = norm_apply,
    .norm_grad_sums = norm_grad_sums,
    .norm_grad_apply = norm_grad_apply,
    .relu = relu,
    .relu_grad = relu_grad,
    .add = add,
    .narrow = narrow,
    .sgd = sgd,
    .nesterov = nesterov,
    .max_pool = max_pool,
    .max_pool_grad = max_pool_grad,
};
