#include "config/words.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void cnn_append(char *out, size_t out_bytes, const char *format, ...) {
    size_t used = strlen(out);
    va_list args;
    va_start(args, format);
    vsnprintf(out + used, out_bytes - used, format, args);
    va_end(args);
}

void cnn_format_real(char out[CNN_NUMBER_BYTES], double value) {
    if (floor(value) == value && fabs(value) < 1e15) {
        snprintf(out, CNN_NUMBER_BYTES, "%.0f", value);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, CNN_NUMBER_BYTES, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            return;
    }
}

void cnn_format_duration_words(char out[CNN_DURATION_BYTES], struct cnn_duration duration, const char *zero) {
    char count[CNN_NUMBER_BYTES];
    if (duration.unit == CNN_NEVER || duration.count == 0) {
        snprintf(out, CNN_DURATION_BYTES, "%s", zero);
        return;
    }
    cnn_format_real(count, duration.count);
    snprintf(out, CNN_DURATION_BYTES, "%s %s%s", count, duration.unit == CNN_EPOCHS ? "epoch" : "step",
             duration.count == 1 ? "" : "s");
}

void cnn_format_found(char out[CNN_FOUND_BYTES], const char *text, size_t bytes) {
    const size_t longest = CNN_FOUND_BYTES - sizeof "``...";
    size_t n = bytes < longest ? bytes : longest;
    while (n < bytes && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) // not inside a character
        n--;
    out[0] = '`';
    for (size_t i = 0; i < n; i++)
        out[1 + i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
    strcpy(out + 1 + n, n < bytes ? "...`" : "`");
}

void cnn_format_bounds(char *out, size_t out_bytes, const char *kind, struct cnn_bounds bounds) {
    char least[CNN_NUMBER_BYTES], most[CNN_NUMBER_BYTES];
    cnn_format_real(least, bounds.least);
    cnn_format_real(most, bounds.most);
    const char *join =
        bounds.above ? (bounds.below ? " and below " : ", up to ") : (bounds.below ? " to below " : " to ");
    snprintf(out, out_bytes, "%s %s %s%s%s", kind, bounds.above ? "above" : "from", least, join, most);
}

const char *cnn_choice_word(const struct cnn_choice *choices, int value) {
    for (; choices->word; choices++)
        if (choices->value == value)
            return choices->word;
    return NULL;
}

static void append_choices(char *out, size_t out_bytes, const struct cnn_choice *choices) {
    for (const struct cnn_choice *c = choices; c->word; c++) {
        const char *before = c == choices ? "" : c[1].word ? ", " : " or ";
        cnn_append(out, out_bytes, "%s`%s`", before, c->word);
    }
}

void cnn_option_expected(char *out, size_t out_bytes, const struct cnn_option *option) {
    out[0] = '\0';
    if (option->has_auto)
        cnn_append(out, out_bytes, "`auto` or ");
    char range[160] = "";
    switch (option->type) {
    case CNN_OPTION_TEXT:
        cnn_append(out, out_bytes, "text of at most %zu bytes", option->bytes - 1);
        break;
    case CNN_OPTION_INT:
    case CNN_OPTION_LONG:
        cnn_format_bounds(range, sizeof range, "a whole number", option->bounds);
        break;
    case CNN_OPTION_REAL:
        cnn_format_bounds(range, sizeof range, "a number", option->bounds);
        break;
    case CNN_OPTION_BOOL:
        cnn_append(out, out_bytes, "`true` or `false`");
        break;
    case CNN_OPTION_CHOICE:
        append_choices(out, out_bytes, option->choices);
        break;
    case CNN_OPTION_DURATION:
        cnn_append(out, out_bytes, "%s, or a time such as `5 epochs` or `500 steps`",
                   option->repeats ? "`never`" : "`0`");
        break;
    case CNN_OPTION_DURATIONS:
        cnn_append(out, out_bytes, "a list of at most %d times, such as [30 epochs, 60 epochs]",
                   CNN_MAX_MILESTONES);
        break;
    case CNN_OPTION_STATS:
        cnn_format_bounds(range, sizeof range, "a list of 1 or 3 numbers", option->bounds);
        break;
    case CNN_OPTION_AUGMENTS:
        cnn_append(out, out_bytes, "a list of augmentations");
        break;
    case CNN_OPTION_PHASES:
        cnn_append(out, out_bytes,
                   "a list of at most %d phases, such as [{until: 30 epochs, size: 128, batch: 512}]",
                   CNN_MAX_PHASES);
        break;
    }
    cnn_append(out, out_bytes, "%s", range);
}
