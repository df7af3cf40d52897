// The table itself, the defaults, and every option set to something else and read back.
#include "given.h"

#include "config/options.h"
#include "config/value.h"

#include <math.h>

static size_t bytes_of(enum cnn_option_type type) {
    switch (type) {
    case CNN_OPTION_INT:
    case CNN_OPTION_CHOICE:
        return sizeof(int);
    case CNN_OPTION_LONG:
        return sizeof(int64_t);
    case CNN_OPTION_REAL:
        return sizeof(double);
    case CNN_OPTION_BOOL:
        return sizeof(bool);
    case CNN_OPTION_DURATION:
        return sizeof(struct cnn_duration);
    case CNN_OPTION_DURATIONS:
        return CNN_MAX_MILESTONES * sizeof(struct cnn_duration);
    case CNN_OPTION_STATS:
        return 3 * sizeof(double);
    case CNN_OPTION_AUGMENTS:
        return sizeof(struct cnn_augment_list);
    case CNN_OPTION_PHASES:
        return CNN_MAX_PHASES * sizeof(struct cnn_phase);
    default:
        return 0;
    }
}

static void every_entry_is_sound(void **state) {
    for (size_t i = 0; i < CNN_N_OPTIONS; i++) {
        const struct cnn_option *option = &cnn_option_table[i];
        assert_non_null(option->path);
        assert_ptr_equal(cnn_option_find(option->path), option); // no path stands twice
        assert_false(cnn_option_is_section(option->path));
        assert_true(strlen(option->doc) > 10 && !strchr(option->doc, '\n'));
        assert_true(option->offset + option->bytes <= sizeof(struct cnn_config));
        if (option->type == CNN_OPTION_TEXT)
            assert_true(option->bytes >= 32);
        else
            assert_int_equal(option->bytes, bytes_of(option->type));
        bool has_bounds = option->type == CNN_OPTION_INT || option->type == CNN_OPTION_LONG ||
                          option->type == CNN_OPTION_REAL || option->type == CNN_OPTION_STATS;
        if (has_bounds)
            assert_true(option->bounds.least < option->bounds.most &&
                        option->bounds.most <= 9007199254740992.0);
        assert_int_equal(option->choices != NULL, option->type == CNN_OPTION_CHOICE);
        assert_int_equal(option->count_offset != 0,
                         option->type == CNN_OPTION_DURATIONS || option->type == CNN_OPTION_PHASES);
        char allowed[320];
        cnn_option_expected(allowed, sizeof allowed, option);
        assert_true(strlen(allowed) >= 5 && strlen(allowed) < sizeof allowed - 1);
    }
}

// No two options share a byte of the struct.
static void fields_do_not_overlap(void **state) {
    for (size_t i = 0; i < CNN_N_OPTIONS; i++)
        for (size_t j = i + 1; j < CNN_N_OPTIONS; j++) {
            const struct cnn_option *a = &cnn_option_table[i], *b = &cnn_option_table[j];
            assert_true(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
        }
}

static void every_default_is_allowed(void **state) {
    struct cnn_config config;
    cnn_config_defaults(&config);
    for (size_t i = 0; i < CNN_N_OPTIONS; i++) {
        const struct cnn_option *option = &cnn_option_table[i];
        struct cnn_scalar scalar = {option->fallback, strlen(option->fallback),
                                    option->type == CNN_OPTION_TEXT};
        if (strcmp(option->fallback, "[]") == 0)
            assert_true(option->type == CNN_OPTION_DURATIONS || option->type == CNN_OPTION_AUGMENTS ||
                        option->type == CNN_OPTION_PHASES);
        else if (cnn_value_read(&config, option, &scalar) != CNN_OK)
            fail_msg("%s: default: %s", option->path, cnn_error_message());
    }
}

static void sections_are_those_of_the_table(void **state) {
    size_t sections = 0;
    for (size_t i = 0; i < CNN_N_SECTIONS; i++) {
        assert_true(cnn_option_is_section(cnn_option_sections[i].name));
        sections++;
    }
    struct cnn_key keys[32];
    assert_int_equal(cnn_option_keys("", keys, 32), sections + 1); // and `backend`
    assert_int_equal(cnn_option_keys("train.batch", keys, 32), 2);
    assert_memory_equal(keys[1].start, "micro", 5);
    assert_int_equal(keys[1].bytes, 5);
    assert_int_equal(cnn_option_keys("train.epochs", keys, 32), 0);
    assert_int_equal(cnn_option_keys("", keys, 2), 2);
}

static void augment_table_is_sound(void **state) {
    for (int i = 0; i < CNN_N_AUGMENTS; i++) {
        const struct cnn_augment_info *info = &cnn_augment_table[i];
        assert_non_null(info->name);
        assert_true(strlen(info->doc) > 10);
        assert_in_range(info->n_args, 1, CNN_AUGMENT_MAX_ARGS);
        for (int a = 0; a < info->n_args; a++) {
            const struct cnn_augment_arg *arg = &info->args[a];
            assert_true(arg->name && strlen(arg->doc) > 5 && arg->least < arg->most);
            for (int v = 0; v < 2; v++)
                assert_true(isnan(arg->fallback[v]) ||
                            (arg->fallback[v] >= arg->least && arg->fallback[v] <= arg->most));
        }
    }
}

static void empty_file_is_all_defaults(void **state) {
    static const char *const empty[] = {"",   "\n",       "# only a comment\n", "---\n",
                                        "{}", "train:\n", "train: {batch: }\n", "\xef\xbb\xbf"};
    struct cnn_config config, defaults;
    cnn_config_defaults(&defaults);
    strcpy(defaults.path, "t.yaml");
    strcpy(defaults.run.name, "t");
    defaults.run.name[2] = '\0';
    memset(defaults.run.name + 1, 0, sizeof defaults.run.name - 1);
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        must_read(&config, empty[i]);
        assert_memory_equal(&config, &defaults, sizeof config);
    }
}

