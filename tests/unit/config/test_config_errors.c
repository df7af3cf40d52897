// Every way a config can be wrong, and the words that say so.
#include "given.h"

#include "base/log.h"

static void unknown_keys_name_the_nearest(void **state) {
    must_refuse("trian: {epochs: 3}",
                "t.yaml:1:1: unknown key `trian`, did you mean `train`? Allowed: run, data, augment,",
                "backend");
    must_refuse("train:\n  epoch: 3\n", "t.yaml:2:3: train: unknown key `epoch`, did you mean `epochs`?",
                "Allowed: epochs, batch,");
    must_refuse("train:\n  schedule: {warm_up: 0}\n",
                "t.yaml:2:14: train.schedule: unknown key `warm_up`, did you mean `warmup`?", "");
    must_refuse("zzz: 1", "t.yaml:1:1: unknown key `zzz`. Allowed: run,", "");
    must_refuse("train: {zzz: 1}", "t.yaml:1:9: train: unknown key `zzz`. Allowed: epochs,", "");
}

static void misplaced_keys_name_their_place(void **state) {
    must_refuse("train: {momentum: 0.9}",
                "t.yaml:1:9: train: unknown key `momentum`, did you mean `train.optimizer.momentum`?", "");
    must_refuse("bucket_mb: 4", "t.yaml:1:1: unknown key `bucket_mb`, did you mean `comm.bucket_mb`?", "");
    must_refuse("train.epochs: 4", "t.yaml:1:1: keys do not contain dots", "write `train:`");
}

static void odd_keys(void **state) {
    must_refuse("{[1]: 2}", "t.yaml:1:2: found a list or mapping instead of a key", "");
    must_refuse("train: {{a: b}: 2}", "t.yaml:1:9: train: found a list or mapping instead of a key", "");
    must_refuse("'': 2", "t.yaml:1:1: unknown key ``", "");
    must_refuse("\"run\\0\": {}", "t.yaml:1:1: unknown key `run `", "");
    must_refuse("\"a\\nb\": 2", "t.yaml:1:1: unknown key `a b`", "");
    must_refuse("<<: {epochs: 2}", "t.yaml:1:1: unknown key `<<`", "");
    must_refuse(
        "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890: 2",
        "t.yaml:1:1: unknown key `1234", "...`");
}

static void duplicate_keys(void **state) {
    must_refuse("train: {epochs: 3}\nrun: {}\ntrain: {epochs: 3}\n", "t.yaml:3:1: duplicate key `train`",
                "line 1");
    must_refuse("train:\n  epochs: 3\n  epochs: 4\n", "t.yaml:3:3: train: duplicate key `epochs`", "line 2");
    must_refuse("train:\n  batch: {global: 3}\n  'batch': {micro: 3}\n",
                "t.yaml:3:3: train: duplicate key `batch`", "line 2");
}

static void wrong_kinds(void **state) {
    must_refuse("[]", "t.yaml:1:1: found a list; allowed: a mapping of run, data,", "");
    must_refuse("hello", "t.yaml:1:1: found `hello`; allowed: a mapping of run,", "");
    must_refuse("train: 5", "t.yaml:1:8: train: found `5`; allowed: a mapping of epochs,", "");
    must_refuse("train:\n  - epochs: 5\n", "t.yaml:2:3: train: found a list; allowed: a mapping of epochs,",
                "");
    must_refuse("train: {epochs: {n: 5}}", "t.yaml:1:17: train.epochs: found a mapping; allowed: a number",
                "");
    must_refuse("train: {epochs: [5]}", "t.yaml:1:17: train.epochs: found a list; allowed: a number", "");
    must_refuse("train: {epochs: }", "t.yaml:1:17: train.epochs: missing value; allowed: a number", "");
    must_refuse("train: {epochs: ~}", "t.yaml:1:17: train.epochs: missing value", "");
    must_refuse("run: {name: [a]}", "t.yaml:1:13: run.name: found a list", "text");
    must_refuse("train: {schedule: {milestones: 5 epochs}}",
                "t.yaml:1:32: train.schedule.milestones: found `5 epochs`", "a list of at most 16 times");
    must_refuse("train: {schedule: {milestones: {a: 5 epochs}}}",
                "t.yaml:1:32: train.schedule.milestones: found a mapping", "a list");
}

