#include "reference.h"
#include "model/shape.h"
#include <math.h>
#include <string.h>

size_t ref_count(struct ref_shape s) { return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w; }

static size_t at(struct ref_shape s, int n, int c, int y, int x) {
    return (((size_t)n * (size_t)s.c + (size_t)c) * (size_t)s.h + (size_t)y) * (size_t)s.w + (size_t)x;
}

static void clear(double *values, size_t n) {
    if (values)
        memset(values, 0, n * sizeof *values);
}

struct ref_shape ref_conv_shape(struct ref_shape in, const struct cnn_conv *k) {
    return (struct ref_shape){
        in.n, k->out_channels,
        cnn_conv_extent(in.h, k->kernel[0], k->stride[0], k->padding[0], k->dilation[0]),
        cnn_conv_extent(in.w, k->kernel[1], k->stride[1], k->padding[1], k->dilation[1])};
}

// Products of a convolution along a row of its output: out[to + i] += in[from + i * step] * weight[by].
struct products {
    size_t to, from, by, n, step;
};
typedef void (*products_function)(void *context, struct products products);

struct conv_walk {
    struct ref_shape in, out;
    const struct cnn_conv *conv;
    products_function visit;
    void *context;
};

// Channel i of the group of output channel o, under the weight at (ky, kx); what lies in the padding is 0.
static void walk_rows(const struct conv_walk *walk, int n, int o, int i, int ky, int kx) {
    const struct cnn_conv *k = walk->conv;
    const int per_group = walk->in.c / k->groups, group = o / (k->out_channels / k->groups),
              step = k->stride[1];
    const int top = ky * k->dilation[0] - k->padding[0], left = kx * k->dilation[1] - k->padding[1];
    const struct ref_shape weight = {k->out_channels, per_group, k->kernel[0], k->kernel[1]};
    int first = 0, end = walk->out.w;
    while (first < end && first * step + left < 0)
        first++;
    while (end > first && (end - 1) * step + left >= walk->in.w)
        end--;
    for (int oy = 0; oy < walk->out.h && first < end; oy++) {
        const int y = oy * k->stride[0] + top;
        if (y >= 0 && y < walk->in.h)
            walk->visit(walk->context,
                        (struct products){at(walk->out, n, o, oy, first),
                                          at(walk->in, n, group * per_group + i, y, first * step + left),
                                          at(weight, o, i, ky, kx), (size_t)(end - first), (size_t)step});
    }
}

static void walk_conv(const struct conv_walk *walk) {
    const struct cnn_conv *k = walk->conv;
    for (int n = 0; n < walk->out.n; n++)
        for (int o = 0; o < walk->out.c; o++)
            for (int i = 0; i < walk->in.c / k->groups; i++)
                for (int ky = 0; ky < k->kernel[0]; ky++)
                    for (int kx = 0; kx < k->kernel[1]; kx++)
                        walk_rows(walk, n, o, i, ky, kx);
}

struct conv_values {
    double *out, *d_in, *d_weight;
    const double *in, *weight, *d_out;
};

static void add_products(void *context, struct products p) {
    const struct conv_values *v = context;
    double *out = v->out + p.to;
    const double *in = v->in + p.from, weight = v->weight[p.by];
    for (size_t i = 0; i < p.n; i++)
        out[i] += in[i * p.step] * weight;
}

static void add_gradients(void *context, struct products p) {
    const struct conv_values *v = context;
    const double *d_out = v->d_out + p.to, *in = v->in + p.from;
    double sum = 0;
    for (size_t i = 0; v->d_in && i < p.n; i++)
        v->d_in[p.from + i * p.step] += d_out[i] * v->weight[p.by];
    for (size_t i = 0; v->d_weight && i < p.n; i++)
        sum += d_out[i] * in[i * p.step];
    if (v->d_weight)
        v->d_weight[p.by] += sum;
}

void ref_conv(double *out, const double *in, struct ref_shape shape, const struct cnn_conv *conv,
              const double *weight, const double *bias) {
    const struct ref_shape o = ref_conv_shape(shape, conv);
    const size_t area = (size_t)o.h * (size_t)o.w;
    for (size_t i = 0; i < ref_count(o); i++)
        out[i] = bias ? bias[i / area % (size_t)o.c] : 0;
    struct conv_values values = {.out = out, .in = in, .weight = weight};
    walk_conv(&(struct conv_walk){shape, o, conv, add_products, &values});
}

