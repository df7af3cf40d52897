#include "config/value.h"

#include "base/suggest.h"
#include "config/words.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXPECTED_BYTES 320

bool cnn_scalar_is(const struct cnn_scalar *scalar, const char *word) {
    return scalar->bytes == strlen(word) && memcmp(scalar->text, word, scalar->bytes) == 0;
}

bool cnn_scalar_is_null(const struct cnn_scalar *scalar) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (!scalar->quoted && cnn_scalar_is(scalar, nulls[i]))
            return true;
    return false;
}

enum cnn_status cnn_value_refuse(const struct cnn_scalar *scalar, const char *allowed) {
    char found[CNN_FOUND_BYTES];
    if (cnn_scalar_is_null(scalar))
        return cnn_fail(CNN_ERR_INPUT, "missing value; allowed: %s", allowed);
    cnn_format_found(found, scalar->text, scalar->bytes);
    return cnn_fail(CNN_ERR_INPUT, "found %s%s; allowed: %s", scalar->quoted ? "the quoted text " : "", found,
                    allowed);
}

// Bytes of the decimal number `text` starts with: [+-] digits [. digits] [e [+-] digits]; 0 when there is
// none. strtod alone would take "inf", "nan" and hexadecimal too.
static size_t number_bytes(const char *text, bool whole) {
    const char *at = text + (*text == '+' || *text == '-');
    size_t before = strspn(at, "0123456789");
    at += before;
    if (whole)
        return before ? (size_t)(at - text) : 0;
    size_t after = 0;
    if (*at == '.') {
        after = strspn(at + 1, "0123456789");
        at += 1 + after;
    }
    if (before + after == 0)
        return 0;
    if (*at == 'e' || *at == 'E') {
        const char *exponent = at + 1 + (at[1] == '+' || at[1] == '-');
        size_t digits = strspn(exponent, "0123456789");
        if (digits) // "3epochs" is 3 and a unit
            at = exponent + digits;
    }
    return (size_t)(at - text);
}

static bool within(double value, struct cnn_bounds bounds) {
    bool low_enough = bounds.below ? value < bounds.most : value <= bounds.most;
    bool high_enough = bounds.above ? value > bounds.least : value >= bounds.least;
    return low_enough && high_enough;
}

// Whole numbers stay within 2^53, the bound of every table, so that a double holds each of them exactly.
static bool read_whole(double *out, const char *text) {
    const long long most = 1LL << 53;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    *out = (double)value;
    return errno == 0 && value >= -most && value <= most;
}

static bool read_number(double *out, const struct cnn_scalar *scalar, bool whole, struct cnn_bounds bounds) {
    size_t bytes = number_bytes(scalar->text, whole);
    if (scalar->quoted || bytes == 0 || bytes != scalar->bytes)
        return false;
    double value = 0;
    if (whole && !read_whole(&value, scalar->text))
        return false;
    if (!whole)
        value = strtod(scalar->text, NULL);
    if (!isfinite(value) || !within(value, bounds))
        return false;
    *out = value;
    return true;
}

enum cnn_status cnn_value_number(double *out, const struct cnn_scalar *scalar, bool whole,
                                 struct cnn_bounds bounds) {
    char allowed[EXPECTED_BYTES];
    if (read_number(out, scalar, whole, bounds))
        return CNN_OK;
    cnn_format_bounds(allowed, sizeof allowed, whole ? "a whole number" : "a number", bounds);
    return cnn_value_refuse(scalar, allowed);
}

static bool read_unit(enum cnn_unit *out, const char *word) {
    if (strcmp(word, "epoch") == 0 || strcmp(word, "epochs") == 0)
        *out = CNN_EPOCHS;
    else if (strcmp(word, "step") == 0 || strcmp(word, "steps") == 0)
        *out = CNN_STEPS;
    else
        return false;
    return true;
}

// Field by field: the padding between them stays zero, so that equal configs are equal byte for byte.
static enum cnn_status store_duration(struct cnn_duration *out, struct cnn_duration duration) {
    out->count = duration.count == 0 ? 0 : duration.count;
    out->unit = duration.count == 0 ? CNN_NEVER : duration.unit;
    return CNN_OK;
}

enum cnn_status cnn_value_duration(struct cnn_duration *out, const struct cnn_scalar *scalar,
                                   const char *allowed) {
    struct cnn_duration duration = {0, CNN_NEVER};
    size_t bytes = number_bytes(scalar->text, false);
    bool is_whole_text = strlen(scalar->text) == scalar->bytes && !scalar->quoted;
    if (is_whole_text && strcmp(scalar->text, "never") == 0)
        return store_duration(out, duration);
    if (!is_whole_text || bytes == 0)
        return cnn_value_refuse(scalar, allowed);
    duration.count = strtod(scalar->text, NULL);
    const char *unit = scalar->text + bytes;
    unit += strspn(unit, " ");
    if (*unit == '\0' && duration.count != 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "found `%.40s`, which has no unit; write `%.40s epochs` or `%.40s steps`",
                        scalar->text, scalar->text, scalar->text);
    if (*unit && !read_unit(&duration.unit, unit))
        return cnn_value_refuse(scalar, allowed);
    double most = duration.unit == CNN_EPOCHS ? CNN_MAX_EPOCHS : CNN_MAX_STEPS;
    bool is_count = duration.unit == CNN_EPOCHS || floor(duration.count) == duration.count;
    if (!(duration.count >= 0 && duration.count <= most && is_count))
        return cnn_value_refuse(scalar, duration.unit == CNN_EPOCHS
                                            ? "0 to 1000000 epochs"
                                            : "a whole number of steps, 0 to 1000000000000");
    return store_duration(out, duration);
}

