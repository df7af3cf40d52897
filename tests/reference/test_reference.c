// Every gradient of the plain reference against central finite differences.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "reference.h"
#include <math.h>

enum { MOST = 2048 };

// An op at one point: `forward` fills out from x and the parameters; the scalar is the sum of out times
// d_out.
struct point {
    struct ref_shape in, out;
    const void *attributes;
    double x[MOST], a[MOST], b[MOST], values[MOST], d_out[MOST];
    double d_x[MOST], d_a[MOST], d_b[MOST];
    size_t n_a, n_b;
    void (*forward)(struct point *point);
};
static struct point point;

static void draw(double *out, size_t n, uint64_t what) {
    struct cnn_draws draws = cnn_draws_of(7, CNN_PURPOSE_TEST, what, n);
    for (size_t i = 0; i < n; i++)
        out[i] = cnn_draw_normal(&draws);
}

static struct point *point_at(struct ref_shape in, struct ref_shape out, const void *attributes, size_t n_a,
                              size_t n_b) {
    assert_true(ref_count(in) <= MOST && ref_count(out) <= MOST && n_a <= MOST && n_b <= MOST);
    point = (struct point){.in = in, .out = out, .attributes = attributes, .n_a = n_a, .n_b = n_b};
    draw(point.x, ref_count(in), 1);
    draw(point.a, n_a, 2);
    draw(point.b, n_b, 3);
    draw(point.d_out, ref_count(out), 4);
    return &point;
}

static double scalar(struct point *p) {
    double sum = 0;
    p->forward(p);
    for (size_t i = 0; i < ref_count(p->out); i++)
        sum += p->values[i] * p->d_out[i];
    return sum;
}

static void check_slope(struct point *p, double *x, const double *d_x, size_t n) {
    const double step = 1e-5;
    for (size_t i = 0; i < n; i++) {
        const double was = x[i];
        x[i] = was + step;
        const double above = scalar(p);
        x[i] = was - step;
        const double below = scalar(p);
        x[i] = was;
        const double slope = (above - below) / (2 * step);
        if (!(fabs(slope - d_x[i]) <= 1e-7 * (1 + fabs(slope))))
            fail_msg("element %zu: gradient %.12g, finite difference %.12g", i, d_x[i], slope);
    }
}

static void check(struct point *p) {
    check_slope(p, p->x, p->d_x, ref_count(p->in));
    check_slope(p, p->a, p->d_a, p->n_a);
    check_slope(p, p->b, p->d_b, p->n_b);
}

static void conv_forward(struct point *p) { ref_conv(p->values, p->x, p->in, p->attributes, p->a, p->b); }

static void convolution(void **state) {
    (void)state;
    static const struct cnn_conv convs[] = {
        {.out_channels = 3,
         .kernel = {3, 3},
         .stride = {1, 1},
         .padding = {1, 1},
         .dilation = {1, 1},
         .groups = 1},
        {.out_channels = 4,
         .kernel = {2, 3},
         .stride = {2, 1},
         .padding = {0, 2},
         .dilation = {1, 2},
         .groups = 2},
        {.out_channels = 2,
         .kernel = {1, 1},
         .stride = {2, 3},
         .padding = {0, 0},
         .dilation = {1, 1},
         .groups = 1},
    };
    for (size_t i = 0; i < sizeof convs / sizeof convs[0]; i++) {
        const struct ref_shape in = {2, 4, 5, 6}, out = ref_conv_shape(in, &convs[i]);
        const int weights = out.c * in.c / convs[i].groups * convs[i].kernel[0] * convs[i].kernel[1];
        struct point *p = point_at(in, out, &convs[i], (size_t)weights, (size_t)out.c);
        p->forward = conv_forward;
        ref_conv_grad(p->d_x, p->d_a, p->d_b, p->d_out, p->x, in, &convs[i], p->a);
        check(p);
    }
}

static void linear_forward(struct point *p) {
    ref_linear(p->values, p->x, *(const struct ref_linear *)p->attributes, p->a, p->b);
}

static void linear(void **state) {
    (void)state;
    static const struct ref_linear size = {3, 7, 5};
    struct point *p = point_at((struct ref_shape){3, 7, 1, 1}, (struct ref_shape){3, 5, 1, 1}, &size, 35, 5);
    p->forward = linear_forward;
    ref_linear_grad(p->d_x, p->d_a, p->d_b, p->d_out, p->x, size, p->a);
    check(p);
}