static void broken_yaml(void **state) {
    must_refuse("train: {epochs: 3",
                "t.yaml:2:1: invalid YAML: did not find expected ',' or '}', while parsing a flow mapping "
                "(from line 1)",
                "");
    must_refuse("train:\n\tepochs: 3\n", "t.yaml:2:1: invalid YAML: tab character in indentation",
                "indent with spaces");
    must_refuse("# \xc3\xa9\ntrain:\n\tepochs: 3\n", "t.yaml:3:1: invalid YAML: tab character in indentation",
                "");
    must_refuse("a: b: c", "t.yaml:1:5: invalid YAML: mapping values are not allowed", "");
    must_refuse("run:\n  name: 'x\n",
                "t.yaml:3:1: invalid YAML: found unexpected end of stream, while scanning a quoted scalar "
                "(from line 2)",
                "");
    must_refuse("run: {name: *nobody}", "t.yaml:1:13: invalid YAML: found undefined alias", "");
    must_refuse("run: {name: @x}", "t.yaml:1:13: invalid YAML: found character that cannot start any token",
                "");
    must_refuse("---\nrun: {}\n---\nrun: {}\n", "t.yaml:3:1: a second YAML document starts here", "");
    must_refuse("run: {seed: !!int 5}", "t.yaml:1:13: found the tag `tag:yaml.org,2002:int`", "");
    must_refuse("run: !mine {seed: 5}", "t.yaml:1:6: found the tag `!mine`", "");
    must_refuse("augment: {train: !x [resize: 4]}", "t.yaml:1:18: found the tag `!x`", "");
}

static void refuse_bytes(const char *text, size_t bytes, const char *start) {
    struct cnn_config config;
    char *copy = malloc(bytes); // exactly as long as said, so that the address sanitizer sees a step too far
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    assert_int_equal(cnn_config_parse(&config, "t.yaml", copy, bytes, NULL, 0), CNN_ERR_INPUT);
    if (strncmp(cnn_error_message(), start, strlen(start)) != 0)
        fail_msg("%s\nshould begin with\n%s", cnn_error_message(), start);
    free(copy);
}

static void bytes_that_are_no_text(void **state) {
    refuse_bytes("run: {}\n\0", 9, "t.yaml:2:1: control character 0x00");
    refuse_bytes("run: \x1b[0m", 9, "t.yaml:1:6: control character 0x1b");
    refuse_bytes("a\xff", 2, "t.yaml:1:2: byte 0xff is not valid UTF-8");
    refuse_bytes("\xc3\xa9\xc3", 3, "t.yaml:1:2: byte 0xc3 is not valid UTF-8");
    refuse_bytes("# \xc0\xaf", 4, "t.yaml:1:3: byte 0xc0 is not valid UTF-8");         // overlong
    refuse_bytes("# \xe0\x80\xaf", 5, "t.yaml:1:3: byte 0xe0 is not valid UTF-8");     // overlong
    refuse_bytes("# \xf0\x80\x80\xaf", 6, "t.yaml:1:3: byte 0xf0 is not valid UTF-8"); // overlong
    refuse_bytes("# \xed\xa0\x80", 5, "t.yaml:1:3: byte 0xed is not valid UTF-8");     // surrogate
    refuse_bytes("# \xf4\x90\x80\x80", 6, "t.yaml:1:3: byte 0xf4 is not valid UTF-8"); // past U+10FFFF
    refuse_bytes("# \xe2\x82", 4, "t.yaml:1:3: byte 0xe2 is not valid UTF-8");         // cut
    refuse_bytes("\xff\xfe"
                 "a\0",
                 4, "t.yaml:1:1: byte 0xff is not valid UTF-8"); // UTF-16
    refuse_bytes("\n\t", 2, "t.yaml:2:1: invalid YAML: tab character in indentation");
}

static char *repeat(const char *before, const char *unit, size_t n, const char *after) {
    size_t bytes = strlen(unit), head = strlen(before);
    char *text = malloc(head + n * bytes + strlen(after) + 1);
    assert_non_null(text);
    strcpy(text, before);
    for (size_t i = 0; i < n; i++)
        memcpy(text + head + i * bytes, unit, bytes);
    strcpy(text + head + n * bytes, after);
    return text;
}