static void defaults_are_the_promised_ones(void **state) {
    struct cnn_config c;
    cnn_config_defaults(&c);
    assert_string_equal(c.run.name, "run");
    assert_string_equal(c.run.dir, "runs");
    assert_int_equal(c.run.seed, 1);
    assert_string_equal(c.data.train, "");
    assert_int_equal(c.data.threads, CNN_AUTO);
    assert_false(c.data.has_stats);
    assert_int_equal(c.augment.train.n + c.augment.eval.n, 0);
    assert_true(c.model.dropout < 0);
    assert_int_equal(c.train.batch.global, 256);
    assert_int_equal(c.train.batch.micro, CNN_AUTO);
    assert_int_equal(c.train.precision, CNN_PRECISION_AUTO);
    assert_true(c.train.loss_scale.initial == 0 && c.train.loss_scale.grow_after == 2000);
    assert_true(!c.train.sync_batch_norm && !c.train.recompute);
    assert_true(c.train.deterministic && c.train.record);
    assert_true(c.train.optimizer.momentum == 0.9 && c.train.optimizer.weight_decay == 1e-4);
    assert_true(c.train.optimizer.decay_norm && c.train.optimizer.decay_bias && !c.train.optimizer.nesterov);
    assert_int_equal(c.train.schedule.name, CNN_SCHEDULE_COSINE);
    assert_int_equal(c.train.schedule.per_batch, 0);
    assert_int_equal(c.train.schedule.warmup.unit, CNN_NEVER);
    assert_true(c.eval.every.count == 1 && c.eval.every.unit == CNN_EPOCHS);
    assert_true(c.checkpoint.every.count == 1 && c.checkpoint.every.unit == CNN_EPOCHS &&
                c.checkpoint.keep == 3);
    assert_true(c.comm.timeout_s == 600 && c.comm.bucket_mb == CNN_AUTO);
    assert_int_equal(c.comm.precision, CNN_PRECISION_FP32);
    assert_int_equal(c.log.every, 50);
}

static const char everything[] =
    "run: {name: r-1, dir: /scratch/runs, seed: 9007199254740992}\n"
    "data:\n"
    "  train: a b/train\n"
    "  val: 'v: #1'\n"
    "  threads: 3\n"
    "  shuffle: window\n"
    "  window: 12\n"
    "  sampling: class_balanced\n"
    "  repeats: 3\n"
    "  ahead: 7\n"
    "  max_bad: 5000000000\n"
    "  channels: 3\n"
    "  mean: [0.1, 0.2, 0.3]\n"
    "  std: [0.4, 0.5, 0.6]\n"
    "augment:\n"
    "  train:\n"
    "    - random_crop: {size: 30, padding: 2}\n"
    "    - flip_horizontal\n"
    "  eval: [resize: 40, center_crop: {size: 32}]\n"
    "  mixup: 0.25\n"
    "  cutmix: 1.5\n"
    "  mix_p: 0.75\n"
    "model: {arch: vgg11, classes: 17, zero_init_residual: true, dropout: 0.25}\n"
    "train:\n"
    "  epochs: 2.5\n"
    "  batch: {global: 96, micro: 24}\n"
    "  phases: [{until: 1 epoch, size: [28, 30], batch: 48, micro: 12}, {until: 2 epochs, micro: auto}]\n"
    "  precision: bf16\n"
    "  loss_scale: {initial: 512, grow_after: 300}\n"
    "  sync_batch_norm: true\n"
    "  deterministic: false\n"
    "  record: false\n"
    "  recompute: true\n"
    "  threads: 2\n"
    "  label_smoothing: 0.125\n"
    "  optimizer: {name: sgd, momentum: 0.8, weight_decay: 3e-5, dampening: 0.5, nesterov: false, "
    "decay_norm: false, decay_bias: false}\n"
    "  schedule:\n"
    "    name: multistep\n"
    "    rate: 0.25\n"
    "    per_batch: 64\n"
    "    warmup: 100 steps\n"
    "    warmup_from: 0.01\n"
    "    every: 7 epochs\n"
    "    milestones: [1 epoch, 1.5 epochs]\n"
    "    factor: 0.2\n"
    "    power: 2\n"
    "    final_rate: 1e-3\n"
    "    by_epoch: true\n"
    "eval: {every: 250 steps, batch: 11}\n"
    "checkpoint: {every: never, keep: 9}\n"
    "comm: {backend: mpi, bucket_mb: 12.5, precision: bf16, timeout_s: 30}\n"
    "log: {every: 1}\n"
    "backend: cpu\n";

