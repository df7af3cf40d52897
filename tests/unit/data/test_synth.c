#include "data/dataset.h"
#include "data/import.h"
#include "data/import/shapes.h"
#include "scratch_folder.h"

#include <math.h>

enum { SIDE = 32, PIXELS = SIDE * SIDE, BYTES = 3 * PIXELS };

static void import(const char *out, uint64_t count, uint64_t seed, uint64_t first, int size) {
    struct cnn_synth_options synth = {
        .count = count, .seed = seed, .first = first, .side = SIDE, .quality = 90};
    struct cnn_import_options options = {.out = out, .name = "s", .size = size};
    struct cnn_import_result result;
    for (options.rank = size - 1; options.rank >= 0; options.rank--)
        assert_ok(cnn_import_synth(&result, &synth, &options));
    if (size > 1)
        assert_ok(cnn_import_finish(&result, &options));
    assert_int_equal(result.records, count);
    assert_int_equal(result.quarantined, 0);
    assert_int_equal(result.n_classes, 10);
}

static void test_pictures_are_functions_of_seed_and_id(void **state) {
    (void)state;
    uint8_t a[BYTES], b[BYTES];
    cnn_shape_draw(a, SIDE, 7, 12345);
    memset(b, 77, sizeof b);
    cnn_shape_draw(b, SIDE, 7, 12345);
    assert_memory_equal(a, b, BYTES);
    cnn_shape_draw(b, SIDE, 7, 12355); // same label
    assert_memory_not_equal(a, b, BYTES);
    cnn_shape_draw(b, SIDE, 8, 12345);
    assert_memory_not_equal(a, b, BYTES);
}

static void test_dataset(void **state) {
    struct cnn_dataset *dataset;
    struct cnn_image_info info;
    const char *out = in(*state, "d");
    import(out, 6000, 3, 1000, 1);
    assert_ok(cnn_dataset_open(&dataset, out));
    assert_int_equal(cnn_dataset_count(dataset), 6000);
    assert_int_equal(cnn_dataset_header(dataset)->n_shards, 2);
    assert_int_equal(cnn_dataset_header(dataset)->h, SIDE);
    assert_int_equal(cnn_dataset_header(dataset)->w, SIDE);
    assert_string_equal(cnn_dataset_class_name(dataset, 3), "star");
    for (uint64_t i = 0; i < 6000; i += 517) {
        struct cnn_record record = cnn_dataset_record(dataset, i);
        uint8_t data[65536], drawn[BYTES], *pixels;
        assert_int_equal(record.id, 1000 + i);
        assert_int_equal(record.label, record.id % 10);
        assert_in_range(record.bytes, 300, sizeof data);
        assert_ok(cnn_dataset_read(dataset, i, data));
        assert_ok(cnn_dataset_decode(dataset, &pixels, &info, data, record.bytes, 3));
        assert_int_equal(info.h, SIDE);
        assert_int_equal(info.w, SIDE);
        cnn_shape_draw(drawn, SIDE, 3, record.id);
        double error = 0;
        for (int k = 0; k < BYTES; k++)
            error += (pixels[k] - drawn[k]) * (pixels[k] - drawn[k]);
        assert_true(sqrt(error / BYTES) < 30); // JPEG blurs colours
        free(pixels);
    }
    cnn_dataset_close(dataset);
}

static void test_any_number_of_processes(void **state) {
    import(in(*state, "one"), 8000, 1, 0, 1);
    for (int size = 2; size <= 5; size++) {
        char name[16];
        snprintf(name, sizeof name, "of%d", size);
        import(in(*state, name), 8000, 1, 0, size);
        assert_same_folders(in(*state, "one"), in(*state, name));
    }
}

