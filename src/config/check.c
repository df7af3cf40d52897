// Checks that look at several options at once, after the file and every --set have been read.
#include "config/reader.h"

#include "base/log.h"

#include <string.h>

enum cnn_status cnn_reader_fail_option(const struct cnn_reader *reader, enum cnn_status status,
                                       const char *path) {
    const struct cnn_place *place = &reader->places[cnn_option_find(path) - cnn_option_table];
    if (place->is_override)
        return cnn_fail_in(status, "--set %s", path);
    if (place->line == 0)
        return cnn_fail_in(status, "%s: %s", reader->name, path);
    return cnn_fail_in(status, "%s:%zu:%zu: %s", reader->name, place->line, place->column, path);
}

static bool is_given(const struct cnn_reader *reader, const char *path) {
    return reader->places[cnn_option_find(path) - cnn_option_table].line != 0;
}

// The one of two options that the user wrote, so that the message points at a line.
static const char *given_of(const struct cnn_reader *reader, const char *first, const char *second) {
    return is_given(reader, first) || !is_given(reader, second) ? first : second;
}

static void set_text(char *out, size_t out_bytes, const char *text, size_t bytes) {
    size_t n = bytes < out_bytes ? bytes : out_bytes - 1;
    memset(out, 0, out_bytes);
    memcpy(out, text, n);
}

// "configs/resnet.yaml" names its run "resnet".
static void name_run(struct cnn_reader *reader) {
    struct cnn_config *config = reader->config;
    if (config->run.name[0] != '\0')
        return;
    const char *slash = strrchr(reader->name, '/');
    const char *base = slash ? slash + 1 : reader->name;
    size_t bytes = strlen(base);
    const char *const endings[] = {".yaml", ".yml"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(endings[i]);
        if (bytes > n && strcmp(base + bytes - n, endings[i]) == 0) {
            bytes -= n;
            break;
        }
    }
    bool is_name = bytes > 0 && bytes < sizeof config->run.name && base[0] != '.' && base[0] != '<';
    for (size_t i = 0; i < bytes; i++)
        is_name = is_name && (unsigned char)base[i] > ' ' && (unsigned char)base[i] < 0x7f;
    set_text(config->run.name, sizeof config->run.name, is_name ? base : "run", is_name ? bytes : 3);
}

static enum cnn_status check_run(struct cnn_reader *reader) {
    const char *name = reader->config->run.name;
    if (strchr(name, '/') || name[0] == '.')
        return cnn_reader_fail_option(
            reader,
            cnn_fail(CNN_ERR_INPUT,
                     "found `%.64s`; allowed: a folder name without `/` that does not start with `.` (its "
                     "parent folder is run.dir)",
                     name),
            "run.name");
    return CNN_OK;
}

static enum cnn_status check_stats(struct cnn_reader *reader) {
    reader->config->data.has_stats = reader->has_mean && reader->has_std;
    if (reader->has_mean == reader->has_std)
        return CNN_OK;
    const char *missing = reader->has_mean ? "data.std" : "data.mean",
               *there = reader->has_mean ? "data.mean" : "data.std";
    return cnn_reader_fail_option(
        reader, cnn_fail(CNN_ERR_INPUT, "set without %s; set both, or neither to measure them", missing),
        there);
}

static enum cnn_status check_batch(struct cnn_reader *reader) {
    int global = reader->config->train.batch.global, micro = reader->config->train.batch.micro;
    if (micro == CNN_AUTO || global % micro == 0)
        return CNN_OK;
    int below = micro < global ? micro : global, above = micro < global ? micro : global;
    while (global % below != 0)
        below--;
    while (global % above != 0)
        above++;
    if (below == above)
        cnn_fail(CNN_ERR_INPUT,
                 "%d is larger than train.batch.global (%d); allowed: a divisor of it, such as %d", micro,
                 global, below);
    else
        cnn_fail(CNN_ERR_INPUT,
                 "%d does not divide train.batch.global (%d); the nearest divisors are %d and %d", micro,
                 global, below, above);
    return cnn_reader_fail_option(reader, CNN_ERR_INPUT, "train.batch.micro");
}