static void must_refuse_repeated(const char *before, const char *unit, size_t n, const char *start,
                                 const char *part) {
    char *text = repeat(before, unit, n, "");
    must_refuse(text, start, part);
    free(text);
}

static void hostile_sizes(void **state) {
    must_refuse_repeated("run: ", "[", 1000, "t.yaml:1:", "nested deeper than 32 levels");
    must_refuse_repeated("", "[\n", 500000, "t.yaml:33:1: nested deeper than 32 levels", "");
    must_refuse_repeated("run: [", "a,", 500000, "t.yaml:1:", "more than 20000 keys and values");
    must_refuse_repeated("", "? a\n", 200000, "t.yaml:", "more than 20000 keys and values");
    must_refuse_repeated("# ", "x", (1 << 20), "t.yaml: 1048578 bytes of YAML; at most 1048576", "");
    must_refuse_repeated("run:\n  dir: ", "x", 1000000, "t.yaml:2:8: run.dir: is 1000000 bytes long",
                         "at most 4095 bytes");
    must_refuse_repeated("run: ", "x", 1000000, "t.yaml:1:6: run: found `xxxx",
                         "...`; allowed: a mapping of name, dir, seed");
    struct cnn_config config;
    char *text = repeat("#", "x", (1 << 20) - 1, "");
    must_read(&config, text);
    free(text);
}

// Nine levels of nine references each: 387 million values if anyone followed them.
static void aliases_do_not_multiply(void **state) {
    char yaml[2048] = "run: &a0 [x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 9; i++) {
        snprintf(yaml + strlen(yaml), sizeof yaml - strlen(yaml), "k%d: &a%d [", i, i);
        for (int j = 0; j < 9; j++)
            snprintf(yaml + strlen(yaml), sizeof yaml - strlen(yaml), "*a%d,", i - 1);
        strcat(yaml, "]\n");
    }
    must_refuse(yaml, "t.yaml:1:6: run: found a list", "");
    must_refuse("train: &t\n  batch: *t\n",
                "t.yaml:2:3: train.batch: unknown key `batch`, did you mean `eval.batch`?", "");
    must_refuse("augment: {train: &t [*t]}", "t.yaml:1:18: augment.train[0]: unknown augmentation", "");
}

static void batch_must_divide(void **state) {
    must_refuse("train: {batch: {global: 256, micro: 60}}",
                "t.yaml:1:37: train.batch.micro: 60 does not divide train.batch.global (256);",
                "nearest divisors are 32 and 64");
    must_refuse("train: {batch: {global: 97, micro: 10}}", "t.yaml:1:36: train.batch.micro:", "are 1 and 97");
    must_refuse("train: {batch: {global: 8, micro: 16}}",
                "t.yaml:1:35: train.batch.micro: 16 is larger than train.batch.global (8", "");
    must_refuse_set("train.batch.micro=3",
                    "--set train.batch.micro: 3 does not divide train.batch.global (256)", "2 and 4");
    must_refuse_with("train: {batch: {micro: 32}}", (const char *const[]){"train.batch.global=100"}, 1,
                     "t.yaml:1:24: train.batch.micro: 32 does not divide train.batch.global (100)",
                     "25 and 50");
    struct cnn_config config;
    must_read(&config, "train: {batch: {global: 97, micro: 97}}");
    must_read(&config, "train: {batch: {global: 97, micro: 1}}");
}

static void statistics_come_in_pairs(void **state) {
    must_refuse("data: {mean: 0.5}", "t.yaml:1:14: data.mean: set without data.std; set both, or neither",
                "");
    must_refuse("data: {std: 0.5}", "t.yaml:1:13: data.std: set without data.mean", "");
    must_refuse("data: {std: 0.5, mean: auto}", "t.yaml:1:13: data.std: set without data.mean", "");
    must_refuse_set("data.mean=0.5", "--set data.mean: set without data.std", "");
}

