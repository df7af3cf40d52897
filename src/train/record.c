#include "train/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum field_type { TEXT, INTEGER, REAL, REAL3 };
struct field {
    const char *key;
    enum field_type type;
    size_t offset, bytes;
    int may_lack; // files written before there was such a thing have none: 0
};
#define FACT(member, kind)                                                                                   \
    {                                                                                                        \
#member, kind, offsetof(struct cnn_run_record, facts.member),                                        \
            sizeof((struct cnn_run_facts *)0)->member, 0                                                     \
    }
#define LATER_FACT(member, kind)                                                                             \
    {                                                                                                        \
#member, kind, offsetof(struct cnn_run_record, facts.member),                                        \
            sizeof((struct cnn_run_facts *)0)->member, 1                                                     \
    }
#define STATE(name, member, kind)                                                                            \
    {                                                                                                        \
        name, kind, offsetof(struct cnn_run_record, state.member),                                           \
            sizeof((struct cnn_run_state *)0)->member, 0                                                     \
    }
#define LATER_STATE(name, member, kind)                                                                      \
    {                                                                                                        \
        name, kind, offsetof(struct cnn_run_record, state.member),                                           \
            sizeof((struct cnn_run_state *)0)->member, 1                                                     \
    }

static const struct field fields[] = {
    FACT(arch, TEXT),
    FACT(classes, INTEGER),
    FACT(channels, INTEGER),
    FACT(height, INTEGER),
    FACT(width, INTEGER),
    FACT(global, INTEGER),
    FACT(micro, INTEGER),
    FACT(seed, INTEGER),
    FACT(records, INTEGER),
    FACT(mean, REAL3),
    FACT(std, REAL3),
    LATER_FACT(picture_height, INTEGER),
    LATER_FACT(picture_width, INTEGER),
    STATE("step", step, INTEGER),
    STATE("epoch", epoch, INTEGER),
    STATE("position", position, INTEGER),
    STATE("evaluation_due", evaluation_due, INTEGER),
    STATE("best_step", best_step, INTEGER),
    STATE("best_top1", best_top1, REAL),
    STATE("epoch_loss", sums.loss, REAL),
    STATE("epoch_top1", sums.top1, REAL),
    STATE("epoch_top5", sums.top5, REAL),
    STATE("epoch_n", sums.n, REAL),
    LATER_FACT(train_fingerprint, TEXT),
    LATER_FACT(val_fingerprint, TEXT),
    LATER_STATE("loss_scale", loss_scale, REAL),
    LATER_STATE("loss_scale_good_steps", good_steps, INTEGER),
    LATER_STATE("skipped_steps", skipped_steps, INTEGER),
    LATER_STATE("evaluated_step", evaluated_step, INTEGER),
    LATER_STATE("evaluated_top1", evaluated_top1, REAL),
};
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
        if (end == value)
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
        return cnn_fail(CNN_ERR_INPUT, "its metadata has no `%s`: not a checkpoint of cnn_dist", f->key);
    switch (f->type) {
    case TEXT:
        good = strlen(value) < f->bytes;
        if (good)
            memcpy(at, value, strlen(value) + 1);
        break;
    case INTEGER:
        good = read_integer(at, value);
        break;
    case REAL:
        good = read_reals(at, 1, value);
        break;
    case REAL3:
        good = read_reals(at, 3, value);
        break;
    }
    return good ? CNN_OK
                : cnn_fail(CNN_ERR_INPUT, "`%s` in its metadata is '%.60s', which makes no sense", f->key,
                           value);
}
