#include "picture.h"

#include "image/resample.h"

struct job {
    int h, w, c;            // picture
    int y, x, cut_h, cut_w; // the part of it that is resized,
    int out_h, out_w;       // to this size,
    struct cnn_rect wanted; // of which this is kept
    bool mirror;
};

static struct job job_of(int h, int w, int c, int out_h, int out_w) {
    return (struct job){h, w, c, 0, 0, h, w, out_h, out_w, {0, 0, out_w, out_h}, false};
}

static uint8_t *run(const struct job *job, const uint8_t *pixels, struct cnn_image_scratch *scratch) {
    struct cnn_axis axes[2] = {
        {0, job->cut_w, job->cut_w, job->out_w, job->wanted.x, job->wanted.w, job->mirror},
        {0, job->cut_h, job->cut_h, job->out_h, job->wanted.y, job->wanted.h, false},
    };
    struct cnn_filter filters[2];
    struct cnn_view whole = {pixels, (size_t)job->w * (size_t)job->c, job->h, job->w, job->c};
    assert_ok(cnn_filters_create(filters, axes, scratch));
    struct cnn_view part = cnn_view_part(
        &whole, (struct cnn_rect){job->x + filters[0].low, job->y + filters[1].low,
                                  filters[0].high - filters[0].low, filters[1].high - filters[1].low});
    size_t stride = (size_t)job->wanted.w * (size_t)job->c;
    uint8_t *out = malloc(stride * (size_t)job->wanted.h);
    assert_ok(cnn_resample(out, stride, &part, &filters[0], &filters[1], scratch));
    return out;
}

static void test_golden_resizes_are_exact(void **state) {
    FILE *list = open_golden("resize.txt");
    size_t bytes, at = 0;
    uint8_t *golden = read_golden("resize.pixels", &bytes);
    struct cnn_image_scratch scratch = {0};
    struct job job = {0};
    while (fscanf(list, "%d %d %d %d %d %d %d %d %d", &job.h, &job.w, &job.c, &job.y, &job.x, &job.cut_h,
                  &job.cut_w, &job.out_h, &job.out_w) == 9) {
        job.wanted = (struct cnn_rect){0, 0, job.out_w, job.out_h};
        uint8_t *in = texture_picture(job.h, job.w, job.c), *out = run(&job, in, &scratch);
        size_t n = (size_t)job.out_h * (size_t)job.out_w * (size_t)job.c;
        assert_true(at + n <= bytes);
        if (memcmp(out, golden + at, n) != 0)
            fail_msg("%d x %d of %d x %d x %d to %d x %d differs from PIL", job.cut_h, job.cut_w, job.h,
                     job.w, job.c, job.out_h, job.out_w);
        at += n;
        free(in);
        free(out);
    }
    assert_int_equal(at, bytes);
    fclose(list);
    free(golden);
    cnn_image_scratch_finish(&scratch);
}

static void test_same_size_changes_nothing(void **state) {
    struct cnn_image_scratch scratch = {0};
    struct job job = job_of(33, 21, 3, 33, 21);
    uint8_t *in = texture_picture(33, 21, 3), *out = run(&job, in, &scratch);
    assert_memory_equal(in, out, 33 * 21 * 3);
    free(in);
    free(out);
    cnn_image_scratch_finish(&scratch);
}

static void test_flat_pictures_stay_flat(void **state) {
    struct cnn_image_scratch scratch = {0};
    for (int value = 0; value < 256; value += 51) {
        struct job job = job_of(1 + value, 300 - value, 3, 17, 90);
        size_t n = (size_t)job.h * (size_t)job.w * 3;
        uint8_t *in = malloc(n);
        memset(in, value, n);
        uint8_t *out = run(&job, in, &scratch);
        for (int i = 0; i < 17 * 90 * 3; i++)
            assert_int_equal(out[i], value);
        free(in);
        free(out);
    }
    cnn_image_scratch_finish(&scratch);
}

// A part of the result, mirrored or not, is that part of the whole result.
static void test_wanted_parts(void **state) {
    struct cnn_image_scratch scratch = {0};
    struct cnn_draws draws = draws_of(1);
    for (int i = 0; i < 200; i++) {
        int c = i % 2 ? 3 : 1;
        struct job job = job_of(1 + (int)cnn_draw_below(&draws, 90), 1 + (int)cnn_draw_below(&draws, 90), c,
                                1 + (int)cnn_draw_below(&draws, 70), 1 + (int)cnn_draw_below(&draws, 70));
        uint8_t *in = texture_picture(job.h, job.w, c), *whole = run(&job, in, &scratch);
        int x = (int)cnn_draw_below(&draws, (uint32_t)job.out_w),
            y = (int)cnn_draw_below(&draws, (uint32_t)job.out_h);
        int w = 1 + (int)cnn_draw_below(&draws, (uint32_t)(job.out_w - x)),
            h = 1 + (int)cnn_draw_below(&draws, (uint32_t)(job.out_h - y));
        job.wanted = (struct cnn_rect){x, y, w, h};
        job.mirror = i % 3 == 0;
        uint8_t *part = run(&job, in, &scratch);
        for (int v = 0; v < h; v++)
            for (int u = 0; u < w; u++)
                for (int k = 0; k < c; k++)
                    assert_int_equal(part[(v * w + u) * c + k],
                                     whole[((y + v) * job.out_w + x + (job.mirror ? w - 1 - u : u)) * c + k]);
        free(in);
        free(whole);
        free(part);
    }
    cnn_image_scratch_finish(&scratch);
}