static void schedules_need_their_keys(void **state) {
    must_refuse("train: {schedule: {name: multistep}}",
                "t.yaml:1:26: train.schedule.name: the schedule `multistep` needs train.schedule.milestones,",
                "[30 epochs");
    must_refuse_set("train.schedule.name=multistep",
                    "--set train.schedule.name: the schedule `multistep` needs train.schedule.milestones",
                    "");
    must_refuse("train: {schedule: {name: multistep, milestones: []}}",
                "t.yaml:1:49: train.schedule.milestones:", "needs");
    must_refuse("train: {schedule: {milestones: [2 epochs, 2 epochs]}}",
                "t.yaml:1:32: train.schedule.milestones: entry 2 is not later", "increasing");
    must_refuse("train: {schedule: {milestones: [2 epochs, 500 steps]}}",
                "t.yaml:1:32: train.schedule.milestones: entry 2 has another unit", "");
    must_refuse("train: {schedule: {milestones: [0, 5 steps]}}",
                "t.yaml:1:32: train.schedule.milestones: entry 1 is zero", "");
    must_refuse("train: {schedule: {milestones: [5 steps, x]}}",
                "t.yaml:1:42: train.schedule.milestones[1]: found `x`", "a list of at most 16 times");
    must_refuse("train: {schedule: {milestones: [1 step,2 steps,3 steps,4 steps,5 steps,6 steps,7 steps,8 "
                "steps,9 steps,"
                "10 steps,11 steps,12 steps,13 steps,14 steps,15 steps,16 steps,17 steps]}}",
                "t.yaml:1:32: train.schedule.milestones: found a list of 17", "at most 16");
    must_refuse("train: {schedule: {name: step, every: never}}",
                "t.yaml:1:39: train.schedule.every: the schedule `step` needs", "30 epochs");
    must_refuse("train: {schedule: {name: step, factor: 0}}", "t.yaml:1:40: train.schedule.factor: found `0`",
                "");
    must_refuse("train: {schedule: {rate: 0.1, final_rate: 0.2}}",
                "t.yaml:1:43: train.schedule.final_rate: is higher than the initial rate", "0.1");
    must_refuse("train: {batch: {global: 32}, schedule: {per_batch: 256, final_rate: 0.02}}",
                "t.yaml:1:69: train.schedule.final_rate: is higher than the initial rate 0.0125", "");
}

static void warmup_must_fit(void **state) {
    struct cnn_config config;
    must_refuse("train:\n  epochs: 4\n  schedule: {warmup: 5 epochs}\n",
                "t.yaml:3:22: train.schedule.warmup: a warm-up of 5 epochs must be shorter than "
                "training (train.epochs: 4)",
                "");
    must_refuse_set("train.schedule.warmup=91 epochs",
                    "--set train.schedule.warmup: a warm-up of 91 epochs must be shorter", "90");
    must_refuse("train: {epochs: 5, schedule: {warmup: 5 epochs}}",
                "t.yaml:1:39: train.schedule.warmup:", "5");
    must_read(&config, "train: {epochs: 5.5, schedule: {warmup: 5 epochs}}");
    must_read(&config, "train: {epochs: 1, schedule: {warmup: 500 steps}}");
}

static void keep_line(void *context, enum cnn_log_level level, const char *line) {
    char *lines = context;
    assert_int_equal(level, CNN_LOG_WARN);
    snprintf(lines + strlen(lines), 512 - strlen(lines), "%s\n", line);
}

// A key the chosen schedule never reads is said, not refused: an override may have chosen the schedule.
static void unused_schedule_keys_are_reported(void **state) {
    struct cnn_config config;
    char lines[512] = "";
    assert_int_equal(cnn_log_add_sink(keep_line, lines, CNN_LOG_WARN), CNN_OK);
    must_read(&config, "train: {schedule: {name: step, every: 5 epochs, factor: 0.5}}");
    must_read(&config, "train: {schedule: {name: cosine, every: 30 epochs, factor: 0.1}}"); // the defaults
    assert_string_equal(lines, "");
    must_read(&config, "train: {schedule: {milestones: [3 epochs]}}");
    assert_string_equal(lines, "t.yaml: train.schedule.milestones has no effect with schedule `cosine`\n");
    lines[0] = '\0';
    must_read_with(&config, "train: {schedule: {name: step, factor: 0.5}}",
                   (const char *const[]){"train.schedule.name=constant"}, 1);
    assert_string_equal(lines, "t.yaml: train.schedule.factor has no effect with schedule `constant`\n");
    cnn_log_remove_sink(keep_line, lines);
}

