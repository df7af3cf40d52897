// How single values are written: numbers, words, text, times, lists, and --set over them.
#include "given.h"

static void numbers_in_every_spelling(void **state) {
    static const struct {
        const char *yaml;
        double value;
    } cases[] = {
        {"train: {epochs: 5}", 5},          {"train: {epochs: 5.}", 5},
        {"train: {epochs: .5}", 0.5},       {"train: {epochs: 1e2}", 100},
        {"train: {epochs: +1.5E-1}", 0.15}, {"train: {epochs: 007}", 7},
        {"train: {epochs: 1000000}", 1e6},  {"train:\n  epochs:   12.25   # comment\n", 12.25},
        {"\"train\": {\"epochs\": 3}", 3},  {"train:\r\n  epochs: 4\r\n", 4},
    };
    struct cnn_config config;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        must_read(&config, cases[i].yaml);
        assert_true(config.train.epochs == cases[i].value);
    }
}

static void not_a_number(void **state) {
    static const char *const words[] = {"five",    "1e",    "0x10",     "inf",   "-inf", ".inf", ".nan",
                                        "nan",     "1,5",   "5 epochs", "1_000", "--5",  "-1",   "0",
                                        "1000001", "1e400", "true",     ".",     "+",    "'5'"};
    char yaml[64];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        snprintf(yaml, sizeof yaml, "train:\n  epochs: %s\n", words[i]);
        must_refuse(yaml, "t.yaml:2:11: train.epochs: found ", "; allowed: a number above 0, up to 1000000");
    }
    static const char *const not_whole[] = {"1.0", "1e3", "1.5",  "99999999999999999999",
                                            "0",   "-3",  "0x20", "1 2"};
    for (size_t i = 0; i < sizeof not_whole / sizeof *not_whole; i++) {
        snprintf(yaml, sizeof yaml, "log: {every: %s}", not_whole[i]);
        must_refuse(yaml, "t.yaml:1:14: log.every: found ", "; allowed: a whole number from 1 to 1000000");
    }
}

static void bounds_open_and_closed(void **state) {
    struct cnn_config config;
    must_read(&config, "train: {label_smoothing: 0, schedule: {factor: 1}}");
    must_read(&config, "train: {label_smoothing: 0.999}");
    must_refuse("train: {label_smoothing: 1}", "t.yaml:1:26: train.label_smoothing: found `1`",
                "a number from 0 to below 1");
    must_refuse("train: {label_smoothing: -0.1}", "t.yaml:1:26: train.label_smoothing:", "`-0.1`");
    must_refuse("train: {schedule: {factor: 0}}", "t.yaml:1:28: train.schedule.factor:", "above 0, up to 1");
    must_refuse("run: {seed: 9007199254740993}", "t.yaml:1:13: run.seed:", "whole number");
    must_refuse("run: {seed: 99999999999999999999999999}", "t.yaml:1:13: run.seed:", "whole number");
}

static void booleans(void **state) {
    struct cnn_config config;
    must_read(&config, "model: {zero_init_residual: True}");
    assert_true(config.model.zero_init_residual);
    must_read(&config, "train: {optimizer: {decay_norm: false}}");
    assert_false(config.train.optimizer.decay_norm);
    must_refuse("model: {zero_init_residual: yes}", "t.yaml:1:29: model.zero_init_residual: found `yes`",
                "`true` or `false`");
    must_refuse("model: {zero_init_residual: \"true\"}", "t.yaml:1:29: ", "the quoted text `true`");
    must_refuse("model: {zero_init_residual: 1}", "t.yaml:1:29: ", "`1`");
}

static void choices(void **state) {
    struct cnn_config config;
    must_read(&config, "data: {channels: 1}\ntrain: {precision: \"tf32\", schedule: {name: "
                       "polynomial}}\nbackend: cuda\ncomm: {backend: self}");
    assert_int_equal(config.data.channels, 1);
    assert_int_equal(config.train.precision, CNN_PRECISION_TF32);
    assert_int_equal(config.train.schedule.name, CNN_SCHEDULE_POLYNOMIAL);
    assert_int_equal(config.backend, CNN_BACKEND_CUDA);
    assert_int_equal(config.comm.backend, CNN_COMM_SELF);
    must_refuse("train: {schedule: {name: cosin}}",
                "t.yaml:1:26: train.schedule.name: found `cosin`, did you mean `cosine`?",
                "`constant`, `step`, `multistep`, `cosine` or `polynomial`");
    must_refuse("data: {channels: 2}", "t.yaml:1:18: data.channels: found `2`", "`auto`, `1` or `3`");
    must_refuse("backend: FPGA", "t.yaml:1:10: backend: found `FPGA`; allowed: `auto`, `cpu` or `cuda`", "");
}