void ref_conv_grad(double *d_in, double *d_weight, double *d_bias, const double *d_out, const double *in,
                   struct ref_shape shape, const struct cnn_conv *conv, const double *weight) {
    const struct ref_shape o = ref_conv_shape(shape, conv);
    const size_t area = (size_t)o.h * (size_t)o.w;
    clear(d_in, ref_count(shape));
    clear(d_weight, (size_t)o.c * (size_t)(shape.c / conv->groups * conv->kernel[0] * conv->kernel[1]));
    clear(d_bias, (size_t)o.c);
    struct conv_values values = {
        .d_in = d_in, .d_weight = d_weight, .in = in, .weight = weight, .d_out = d_out};
    walk_conv(&(struct conv_walk){shape, o, conv, add_gradients, &values});
    for (size_t i = 0; d_bias && i < ref_count(o); i++)
        d_bias[i / area % (size_t)o.c] += d_out[i];
}

void ref_linear(double *out, const double *in, struct ref_linear size, const double *weight,
                const double *bias) {
    const size_t inputs = (size_t)size.inputs, outputs = (size_t)size.outputs;
    for (size_t n = 0; n < (size_t)size.n; n++)
        for (size_t o = 0; o < outputs; o++) {
            double sum = bias ? bias[o] : 0;
            for (size_t i = 0; i < inputs; i++)
                sum += weight[o * inputs + i] * in[n * inputs + i];
            out[n * outputs + o] = sum;
        }
}

void ref_linear_grad(double *d_in, double *d_weight, double *d_bias, const double *d_out, const double *in,
                     struct ref_linear size, const double *weight) {
    const size_t inputs = (size_t)size.inputs, outputs = (size_t)size.outputs;
    clear(d_in, (size_t)size.n * inputs);
    clear(d_weight, outputs * inputs);
    clear(d_bias, outputs);
    for (size_t n = 0; n < (size_t)size.n; n++)
        for (size_t o = 0; o < outputs; o++) {
            const double d = d_out[n * outputs + o];
            if (d_bias)
                d_bias[o] += d;
            for (size_t i = 0; i < inputs; i++) {
                if (d_in)
                    d_in[n * inputs + i] += d * weight[o * inputs + i];
                if (d_weight)
                    d_weight[o * inputs + i] += d * in[n * inputs + i];
            }
        }
}

void ref_norm_statistics(double *mean, double *var, const double *in, struct ref_shape s) {
    const double count = (double)s.n * s.h * s.w;
    for (int c = 0; c < s.c; c++) {
        double sum = 0, squares = 0;
        for (int n = 0; n < s.n; n++)
            for (int i = 0; i < s.h * s.w; i++)
                sum += in[at(s, n, c, 0, 0) + (size_t)i];
        mean[c] = sum / count;
        for (int n = 0; n < s.n; n++)
            for (int i = 0; i < s.h * s.w; i++) {
                const double deviation = in[at(s, n, c, 0, 0) + (size_t)i] - mean[c];
                squares += deviation * deviation;
            }
        var[c] = squares / count;
    }
}

void ref_norm(double *out, const double *in, struct ref_shape s, const double *mean, const double *var,
              const double *gamma, const double *beta, double eps) {
    const size_t area = (size_t)s.h * (size_t)s.w;
    for (size_t i = 0; i < ref_count(s); i++) {
        const size_t c = i / area % (size_t)s.c;
        out[i] = (in[i] - mean[c]) / sqrt(var[c] + eps) * gamma[c] + beta[c];
    }
}

// With x^ = (x - mean) / std:  d_beta = sum g,  d_gamma = sum g x^,  d_x = gamma / std (g - d_beta / M - x^
// d_gamma / M).
void ref_norm_grad(double *d_in, double *d_gamma, double *d_beta, const double *d_out, const double *in,
                   struct ref_shape s, const double *gamma, double eps) {
    const double count = (double)s.n * s.h * s.w;
    const size_t area = (size_t)s.h * (size_t)s.w;
    double mean[1024], var[1024];
    ref_norm_statistics(mean, var, in, s);
    clear(d_gamma, (size_t)s.c);
    clear(d_beta, (size_t)s.c);
    for (size_t i = 0; i < ref_count(s); i++) {
        const size_t c = i / area % (size_t)s.c;
        d_beta[c] += d_out[i];
        d_gamma[c] += d_out[i] * (in[i] - mean[c]) / sqrt(var[c] + eps);
    }
    for (size_t i = 0; i < ref_count(s); i++) {
        const size_t c = i / area % (size_t)s.c;
        const double std = sqrt(var[c] + eps), hat = (in[i] - mean[c]) / std;
        d_in[i] = gamma[c] / std * (d_out[i] - d_beta[c] / count - hat * d_gamma[c] / count);
    }
}

void ref_relu(double *out, const double *in, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = in[i] < 0 ? 0 : in[i];
}

void ref_relu_grad(double *d_in, const double *d_out, const double *out, size_t n) {
    for (size_t i = 0; i < n; i++)
        d_in[i] = out[i] > 0 ? d_out[i] : 0;
}

void ref_add(double *out, const double *a, const double *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] + b[i];
}