// A part of the ids gives the same pictures as the whole.
static void test_ids_do_not_depend_on_the_rest(void **state) {
    struct cnn_dataset *all, *part;
    uint8_t a[65536], b[65536];
    import(in(*state, "all"), 100, 9, 0, 1);
    import(in(*state, "part"), 10, 9, 50, 1);
    assert_ok(cnn_dataset_open(&all, in(*state, "all")));
    assert_ok(cnn_dataset_open(&part, in(*state, "part")));
    for (uint64_t i = 0; i < 10; i++) {
        struct cnn_record record = cnn_dataset_record(part, i);
        assert_int_equal(cnn_dataset_record(all, 50 + i).bytes, record.bytes);
        assert_ok(cnn_dataset_read(all, 50 + i, a));
        assert_ok(cnn_dataset_read(part, i, b));
        assert_memory_equal(a, b, record.bytes);
    }
    cnn_dataset_close(all);
    cnn_dataset_close(part);
}

// No picture is a plain field.
// seen by drawing the same picture as another shape, which changes some pixels and leaves others.
static void test_shape_is_there(void **state) {
    (void)state;
    for (uint64_t id = 0; id < 100; id++) {
        uint8_t pixels[BYTES];
        double mean[3] = {0}, away = 0;
        cnn_shape_draw(pixels, SIDE, 5, id);
        for (int k = 0; k < BYTES; k++)
            mean[k % 3] += pixels[k] / (double)PIXELS;
        for (int k = 0; k < BYTES; k++)
            away += fabs(pixels[k] - mean[k % 3]) / BYTES;
        assert_true(away > 4);
    }
}

static void draw_scaled(float out[BYTES], uint64_t id) {
    uint8_t pixels[BYTES];
    cnn_shape_draw(pixels, SIDE, 2, id);
    for (int k = 0; k < BYTES; k++)
        out[k] = pixels[k] / 255.0f - 0.5f;
}

// Softmax regression on pixels, by gradient descent: it must not get far, or the dataset teaches nothing
// about networks.
static void test_not_linear(void **state) {
    (void)state;
    enum { TRAIN = 2000, TEST = 500, EPOCHS = 3 };
    static float w[10][BYTES], bias[10], x[BYTES];
    int right = 0;
    memset(w, 0, sizeof w);
    for (uint64_t n = 0; n < TRAIN * EPOCHS + TEST; n++) {
        bool test = n >= TRAIN * EPOCHS;
        uint64_t id = test ? 100000 + n : (n * 1237) % TRAIN;
        double score[10], most = -1e30, sum = 0;
        int best = 0;
        draw_scaled(x, id);
        for (int c = 0; c < 10; c++) {
            float dot = bias[c];
            for (int k = 0; k < BYTES; k++)
                dot += w[c][k] * x[k];
            score[c] = dot;
            if (dot > most) {
                most = dot;
                best = c;
            }
        }
        right += test && best == (int)(id % 10);
        for (int c = 0; c < 10; c++)
            sum += exp(score[c] - most);
        for (int c = 0; c < 10 && !test; c++) {
            float step = 0.002f * (float)((c == (int)(id % 10)) - exp(score[c] - most) / sum);
            bias[c] += step;
            for (int k = 0; k < BYTES; k++)
                w[c][k] += step * x[k];
        }
    }
    print_message("softmax regression: %.1f %%\n", 100.0 * right / TEST);
    assert_true(right < TEST / 2);
}

static void test_bad_options(void **state) {
    struct cnn_import_options options = {.out = in(*state, "d"), .size = 1};
    struct cnn_import_result result;
    const struct cnn_synth_options bad[] = {
        {.count = 0, .side = 32, .quality = 90},     {.count = 10, .side = 8, .quality = 90},
        {.count = 10, .side = 20000, .quality = 90}, {.count = 10, .side = 32, .quality = 0},
        {.count = 10, .side = 32, .quality = 101},   {.count = UINT64_MAX, .side = 32, .quality = 90},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(cnn_import_synth(&result, &bad[i], &options), CNN_ERR_INPUT);
    assert_int_equal(count_entries(*state), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_pictures_are_functions_of_seed_and_id),
        TEST(test_dataset),
        TEST(test_any_number_of_processes),
        TEST(test_ids_do_not_depend_on_the_rest),
        TEST(test_shape_is_there),
        TEST(test_not_linear),
        TEST(test_bad_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