static void every_option_reaches_its_field(void **state) {
    struct cnn_config c;
    must_read(&c, everything);
    assert_string_equal(c.path, "t.yaml");
    assert_string_equal(c.run.name, "r-1");
    assert_string_equal(c.run.dir, "/scratch/runs");
    assert_true(c.run.seed == 9007199254740992u);
    assert_string_equal(c.data.train, "a b/train");
    assert_string_equal(c.data.val, "v: #1");
    assert_int_equal(c.data.threads, 3);
    assert_int_equal(c.data.shuffle, CNN_SHUFFLE_WINDOW);
    assert_int_equal(c.data.window, 12);
    assert_int_equal(c.data.sampling, CNN_SAMPLING_CLASS_BALANCED);
    assert_int_equal(c.data.repeats, 3);
    assert_int_equal(c.data.ahead, 7);
    assert_true(c.data.max_bad == 5000000000);
    assert_int_equal(c.data.channels, 3);
    assert_true(c.data.has_stats && c.data.mean[0] == 0.1 && c.data.mean[1] == 0.2 && c.data.mean[2] == 0.3);
    assert_true(c.data.std[0] == 0.4 && c.data.std[1] == 0.5 && c.data.std[2] == 0.6);
    assert_int_equal(c.augment.train.n, 2);
    assert_int_equal(c.augment.eval.n, 2);
    assert_true(c.augment.mixup == 0.25 && c.augment.cutmix == 1.5 && c.augment.mix_p == 0.75);
    assert_string_equal(c.model.arch, "vgg11");
    assert_int_equal(c.model.classes, 17);
    assert_true(c.model.zero_init_residual && c.model.dropout == 0.25);
    assert_true(c.train.epochs == 2.5);
    assert_int_equal(c.train.batch.global, 96);
    assert_int_equal(c.train.batch.micro, 24);
    assert_int_equal(c.train.n_phases, 2);
    assert_true(c.train.phases[0].until == 1 && c.train.phases[0].height == 28 &&
                c.train.phases[0].width == 30);
    assert_true(c.train.phases[0].batch == 48 && c.train.phases[0].micro == 12);
    assert_true(c.train.phases[1].until == 2 && c.train.phases[1].micro == CNN_PHASE_MICRO_AUTO);
    assert_int_equal(c.train.precision, CNN_PRECISION_BF16);
    assert_true(c.train.loss_scale.initial == 512 && c.train.loss_scale.grow_after == 300);
    assert_true(c.train.sync_batch_norm && c.train.recompute);
    assert_true(!c.train.deterministic && !c.train.record);
    assert_int_equal(c.train.threads, 2);
    assert_true(c.train.label_smoothing == 0.125);
}

static void every_training_option_reaches_its_field(void **state) {
    struct cnn_config c;
    must_read(&c, everything);
    assert_int_equal(c.train.optimizer.name, CNN_OPTIMIZER_SGD);
    assert_true(c.train.optimizer.momentum == 0.8 && c.train.optimizer.weight_decay == 3e-5 &&
                c.train.optimizer.dampening == 0.5);
    assert_false(c.train.optimizer.nesterov || c.train.optimizer.decay_norm || c.train.optimizer.decay_bias);
    assert_int_equal(c.train.schedule.name, CNN_SCHEDULE_MULTISTEP);
    assert_true(c.train.schedule.rate == 0.25 && c.train.schedule.per_batch == 64);
    assert_true(c.train.schedule.warmup.count == 100 && c.train.schedule.warmup.unit == CNN_STEPS);
    assert_true(c.train.schedule.warmup_from == 0.01);
    assert_true(c.train.schedule.every.count == 7 && c.train.schedule.every.unit == CNN_EPOCHS);
    assert_int_equal(c.train.schedule.n_milestones, 2);
    assert_true(c.train.schedule.milestones[1].count == 1.5 &&
                c.train.schedule.milestones[1].unit == CNN_EPOCHS);
    assert_true(c.train.schedule.factor == 0.2 && c.train.schedule.power == 2 &&
                c.train.schedule.final_rate == 1e-3);
    assert_true(c.train.schedule.by_epoch);
    assert_true(c.eval.every.count == 250 && c.eval.every.unit == CNN_STEPS && c.eval.batch == 11);
    assert_true(c.checkpoint.every.unit == CNN_NEVER && c.checkpoint.keep == 9);
    assert_int_equal(c.comm.backend, CNN_COMM_MPI);
    assert_true(c.comm.bucket_mb == 12.5 && c.comm.timeout_s == 30);
    assert_int_equal(c.comm.precision, CNN_PRECISION_BF16);
    assert_int_equal(c.log.every, 1);
    assert_int_equal(c.backend, CNN_BACKEND_CPU);
}