static void durations(void **state) {
    static const struct {
        const char *text;
        double count;
        enum cnn_unit unit;
    } cases[] = {
        {"5 epochs", 5, CNN_EPOCHS},   {"1 epoch", 1, CNN_EPOCHS},    {"0.5 epochs", 0.5, CNN_EPOCHS},
        {"500 steps", 500, CNN_STEPS}, {"1 step", 1, CNN_STEPS},      {"never", 0, CNN_NEVER},
        {"0", 0, CNN_NEVER},           {"0 epochs", 0, CNN_NEVER},    {"2e3 steps", 2000, CNN_STEPS},
        {"3epochs", 3, CNN_EPOCHS},    {"7   epochs", 7, CNN_EPOCHS},
    };
    struct cnn_config config;
    char yaml[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(yaml, sizeof yaml, "eval: {every: %s}", cases[i].text);
        must_read(&config, yaml);
        assert_true(config.eval.every.count == cases[i].count);
        assert_int_equal(config.eval.every.unit, cases[i].unit);
    }
    must_refuse("eval: {every: 5}", "t.yaml:1:15: eval.every: found `5`", "write `5 epochs` or `5 steps`");
    must_refuse("eval: {every: 5 hours}", "t.yaml:1:15: eval.every: found `5 hours`",
                "`never`, or a time such as `5 epochs`");
    must_refuse("eval: {every: -1 epochs}", "t.yaml:1:15: eval.every: found `-1 epochs`",
                "0 to 1000000 epochs");
    must_refuse("eval: {every: 1.5 steps}", "t.yaml:1:15: eval.every: found `1.5 steps`",
                "whole number of steps");
    must_refuse("eval: {every: 1e13 steps}", "t.yaml:1:15: eval.every:", "1000000000000");
    must_refuse("eval: {every: epochs}", "t.yaml:1:15: eval.every: found `epochs`", "allowed");
    must_refuse("eval: {every: '5 epochs'}", "t.yaml:1:15: eval.every: found the quoted text", "allowed");
    must_refuse("eval: {every: }", "t.yaml:1:15: eval.every: missing value", "allowed");
}

static void duration_in_steps(void **state) {
    assert_int_equal(cnn_duration_steps((struct cnn_duration){3, CNN_EPOCHS}, 100), 300);
    assert_int_equal(cnn_duration_steps((struct cnn_duration){0.5, CNN_EPOCHS}, 5), 3);
    assert_int_equal(cnn_duration_steps((struct cnn_duration){0.001, CNN_EPOCHS}, 100), 1);
    assert_int_equal(cnn_duration_steps((struct cnn_duration){7, CNN_STEPS}, 100), 7);
    assert_int_equal(cnn_duration_steps((struct cnn_duration){0, CNN_EPOCHS}, 100), 0);
    assert_int_equal(cnn_duration_steps((struct cnn_duration){5, CNN_NEVER}, 100), 0);
    assert_true(cnn_duration_steps((struct cnn_duration){1e6, CNN_EPOCHS}, INT64_MAX) == INT64_MAX);
}

static void texts(void **state) {
    struct cnn_config config;
    must_read(&config,
              "run: {name: 123, dir: \"a \\\"b\\\" \\\\ c\"}\ndata: {train: 'null', val: \xc3\xa9t\xc3\xa9}");
    assert_string_equal(config.run.name, "123");
    assert_string_equal(config.run.dir, "a \"b\" \\ c");
    assert_string_equal(config.data.train, "null");
    assert_string_equal(config.data.val, "\xc3\xa9t\xc3\xa9");
    must_refuse("data: {train: }", "t.yaml:1:15: data.train: missing value", "text");
    must_refuse("run: {dir: ''}", "t.yaml:1:12: run.dir: is empty", "text");
    must_refuse("run: {dir: \"a\\0b\"}", "t.yaml:1:12: run.dir: contains a control character", "");
    must_refuse("run: {dir: \"a\\nb\"}", "t.yaml:1:12: run.dir: contains a control character", "");
    must_refuse("run: {dir: \"a\\u2028b\"}", "t.yaml:1:12: run.dir: contains a control character", "");
    must_refuse("run: {dir: \"a\\u0085b\"}", "t.yaml:1:12: run.dir: contains a control character", "");
    must_refuse("model: {arch: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}",
                "t.yaml:1:15: model.arch: is 64 bytes long", "at most 63 bytes");
    must_refuse("run: {name: a/b}", "t.yaml:1:13: run.name: found `a/b`", "a folder name");
    must_refuse("run: {name: ..}", "t.yaml:1:13: run.name: found `..`", "a folder name");
}

