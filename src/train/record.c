#include "train/record.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Bounds that no run reaches, and with which products of counts stay far inside 64 bits.
#define MOST_CLASSES (1 << 24)
#define MOST_SIDE (1 << 20)
#define MOST_EPOCHS 1000000 // as train.epochs
#define MOST_RECORDS ((int64_t)1 << 40)
#define MOST_STEPS ((int64_t)1 << 50)

enum field_type { TEXT, INTEGER, REAL, REAL3 };
struct field {
    const char *key;
    enum field_type type;
    size_t offset, bytes;
    int may_lack;        // files written before there was such a thing have none: 0
    int64_t least, most; // of an INTEGER; real numbers must be finite
};
#define IN_RECORD(part, member) offsetof(struct cnn_run_record, part.member)
#define FACT_BYTES(member) sizeof((struct cnn_run_facts *)0)->member
#define STATE_BYTES(member) sizeof((struct cnn_run_state *)0)->member
#define FACT(member, kind)                                                                                   \
    { #member, kind, IN_RECORD(facts, member), FACT_BYTES(member), 0, 0, 0 }
#define LATER_FACT(member, kind)                                                                             \
    { #member, kind, IN_RECORD(facts, member), FACT_BYTES(member), 1, 0, 0 }
#define FACT_N(member, least, most)                                                                          \
    { #member, INTEGER, IN_RECORD(facts, member), FACT_BYTES(member), 0, least, most }
#define LATER_FACT_N(member, least, most)                                                                    \
    { #member, INTEGER, IN_RECORD(facts, member), FACT_BYTES(member), 1, least, most }
#define STATE(name, member)                                                                                  \
    { name, REAL, IN_RECORD(state, member), STATE_BYTES(member), 0, 0, 0 }
#define LATER_STATE(name, member)                                                                            \
    { name, REAL, IN_RECORD(state, member), STATE_BYTES(member), 1, 0, 0 }
#define STATE_N(name, member, least, most)                                                                   \
    { name, INTEGER, IN_RECORD(state, member), STATE_BYTES(member), 0, least, most }
#define LATER_STATE_N(name, member, least, most)                                                             \
    { name, INTEGER, IN_RECORD(state, member), STATE_BYTES(member), 1, least, most }

// clang-format off
static const struct field fields[] = {
    FACT(arch, TEXT),
    FACT_N(classes, 1, MOST_CLASSES),
    FACT_N(channels, 1, 3),
    FACT_N(height, 1, MOST_SIDE),
    FACT_N(width, 1, MOST_SIDE),
    FACT_N(global, 1, INT32_MAX),
    FACT_N(micro, 1, INT32_MAX),
    FACT_N(seed, INT64_MIN, INT64_MAX),
    FACT_N(records, 1, MOST_RECORDS),
    FACT(mean, REAL3),
    FACT(std, REAL3),
    LATER_FACT_N(picture_height, 0, MOST_SIDE),
    LATER_FACT_N(picture_width, 0, MOST_SIDE),
    STATE_N("step", step, 0, MOST_STEPS),
    STATE_N("epoch", epoch, 0, MOST_EPOCHS),
    STATE_N("position", position, 0, MOST_STEPS),
    STATE_N("evaluation_due", evaluation_due, 0, 1),
    STATE_N("best_step", best_step, -1, MOST_STEPS),
    STATE("best_top1", best_top1),
    STATE("epoch_loss", sums.loss),
    STATE("epoch_top1", sums.top1),
    STATE("epoch_top5", sums.top5),
    STATE("epoch_n", sums.n),
    LATER_FACT(train_fingerprint, TEXT),
    LATER_FACT(val_fingerprint, TEXT),
    LATER_STATE("loss_scale", loss_scale),
    LATER_STATE_N("loss_scale_good_steps", good_steps, 0, MOST_STEPS),
    LATER_STATE_N("skipped_steps", skipped_steps, 0, MOST_STEPS),
    LATER_STATE_N("evaluated_step", evaluated_step, 0, MOST_STEPS),
    LATER_STATE("evaluated_top1", evaluated_top1),
};
// clang-format on
_Static_assert(sizeof fields / sizeof *fields <= CNN_RECORD_FIELDS, "raise CNN_RECORD_FIELDS");

int cnn_record_n_fields(void) { return (int)(sizeof fields / sizeof *fields); }

const char *cnn_record_key(int field) { return fields[field].key; }

void cnn_record_write(const struct cnn_run_record *record, int field, char value[CNN_RECORD_VALUE_BYTES]) {
    const void *at = (const char *)record + fields[field].offset;
    const double *real = at;
    switch (fields[field].type) {
    case TEXT:
        snprintf(value, CNN_RECORD_VALUE_BYTES, "%.*s", (int)fields[field].bytes - 1, (const char *)at);
        break;
    case INTEGER:
        snprintf(value, CNN_RECORD_VALUE_BYTES, "%lld", (long long)*(const int64_t *)at);
        break;
    case REAL:
        snprintf(value, CNN_RECORD_VALUE_BYTES, "%.17g", real[0]);
        break;
    case REAL3:
        snprintf(value, CNN_RECORD_VALUE_BYTES, "%.17g %.17g %.17g", real[0], real[1], real[2]);
        break;
    }
}

// `n` numbers and nothing else.
static int read_reals(double *out, int n, const char *value) {
    for (int i = 0; i < n; i++) {
        char *end;
        out[i] = strtod(value, &end);
        if (end == value || !isfinite(out[i]))
            return 0;
        value = end;
    }
    return *value == '\0';
}

static int read_integer(int64_t *out, const char *value) {
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    *out = number;
    return errno == 0 && end != value && *end == '\0';
}

enum cnn_status cnn_record_read(struct cnn_run_record *record, int field, const char *value) {
    const struct field *f = &fields[field];
    void *at = (char *)record + f->offset;
    int good = 0;
    if (!value && f->may_lack)
        return CNN_OK;
    if (!value)
        return cnn_fail(CNN_ERR_INPUT, "missing `%s` in the metadata; not a cnn_dist checkpoint", f->key);
    switch (f->type) {
    case TEXT:
        good = strlen(value) < f->bytes;
        if (good)
            memcpy(at, value, strlen(value) + 1);
        break;
    case INTEGER:
        good = read_integer(at, value) && *(int64_t *)at >= f->least && *(int64_t *)at <= f->most;
        break;
    case REAL:
        good = read_reals(at, 1, value);
        break;
    case REAL3:
        good = read_reals(at, 3, value);
        break;
    }
    return good ? CNN_OK
                : cnn_fail(CNN_ERR_INPUT, "`%s` in the metadata is '%.60s', which is out of range", f->key,
                           value);
}

static enum cnn_status fail_together(const char *a, int64_t value_a, const char *b, int64_t value_b) {
    return cnn_fail(CNN_ERR_INPUT,
                    "`%s` %" PRId64 " and `%s` %" PRId64 " in the metadata contradict each other", a, value_a,
                    b, value_b);
}

enum cnn_status cnn_record_check(const struct cnn_run_record *record) {
    const struct cnn_run_facts *facts = &record->facts;
    const struct cnn_run_state *state = &record->state;
    if (facts->micro > facts->global)
        return fail_together("micro", facts->micro, "global", facts->global);
    if (state->epoch > state->step)
        return fail_together("epoch", state->epoch, "step", state->step);
    if (state->position % facts->global != 0 || state->position / facts->global > state->step)
        return fail_together("position", state->position, "step", state->step);
    if (state->best_step > state->step)
        return fail_together("best_step", state->best_step, "step", state->step);
    if (state->evaluated_step > state->step)
        return fail_together("evaluated_step", state->evaluated_step, "step", state->step);
    if (state->skipped_steps > state->step)
        return fail_together("skipped_steps", state->skipped_steps, "step", state->step);
    for (int c = 0; c < facts->channels; c++)
        if (!(facts->std[c] > 0))
            return cnn_fail(CNN_ERR_INPUT, "`std` in the metadata is %g, which is out of range",
                            facts->std[c]);
    return CNN_OK;
}

bool cnn_record_evaluation(struct cnn_run_state *state, double loss, double top1) {
    if (!isfinite(loss) || !isfinite(top1))
        return false;
    state->evaluated_step = state->step;
    state->evaluated_top1 = top1;
    if (state->best_step >= 0 && !(top1 > state->best_top1))
        return false;
    state->best_step = state->step;
    state->best_top1 = top1;
    return true;
}
