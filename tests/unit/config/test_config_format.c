// The resolved config: complete, readable, and equal when read back.
#include "given.h"

#include "config/options.h"
#include "config/words.h"

static void round_trip(const char *yaml) {
    struct cnn_config config, again;
    char *text = NULL, *second = NULL;
    must_read(&config, yaml);
    assert_int_equal(cnn_config_format(&text, &config), CNN_OK);
    must_read(&again, text);
    assert_memory_equal(&config, &again, sizeof config);
    assert_int_equal(cnn_config_format(&second, &again), CNN_OK);
    assert_string_equal(text, second);
    free(text);
    free(second);
}

static void every_kind_of_value_reads_back(void **state) {
    round_trip("");
    round_trip("run: {name: 'null', dir: '~'}");
    round_trip("run: {name: '-x', dir: '- x'}");
    round_trip("run: {name: '5', dir: \"tab-less \\\"quoted\\\" \\\\ # : {}\"}");
    round_trip("run: {dir: '...'}");
    round_trip("run: {dir: '---'}");
    round_trip("run: {dir: ' spaces '}\ndata: {train: '*a', val: '&b'}");
    round_trip("data: {train: \"\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x90\xb1\", mean: [0.1, 0.333333333333333333, "
               "1], std: 1e-7}");
    round_trip(
        "train: {epochs: 0.1, schedule: {rate: 1.2345678901234567e-5, milestones: [0.1 epochs, 30 epochs]}}");
    round_trip(
        "train: {schedule: {warmup: 1000000000000 steps}}\neval: {every: 0}\ncheckpoint: {every: 1 step}");
    round_trip("data: {max_bad: 1000000000000}\nrun: {seed: 9007199254740992}\ncomm: {bucket_mb: 0.5, "
               "timeout_s: 1000000}");
    round_trip("augment:\n  train: [random_resized_crop: {size: 9, scale: [0.1, 0.30000000000000004]}, "
               "flip_horizontal: 0.3]\n"
               "  eval: [resize: 9, center_crop: 9]");
    round_trip("data: {mean: -0, std: 1}"); // the sign of zero too
}

static void defaults_written_out(void **state) {
    struct cnn_config config;
    char *text = NULL;
    must_read(&config, "");
    assert_int_equal(cnn_config_format(&text, &config), CNN_OK);
    assert_non_null(strstr(text, "run:\n  name: t\n  dir: runs\n  seed: 1\ndata:\n  train: \"\"\n"));
    assert_non_null(strstr(text, "augment:\n  train: []\n  eval: []\n"));
    assert_non_null(strstr(text, "  batch:\n    global: 256\n    micro: auto\n  precision: auto\n"));
    assert_non_null(strstr(text, "    weight_decay: 0.0001\n"));
    assert_non_null(strstr(text, "    warmup: 0\n"));
    assert_non_null(strstr(text, "eval:\n  every: 1 epoch\n"));
    assert_non_null(strstr(text, "\nbackend: auto\n"));
    free(text);
}

static void a_config_changed_in_memory_reads_back(void **state) {
    struct cnn_config config, again;
    char *text = NULL;
    must_read(&config, "");
    config.data.has_stats = true;
    for (int i = 0; i < 3; i++) {
        config.data.mean[i] = 0.1 * (i + 1);
        config.data.std[i] = 0.2;
    }
    config.train.batch.micro = 64;
    assert_int_equal(cnn_config_format(&text, &config), CNN_OK);
    must_read(&again, text);
    assert_memory_equal(&config, &again, sizeof config);
    free(text);
}

static void reals_are_short_and_exact(void **state) {
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.1, "0.1"},   {600, "600"},    {1e6, "1000000"}, {1e-5, "1e-05"}, {1.0 / 3, "0.3333333333333333"},
        {12.5, "12.5"}, {-0.25, "-0.25"}};
    char text[CNN_NUMBER_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cnn_format_real(text, cases[i].value);
        assert_string_equal(text, cases[i].text);
    }
}

static void found_words_are_cut_between_characters(void **state) {
    char found[CNN_FOUND_BYTES], text[101] = "";
    for (int i = 0; i < 50; i++)
        strcat(text, "\xc3\xa9");
    cnn_format_found(found, text, 100);
    size_t n = strlen(found);
    assert_true(n < CNN_FOUND_BYTES && strcmp(found + n - 4, "...`") == 0);
    assert_int_equal((unsigned char)found[n - 5], 0xa9); // the last character is whole
    cnn_format_found(found, "a\nb\x7f", 4);
    assert_string_equal(found, "`a b `");
}

static void names_of_enums(void **state) {
    assert_string_equal(cnn_precision_name(CNN_PRECISION_BF16), "bf16");
    assert_string_equal(cnn_precision_name(CNN_PRECISION_AUTO), "auto");
    assert_string_equal(cnn_schedule_name(CNN_SCHEDULE_MULTISTEP), "multistep");
    assert_string_equal(cnn_schedule_name((enum cnn_schedule_kind)99), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_reads_back),         cmocka_unit_test(defaults_written_out),
        cmocka_unit_test(a_config_changed_in_memory_reads_back),  cmocka_unit_test(reals_are_short_and_exact),
        cmocka_unit_test(found_words_are_cut_between_characters), cmocka_unit_test(names_of_enums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