static void run_is_named_after_the_file(void **state) {
    static const struct {
        const char *file, *name;
    } cases[] = {{"configs/resnet.yaml", "resnet"},
                 {"x.yml", "x"},
                 {"/a/b/plain", "plain"},
                 {"a.b.yaml", "a.b"},
                 {".yaml", "run"},
                 {"dir/", "run"},
                 {"<memory>", "run"},
                 {"with space.yaml", "run"}};
    struct cnn_config config;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(cnn_config_parse(&config, cases[i].file, "", 0, NULL, 0), CNN_OK);
        assert_string_equal(config.run.name, cases[i].name);
    }
    must_read(&config, "run: {name: auto}");
    assert_string_equal(config.run.name, "t");
}

static void statistics_of_one_or_three_channels(void **state) {
    struct cnn_config config;
    must_read(&config, "data: {mean: 0.25, std: [0.5]}");
    assert_true(config.data.has_stats);
    for (int i = 0; i < 3; i++)
        assert_true(config.data.mean[i] == 0.25 && config.data.std[i] == 0.5);
    must_read(&config, "data: {mean: auto, std: auto}");
    assert_false(config.data.has_stats);
    must_read_with(&config, "data: {mean: 0.25, std: 0.5}",
                   (const char *const[]){"data.mean=auto", "data.std=auto"}, 2);
    assert_false(config.data.has_stats);
    must_refuse("data: {mean: [0.1, 0.2], std: 1}", "t.yaml:1:14: data.mean: found a list of 2",
                "1 or 3 numbers");
    must_refuse("data: {mean: [], std: 1}", "t.yaml:1:14: data.mean: found a list of 0", "1 or 3 numbers");
    must_refuse("data: {mean: [0.1, x, 0.1], std: 1}", "t.yaml:1:20: data.mean[1]: found `x`",
                "a number from 0 to 1");
    must_refuse("data: {mean: [0.1, [1], 0.1], std: 1}", "t.yaml:1:20: data.mean[1]: found a nested list",
                "");
    must_refuse("data: {mean: 123.7, std: 58}", "t.yaml:1:14: data.mean: found `123.7`", "from 0 to 1");
    must_refuse("data: {mean: 0.5, std: 0}", "t.yaml:1:24: data.std: found `0`", "above 0, up to 1");
}

static void overrides_win_and_the_last_wins(void **state) {
    static const char *const sets[] = {"train.epochs=7",
                                       "train.batch={global: 64, micro: 16}",
                                       "train.epochs=8",
                                       "data.val=",
                                       "run.dir=/tmp/a b",
                                       "data.mean=[0.1, 0.2, 0.3]",
                                       "data.std=0.5",
                                       "train.schedule.warmup=1 epoch",
                                       "augment.train=[flip_horizontal]",
                                       "run.name=x=y"};
    struct cnn_config config;
    must_read_with(
        &config, "train: {epochs: 5, batch: {global: 32}}\ndata: {val: v}\nrun: {dir: longer than the other}",
        sets, sizeof sets / sizeof *sets);
    assert_true(config.train.epochs == 8);
    assert_int_equal(config.train.batch.global, 64);
    assert_int_equal(config.train.batch.micro, 16);
    assert_string_equal(config.data.val, "");
    assert_string_equal(config.run.dir, "/tmp/a b");
    assert_true(config.data.mean[2] == 0.3 && config.data.std[2] == 0.5);
    assert_true(config.train.schedule.warmup.count == 1);
    assert_int_equal(config.augment.train.n, 1);
    assert_string_equal(config.run.name, "x=y");
}

static void aliases_share_values(void **state) {
    struct cnn_config config;
    must_read(&config, "eval: {every: &often 2 epochs}\ncheckpoint: {every: *often}\n"
                       "augment:\n  train: &ops\n    - resize: 40\n    - center_crop: 32\n  eval: *ops\n");
    assert_true(config.checkpoint.every.count == 2 && config.checkpoint.every.unit == CNN_EPOCHS);
    assert_int_equal(config.augment.eval.n, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_in_every_spelling),
        cmocka_unit_test(not_a_number),
        cmocka_unit_test(bounds_open_and_closed),
        cmocka_unit_test(booleans),
        cmocka_unit_test(choices),
        cmocka_unit_test(durations),
        cmocka_unit_test(duration_in_steps),
        cmocka_unit_test(texts),
        cmocka_unit_test(run_is_named_after_the_file),
        cmocka_unit_test(statistics_of_one_or_three_channels),
        cmocka_unit_test(overrides_win_and_the_last_wins),
        cmocka_unit_test(aliases_share_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