// The rules of check_batch, for a phase's own numbers.
static enum cnn_status check_phase_batch(const struct cnn_config *config, bool own_micro) {
    int global = config->train.batch.global, micro = config->train.batch.micro;
    if (micro == CNN_AUTO || global % micro == 0)
        return CNN_OK;
    int below = micro < global ? micro : global;
    while (global % below != 0)
        below--;
    return cnn_fail(
        CNN_ERR_INPUT,
        "the micro-batch %d%s does not divide the batch %d of the phase; set a `micro` that does, such as "
        "%d, or `auto`",
        micro, own_micro ? "" : " (train.batch.micro)", global, below);
}

static enum cnn_status check_phase(const struct cnn_reader *reader, int phase) {
    struct cnn_config config = *reader->config;
    CNN_TRY(cnn_config_for_phase(&config, phase));
    return check_phase_batch(&config, reader->config->train.phases[phase].micro != 0);
}

static enum cnn_status check_phases(struct cnn_reader *reader) {
    const struct cnn_config *config = reader->config;
    for (int i = 0, begin = 0; i < config->train.n_phases; begin = config->train.phases[i++].until) {
        enum cnn_status status = check_phase(reader, i);
        if (status != CNN_OK)
            return cnn_reader_fail_option(reader, cnn_fail_in(status, "phase %d", i + 1), "train.phases");
        if (begin >= config->train.epochs)
            cnn_log_warn(
                "%s: train.phases: phase %d is never reached: training ends after %g epochs (train.epochs), "
                "and the phase begins after %d",
                reader->name, i + 1, config->train.epochs, begin);
    }
    return CNN_OK;
}

static enum cnn_status check_optimizer(struct cnn_reader *reader) {
    if (!reader->config->train.optimizer.nesterov)
        return CNN_OK;
    if (reader->config->train.optimizer.momentum == 0)
        cnn_fail(CNN_ERR_INPUT, "needs train.optimizer.momentum above 0");
    else if (reader->config->train.optimizer.dampening != 0)
        cnn_fail(CNN_ERR_INPUT, "needs train.optimizer.dampening 0");
    else
        return CNN_OK;
    return cnn_reader_fail_option(reader, CNN_ERR_INPUT, "train.optimizer.nesterov");
}

static enum cnn_status check_warmup(struct cnn_reader *reader) {
    struct cnn_duration warmup = reader->config->train.schedule.warmup;
    double epochs = reader->config->train.epochs;
    char count[CNN_NUMBER_BYTES], total[CNN_NUMBER_BYTES];
    if (warmup.unit != CNN_EPOCHS || warmup.count < epochs)
        return CNN_OK;
    cnn_format_real(count, warmup.count);
    cnn_format_real(total, epochs);
    return cnn_reader_fail_option(
        reader,
        cnn_fail(CNN_ERR_INPUT, "a warm-up of %s epochs must be shorter than training (train.epochs: %s)",
                 count, total),
        given_of(reader, "train.schedule.warmup", "train.epochs"));
}

static enum cnn_status check_milestones(struct cnn_reader *reader) {
    const struct cnn_duration *at = reader->config->train.schedule.milestones;
    int n = reader->config->train.schedule.n_milestones;
    bool is_used = reader->config->train.schedule.name == CNN_SCHEDULE_MULTISTEP;
    const char *path = "train.schedule.milestones";
    if (is_used && n == 0)
        return cnn_reader_fail_option(
            reader,
            cnn_fail(
                CNN_ERR_INPUT,
                "the schedule `multistep` needs train.schedule.milestones, such as [30 epochs, 60 epochs]"),
            given_of(reader, path, "train.schedule.name"));
    for (int i = 0; i < n; i++) {
        if (at[i].unit == CNN_NEVER)
            cnn_fail(CNN_ERR_INPUT, "entry %d is zero; allowed: times after the start", i + 1);
        else if (i > 0 && at[i].unit != at[i - 1].unit)
            cnn_fail(CNN_ERR_INPUT,
                     "entry %d has another unit than the previous one; use either epochs or steps for all",
                     i + 1);
        else if (i > 0 && at[i].count <= at[i - 1].count)
            cnn_fail(CNN_ERR_INPUT,
                     "entry %d is not later than the previous one; list the times in increasing order",
                     i + 1);
        else
            continue;
        return cnn_reader_fail_option(reader, CNN_ERR_INPUT, path);
    }
    return CNN_OK;
}