static void nesterov_needs_momentum(void **state) {
    must_refuse("train: {optimizer: {nesterov: true, momentum: 0}}",
                "t.yaml:1:31: train.optimizer.nesterov: needs train.optimizer.momentum above 0", "");
    must_refuse("train: {optimizer: {nesterov: true, dampening: 0.1}}",
                "t.yaml:1:31: train.optimizer.nesterov: needs train.optimizer.dampening 0", "");
}

static void overrides_name_their_path(void **state) {
    must_refuse_set("train.epochs=abc", "--set train.epochs: found `abc`; allowed: a number", "");
    must_refuse_set("train.epochs=", "--set train.epochs: missing value", "");
    must_refuse_set("train.epochs=[1", "--set train.epochs: invalid YAML:", "");
    must_refuse_set("train.epochs=\xff", "--set train.epochs: byte 0xff is not valid UTF-8", "");
    must_refuse_set("train.batch={globl: 3}",
                    "--set train.batch: unknown key `globl`, did you mean `global`?", "");
    must_refuse_set("train.batch={global: x}", "--set train.batch.global: found `x`", "");
    must_refuse_set("train.batch=5", "--set train.batch: found `5`; allowed: a mapping of global, micro", "");
    must_refuse_set("train.batch=", "--set train.batch: missing value", "");
    must_refuse_set("run.dir=", "--set run.dir: is empty", "");
    must_refuse_set("augment.train=[flop]", "--set augment.train[0]: unknown augmentation `flop`", "");
    must_refuse_set("run.name=x: y", "--set run.name: found a mapping", "");
}

static void overrides_of_nothing(void **state) {
    must_refuse_set("epochs=4", "--set epochs: unknown key `epochs`, did you mean `train.epochs`?", "");
    must_refuse_set("train.epoch=4",
                    "--set train.epoch: unknown key `train.epoch`, did you mean `train.epochs`?", "");
    must_refuse_set("qqqqqq=4", "--set qqqqqq: unknown key `qqqqqq`; `cnn_dist config schema` lists all keys",
                    "");
    must_refuse_set("train.epochs", "--set: found `train.epochs`; write PATH=VALUE", "");
    must_refuse_set("=4", "--set: found `=4`; write PATH=VALUE", "");
    must_refuse_set("", "--set: found ``; write PATH=VALUE", "");
    must_refuse_set(".=4", "--set .: unknown key", "");
}

static void files_that_cannot_be_read(void **state) {
    struct cnn_config config;
    assert_int_equal(cnn_config_read(&config, "/nonexistent/x.yaml", NULL, 0), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "/nonexistent/x.yaml"));
    assert_int_equal(cnn_config_read(&config, CNN_SOURCE_DIR "/src", NULL, 0), CNN_ERR_INPUT);
    char *name = repeat("/", "x", 5000, "");
    assert_int_equal(cnn_config_parse(&config, name, "", 0, NULL, 0), CNN_ERR_INPUT);
    free(name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_keys_name_the_nearest),
        cmocka_unit_test(misplaced_keys_name_their_place),
        cmocka_unit_test(odd_keys),
        cmocka_unit_test(duplicate_keys),
        cmocka_unit_test(wrong_kinds),
        cmocka_unit_test(broken_yaml),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(hostile_sizes),
        cmocka_unit_test(aliases_do_not_multiply),
        cmocka_unit_test(batch_must_divide),
        cmocka_unit_test(statistics_come_in_pairs),
        cmocka_unit_test(schedules_need_their_keys),
        cmocka_unit_test(warmup_must_fit),
        cmocka_unit_test(unused_schedule_keys_are_reported),
        cmocka_unit_test(nesterov_needs_momentum),
        cmocka_unit_test(overrides_name_their_path),
        cmocka_unit_test(overrides_of_nothing),
        cmocka_unit_test(files_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