// Guards the two tests above: an option added to the table and not to `everything` fails here.
static void everything_is_not_default(void **state) {
    struct cnn_config config, defaults;
    must_read(&config, everything);
    cnn_config_defaults(&defaults);
    for (size_t i = 0; i < CNN_N_OPTIONS; i++) {
        const struct cnn_option *option = &cnn_option_table[i];
        bool has_one_value = strcmp(option->path, "train.optimizer.name") == 0 ||
                             strcmp(option->path, "train.optimizer.nesterov") == 0;
        bool same = memcmp(cnn_option_value(&config, option), cnn_option_value(&defaults, option),
                           option->bytes) == 0;
        if (same && !has_one_value)
            fail_msg("%s is not set to anything but its default", option->path);
    }
}

static void round_trip_keeps_everything(void **state) {
    struct cnn_config config, again;
    char *text = NULL;
    must_read(&config, everything);
    assert_int_equal(cnn_config_format(&text, &config), CNN_OK);
    must_read(&again, text);
    assert_memory_equal(&config, &again, sizeof config);
    free(text);
}

// Each option by --set alone, with the value the whole file gives it.
static void every_option_can_be_overridden(void **state) {
    struct cnn_config from_file, from_sets;
    char *text = NULL, sets[CNN_N_OPTIONS][256];
    const char *list[CNN_N_OPTIONS];
    size_t n = 0;
    must_read(&from_file, everything);
    static const char *const lists[] = {
        "augment.train=[random_crop: {size: 30, padding: 2}, flip_horizontal]",
        "augment.eval=[resize: 40, center_crop: 32]"};
    assert_int_equal(cnn_config_format(&text, &from_file), CNN_OK);
    for (size_t i = 0; i < CNN_N_OPTIONS; i++) {
        const char *path = cnn_option_table[i].path,
                   *name = strrchr(path, '.') ? strrchr(path, '.') + 1 : path;
        char section[64], key[64];
        snprintf(section, sizeof section, "\n%.*s:", (int)strcspn(path, "."), path);
        snprintf(key, sizeof key, " %s: ", name);
        if (cnn_option_table[i].type == CNN_OPTION_AUGMENTS) {
            list[n++] = strcmp(name, "train") == 0 ? lists[0] : lists[1];
            continue;
        }
        // The dump stands in table order, so the key is the first of its name behind its section's, or its
        // group's, line.
        const char *at = strncmp(path, "run.", 4) == 0 ? text : strstr(text, section);
        for (const char *dot = strchr(path, '.'); dot && strchr(dot + 1, '.'); dot = strchr(dot + 1, '.')) {
            char group[64];
            snprintf(group, sizeof group, " %.*s:\n", (int)strcspn(dot + 1, "."), dot + 1);
            at = strstr(at, group);
        }
        assert_non_null(at);
        const char *value = strchr(path, '.') ? strstr(at, key) + strlen(key) : at + strlen(section) + 1;
        snprintf(sets[i], sizeof sets[i], "%s=%.*s", path, (int)strcspn(value, "\n"), value);
        list[n++] = sets[i];
    }
    must_read_with(&from_sets, "", list, n);
    assert_memory_equal(&from_file, &from_sets, sizeof from_file);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_is_sound),
        cmocka_unit_test(fields_do_not_overlap),
        cmocka_unit_test(every_default_is_allowed),
        cmocka_unit_test(sections_are_those_of_the_table),
        cmocka_unit_test(augment_table_is_sound),
        cmocka_unit_test(empty_file_is_all_defaults),
        cmocka_unit_test(defaults_are_the_promised_ones),
        cmocka_unit_test(every_option_reaches_its_field),
        cmocka_unit_test(every_training_option_reaches_its_field),
        cmocka_unit_test(everything_is_not_default),
        cmocka_unit_test(round_trip_keeps_everything),
        cmocka_unit_test(every_option_can_be_overridden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
