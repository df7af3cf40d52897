// A checkpoint with any numbers in its metadata either is refused with a message or holds a place in the run
// from which all later ones follow without overflow. The bytes are the values, one in each line, in the order
// of the fields.
#include "train/record.h"
#include "train/timeline.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

// *at moves behind the line. NULL: no more lines.
static const char *next_value(char out[CNN_RECORD_VALUE_BYTES], const uint8_t **at, const uint8_t *end) {
    if (*at == end)
        return NULL;
    const uint8_t *newline = memchr(*at, '\n', (size_t)(end - *at));
    size_t n = (size_t)((newline ? newline : end) - *at),
           kept = n < CNN_RECORD_VALUE_BYTES ? n : CNN_RECORD_VALUE_BYTES - 1;
    memcpy(out, *at, kept);
    out[kept] = '\0';
    *at = newline ? newline + 1 : end;
    return out;
}

static enum cnn_status read_record(struct cnn_run_record *record, const uint8_t *bytes, size_t n) {
    char value[CNN_RECORD_VALUE_BYTES];
    const uint8_t *end = bytes + n;
    for (int i = 0; i < cnn_record_n_fields(); i++) {
        const char *text = next_value(value, &bytes, end);
        // An empty line is a value that fits, so that the interesting ones are found without all of the
        // others.
        if (text && *text == '\0')
            text = strcmp(cnn_record_key(i), "mean") == 0 || strcmp(cnn_record_key(i), "std") == 0 ? "1 1 1"
                                                                                                   : "1";
        CNN_TRY(cnn_record_read(record, i, text));
    }
    return cnn_record_check(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct cnn_run_record record = {0};
    if (read_record(&record, bytes, n) != CNN_OK) {
        if (cnn_error_message()[0] == '\0')
            abort();
        return 0;
    }
    const struct cnn_run_state *state = &record.state;
    int64_t per_epoch = record.facts.records / record.facts.global;
    const int64_t steps[] = {per_epoch > 0 ? per_epoch : 1, 1, per_epoch / 2 + 1},
                  until[] = {state->epoch / 3 + 1, state->epoch / 2 + 2};
    struct cnn_timeline timeline;
    cnn_timeline_init(&timeline, 3, steps, until, 1e6);
    int64_t step_of_epoch = state->position / record.facts.global;
    if (!cnn_timeline_is_at(&timeline, state->step, state->epoch, step_of_epoch))
        return 0;
    if (cnn_timeline_place(&timeline, state->epoch, step_of_epoch) != state->step ||
        cnn_timeline_epoch(&timeline, state->step + 1) != state->epoch + 1)
        abort();
    return 0;
}