static void norm_forward(struct point *p) {
    double mean[8], var[8];
    ref_norm_statistics(mean, var, p->x, p->in);
    ref_norm(p->values, p->x, p->in, mean, var, p->a, p->b, 1e-2);
}

static void batch_norm(void **state) {
    (void)state;
    static const struct ref_shape shapes[] = {{2, 3, 4, 5}, {3, 2, 1, 1}, {1, 2, 3, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct point *p = point_at(shapes[i], shapes[i], NULL, (size_t)shapes[i].c, (size_t)shapes[i].c);
        p->forward = norm_forward;
        ref_norm_grad(p->d_x, p->d_a, p->d_b, p->d_out, p->x, shapes[i], p->a, 1e-2);
        check(p);
    }
}

static const struct cnn_pool pools[] = {
    {.kernel = {2, 2}, .stride = {2, 2}},
    {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .count_include_pad = true},
    {.kernel = {3, 2}, .stride = {1, 2}, .padding = {1, 0}, .ceil_mode = true},
    {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .ceil_mode = true, .count_include_pad = true},
};

static void max_pool_forward(struct point *p) {
    static int argmax[MOST];
    ref_max_pool(p->values, argmax, p->x, p->in, p->attributes);
}

static void avg_pool_forward(struct point *p) { ref_avg_pool(p->values, p->x, p->in, p->attributes); }

static void pooling(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        static int argmax[MOST];
        const struct ref_shape in = {2, 2, 5, 6};
        struct point *p = point_at(in, ref_pool_shape(in, &pools[i]), &pools[i], 0, 0);
        p->forward = max_pool_forward;
        ref_max_pool(p->values, argmax, p->x, in, &pools[i]);
        ref_max_pool_grad(p->d_x, p->d_out, argmax, in, &pools[i]);
        check(p);
        p->forward = avg_pool_forward;
        ref_avg_pool_grad(p->d_x, p->d_out, in, &pools[i]);
        check(p);
    }
}

static void adaptive_forward(struct point *p) { ref_adaptive_pool(p->values, p->x, p->in, p->attributes); }

static void adaptive_pooling(void **state) {
    (void)state;
    static const int sizes[][2] = {{1, 1}, {3, 4}, {7, 7}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct ref_shape in = {2, 2, 5, 6}, out = {2, 2, sizes[i][0], sizes[i][1]};
        struct point *p = point_at(in, out, sizes[i], 0, 0);
        p->forward = adaptive_forward;
        ref_adaptive_pool_grad(p->d_x, p->d_out, in, sizes[i]);
        check(p);
    }
}

static void relu_of_sum_forward(struct point *p) {
    ref_add(p->values, p->x, p->a, ref_count(p->in));
    ref_relu(p->values, p->values, ref_count(p->in));
}

static void relu_of_a_sum(void **state) {
    (void)state;
    const struct ref_shape shape = {2, 3, 4, 5};
    struct point *p = point_at(shape, shape, NULL, ref_count(shape), 0);
    p->forward = relu_of_sum_forward;
    p->forward(p);
    ref_relu_grad(p->d_x, p->d_out, p->values, ref_count(shape));
    ref_relu_grad(p->d_a, p->d_out, p->values, ref_count(shape));
    check(p);
}

static const int32_t labels[] = {2, 0, 6};

static void loss_forward(struct point *p) {
    *p->values = ref_loss(NULL, p->x, p->in.n, p->in.c, labels, *(const double *)p->attributes, 1);
}

static void loss(void **state) {
    (void)state;
    static const double smoothings[] = {0, 0.1};
    for (size_t i = 0; i < 2; i++) {
        struct point *p =
            point_at((struct ref_shape){3, 7, 1, 1}, (struct ref_shape){1, 1, 1, 1}, &smoothings[i], 0, 0);
        p->forward = loss_forward;
        (void)ref_loss(p->d_x, p->x, 3, 7, labels, smoothings[i], p->d_out[0]);
        check(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolution), cmocka_unit_test(linear),           cmocka_unit_test(batch_norm),
        cmocka_unit_test(pooling),     cmocka_unit_test(adaptive_pooling), cmocka_unit_test(relu_of_a_sum),
        cmocka_unit_test(loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