// Plain loops in doubles: within one of the fixed point.
static void test_against_doubles(void **state) {
    struct cnn_image_scratch scratch = {0};
    struct cnn_axis axis = {.start = 0.5, .stop = 40.25, .limit = 41, .out = 13, .count = 13};
    struct cnn_axis axes[2] = {axis, axis};
    struct cnn_filter filters[2];
    assert_ok(cnn_filters_create(filters, axes, &scratch));
    double scale = (40.25 - 0.5) / 13;
    for (int i = 0; i < 13; i++) {
        double centre = 0.5 + (i + 0.5) * scale, sum = 0;
        for (int t = 0; t < 41; t++) {
            double distance = (t + 0.5 - centre) / scale;
            sum += distance < 1 && distance > -1 ? 1 - (distance < 0 ? -distance : distance) : 0;
        }
        for (int t = 0; t < 41; t++) {
            double distance = (t + 0.5 - centre) / scale, weight = 0, got = 0;
            if (distance < 1 && distance > -1)
                weight = (1 - (distance < 0 ? -distance : distance)) / sum;
            int at = t - filters[0].from[i];
            if (at >= 0 && at < filters[0].taps[i])
                got = filters[0].weights[i * filters[0].stride + at] / (double)(1 << 22);
            assert_float_equal(got, weight, 1e-6);
        }
    }
    cnn_image_scratch_finish(&scratch);
}

// Every version of the inner loops gives the bytes of the portable one.
static void test_kernels_agree(void **state) {
    const struct cnn_resample_kernels *fast = cnn_resample_kernels(), *plain = &cnn_resample_portable;
    struct cnn_draws draws = draws_of(2);
    print_message("kernels: %s\n", fast->name);
    for (int i = 0; i < 300; i++) {
        size_t n = 1 + cnn_draw_below(&draws, 200), stride = n + cnn_draw_below(&draws, 9);
        int taps = 1 + (int)cnn_draw_below(&draws, 9), rows = 1 + (int)cnn_draw_below(&draws, CNN_LANES),
            left = 1 << 22;
        size_t columns = (n + 15) / 16 * 16;
        uint8_t *in = malloc(stride * CNN_LANES), *a = calloc(1, columns * CNN_LANES),
                *b = calloc(1, columns * CNN_LANES);
        uint8_t *c = calloc(1, stride * CNN_LANES), *d = calloc(1, stride * CNN_LANES);
        int32_t weights[9];
        for (size_t k = 0; k < stride * CNN_LANES; k++)
            in[k] = i % 10 == 0 ? 255 : (uint8_t)cnn_draw_u32(&draws);
        for (int t = 0; t < taps; t++)
            left -= weights[t] = t == taps - 1 ? left : (int)cnn_draw_below(&draws, (uint32_t)left + 1);
        fast->blend(a, in, stride, n, weights, taps);
        plain->blend(b, in, stride, n, weights, taps);
        assert_memory_equal(a, b, columns * CNN_LANES);
        fast->to_lanes(a, in, stride, rows, n);
        plain->to_lanes(b, in, stride, rows, n);
        assert_memory_equal(a, b, n * CNN_LANES);
        fast->from_lanes(c, stride, rows, n, a);
        plain->from_lanes(d, stride, rows, n, b);
        assert_memory_equal(c, d, stride * CNN_LANES);
        for (int r = 0; r < rows; r++)
            assert_memory_equal(c + (size_t)r * stride, in + (size_t)r * stride, n);
        free(in);
        free(a);
        free(b);
        free(c);
        free(d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_resizes_are_exact), cmocka_unit_test(test_same_size_changes_nothing),
        cmocka_unit_test(test_flat_pictures_stay_flat),  cmocka_unit_test(test_wanted_parts),
        cmocka_unit_test(test_against_doubles),          cmocka_unit_test(test_kernels_agree),
    };
    return cmocka_run_group_tests_name("image/resample", tests, NULL, NULL);
}