// Text is kept printable, so that it can stand in messages, file names and the resolved config as it is.
static bool is_printable(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i], next = (unsigned char)text[i + 1];
        bool is_control = c < ' ' || c == 0x7f || (c == 0xc2 && next < 0xa0);
        bool is_line_break =
            c == 0xe2 && next == 0x80 && ((unsigned char)text[i + 2] & 0xfe) == 0xa8;       // U+2028, U+2029
        bool is_mark = (c == 0xef && next == 0xbb && (unsigned char)text[i + 2] == 0xbf) || // U+FEFF
                       (c == 0xef && next == 0xbf && (unsigned char)text[i + 2] >= 0xbe);   // U+FFFE, U+FFFF
        if (is_control || is_line_break || is_mark)
            return false;
    }
    return true;
}

static enum cnn_status read_text(struct cnn_config *config, const struct cnn_option *option,
                                 const struct cnn_scalar *scalar, const char *allowed) {
    char *field = cnn_option_field(config, option);
    if (option->required && scalar->bytes == 0)
        return cnn_fail(CNN_ERR_INPUT, "is empty; allowed: %s", allowed);
    if (scalar->bytes >= option->bytes)
        return cnn_fail(CNN_ERR_INPUT, "is %zu bytes long; allowed: %s", scalar->bytes, allowed);
    if (!is_printable(scalar->text, scalar->bytes))
        return cnn_fail(CNN_ERR_INPUT, "contains a control character; allowed: %s", allowed);
    memset(field, 0, option->bytes);
    memcpy(field, scalar->text, scalar->bytes);
    return CNN_OK;
}

static bool read_bool(bool *out, const struct cnn_scalar *scalar) {
    static const char *const words[2][3] = {{"false", "False", "FALSE"}, {"true", "True", "TRUE"}};
    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 3; i++)
            if (!scalar->quoted && cnn_scalar_is(scalar, words[value][i])) {
                *out = value;
                return true;
            }
    return false;
}

static enum cnn_status read_choice(int *out, const struct cnn_option *option, const struct cnn_scalar *scalar,
                                   const char *allowed) {
    const char *words[16], *nearest;
    char found[CNN_FOUND_BYTES];
    size_t n = 0;
    for (const struct cnn_choice *c = option->choices; c->word; c++) {
        if (cnn_scalar_is(scalar, c->word)) {
            *out = c->value;
            return CNN_OK;
        }
        if (n < sizeof words / sizeof *words)
            words[n++] = c->word;
    }
    nearest = cnn_scalar_is_null(scalar) ? NULL : cnn_suggest(scalar->text, words, n);
    if (!nearest)
        return cnn_value_refuse(scalar, allowed);
    cnn_format_found(found, scalar->text, scalar->bytes);
    return cnn_fail(CNN_ERR_INPUT, "found %s, did you mean `%s`? Allowed: %s", found, nearest, allowed);
}

// Numbers of every width. `value` is within the option's bounds, which fit the field.
static void store_number(struct cnn_config *config, const struct cnn_option *option, double value) {
    void *field = cnn_option_field(config, option);
    if (option->type == CNN_OPTION_INT)
        *(int *)field = (int)value;
    else if (option->type == CNN_OPTION_LONG)
        *(int64_t *)field = (int64_t)value;
    else
        *(double *)field = value;
}

static enum cnn_status read_auto(struct cnn_config *config, const struct cnn_option *option) {
    if (option->type == CNN_OPTION_TEXT || option->type == CNN_OPTION_STATS)
        memset(cnn_option_field(config, option), 0, option->bytes);
    else
        store_number(config, option, option->auto_value);
    return CNN_OK;
}

enum cnn_status cnn_value_read(struct cnn_config *config, const struct cnn_option *option,
                               const struct cnn_scalar *scalar) {
    char allowed[EXPECTED_BYTES];
    double number;
    void *field = cnn_option_field(config, option);
    cnn_option_expected(allowed, sizeof allowed, option);
    if (cnn_scalar_is_null(scalar))
        return cnn_value_refuse(scalar, allowed);
    if (option->has_auto && cnn_scalar_is(scalar, "auto"))
        return read_auto(config, option);
    switch (option->type) {
    case CNN_OPTION_TEXT:
        return read_text(config, option, scalar, allowed);
    case CNN_OPTION_INT:
    case CNN_OPTION_LONG:
    case CNN_OPTION_REAL:
        if (!read_number(&number, scalar, option->type != CNN_OPTION_REAL, option->bounds))
            break;
        store_number(config, option, number);
        return CNN_OK;
    case CNN_OPTION_BOOL:
        if (!read_bool(field, scalar))
            break;
        return CNN_OK;
    case CNN_OPTION_CHOICE:
        return read_choice(field, option, scalar, allowed);
    case CNN_OPTION_DURATION:
        return cnn_value_duration(field, scalar, allowed);
    case CNN_OPTION_DURATIONS:
    case CNN_OPTION_STATS:
    case CNN_OPTION_AUGMENTS:
    case CNN_OPTION_PHASES:
        break;
    }
    return cnn_value_refuse(scalar, allowed);
}