// The global batch of the phase that has the lowest rate where rates follow the batch.
static int smallest_batch(const struct cnn_config *config) {
    int smallest = config->train.batch.global;
    for (int i = 0; i < config->train.n_phases; i++)
        if (config->train.phases[i].batch > 0 && config->train.phases[i].batch < smallest)
            smallest = config->train.phases[i].batch;
    return smallest;
}

static enum cnn_status check_schedule(struct cnn_reader *reader) {
    enum cnn_schedule_kind name = reader->config->train.schedule.name;
    double rate = reader->config->train.schedule.rate, final_rate = reader->config->train.schedule.final_rate;
    int per_batch = reader->config->train.schedule.per_batch, global = smallest_batch(reader->config);
    if (per_batch > 0)
        rate *= (double)global / per_batch;
    char text[CNN_NUMBER_BYTES];
    if (name == CNN_SCHEDULE_STEP && reader->config->train.schedule.every.unit == CNN_NEVER)
        return cnn_reader_fail_option(
            reader, cnn_fail(CNN_ERR_INPUT, "the schedule `step` needs a time above 0, such as `30 epochs`"),
            "train.schedule.every");
    if ((name == CNN_SCHEDULE_COSINE || name == CNN_SCHEDULE_POLYNOMIAL) && final_rate > rate) {
        cnn_format_real(text, rate);
        return cnn_reader_fail_option(
            reader, cnn_fail(CNN_ERR_INPUT, "is higher than the initial rate %s (train.schedule.rate)", text),
            given_of(reader, "train.schedule.final_rate", "train.schedule.rate"));
    }
    return CNN_OK;
}

static bool is_default(const struct cnn_reader *reader, const char *path) {
    struct cnn_config defaults;
    const struct cnn_option *option = cnn_option_find(path);
    cnn_config_defaults(&defaults);
    return memcmp(cnn_option_value(&defaults, option), cnn_option_value(reader->config, option),
                  option->bytes) == 0;
}

// Keys that only some schedules read. A file that sets one for nothing was probably meant otherwise, but
// `--set train.schedule.name=cosine` over it must work: so it is said, not refused.
static void warn_unused(const struct cnn_reader *reader) {
    static const struct {
        const char *path;
        unsigned used_by;
    } keys[] = {
        {"train.schedule.every", 1u << CNN_SCHEDULE_STEP},
        {"train.schedule.milestones", 1u << CNN_SCHEDULE_MULTISTEP},
        {"train.schedule.factor", 1u << CNN_SCHEDULE_STEP | 1u << CNN_SCHEDULE_MULTISTEP},
        {"train.schedule.power", 1u << CNN_SCHEDULE_POLYNOMIAL},
        {"train.schedule.final_rate", 1u << CNN_SCHEDULE_COSINE | 1u << CNN_SCHEDULE_POLYNOMIAL},
    };
    enum cnn_schedule_kind name = reader->config->train.schedule.name;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!(keys[i].used_by >> name & 1) && is_given(reader, keys[i].path) &&
            !is_default(reader, keys[i].path))
            cnn_log_warn("%s: %s has no effect with schedule `%s`", reader->name, keys[i].path,
                         cnn_schedule_name(name));
}

enum cnn_status cnn_reader_check(struct cnn_reader *reader) {
    name_run(reader);
    CNN_TRY(check_run(reader));
    CNN_TRY(check_stats(reader));
    CNN_TRY(check_batch(reader));
    CNN_TRY(check_phases(reader));
    CNN_TRY(check_optimizer(reader));
    CNN_TRY(check_warmup(reader));
    CNN_TRY(check_milestones(reader));
    CNN_TRY(check_schedule(reader));
    warn_unused(reader);
    return CNN_OK;
}
