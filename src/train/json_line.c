#include "train/json_line.h"

#include "base/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESERVE 4096 // kept free by texts, so that numbers and the end always have room

static void put(struct cnn_json_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct cnn_json_line *line, const char *format, ...) {
    size_t room = sizeof line->text - line->n;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line->text + line->n, room, format, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < room);
    line->n += (size_t)n;
}

void cnn_json_begin(struct cnn_json_line *line, const char *kind) {
    line->n = 0;
    put(line, "{\"kind\":\"%s\"", kind);
}

void cnn_json_int(struct cnn_json_line *line, const char *key, int64_t value) {
    put(line, ",\"%s\":%lld", key, (long long)value);
}

static void put_number(struct cnn_json_line *line, const char *key, const char *number, double value) {
    put(line, ",\"%s\":%s", key, isfinite(value) ? number : "null");
}

void cnn_json_exact(struct cnn_json_line *line, const char *key, double value) {
    char number[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(number, sizeof number, "%.*g", digits, value);
        if (strtod(number, NULL) == value)
            break;
    }
    put_number(line, key, number, value);
}

void cnn_json_rounded(struct cnn_json_line *line, const char *key, double value) {
    char number[40];
    snprintf(number, sizeof number, "%.6g", value);
    put_number(line, key, number, value);
}

void cnn_json_bool(struct cnn_json_line *line, const char *key, bool value) {
    put(line, ",\"%s\":%s", key, value ? "true" : "false");
}

// The character at `at` as it stands in a JSON string; bytes that are not UTF-8 as in base/utf8.h, with the
// backslash escaped. Returns the bytes it was made from.
static size_t escape(char out[8], const char *at) {
    unsigned char byte = (unsigned char)*at;
    size_t bytes = cnn_utf8_character(at, CNN_UTF8_STRING);
    if (bytes == 0)
        snprintf(out, 8, "\\\\x%02x", byte);
    else if (byte == '"' || byte == '\\')
        snprintf(out, 8, "\\%c", byte);
    else if (byte < ' ')
        snprintf(out, 8, "\\u%04x", byte);
    else
        snprintf(out, 8, "%.*s", (int)bytes, at);
    return bytes ? bytes : 1;
}

void cnn_json_text(struct cnn_json_line *line, const char *key, const char *value) {
    const size_t most = sizeof line->text - RESERVE;
    char escaped[8];
    put(line, ",\"%s\":\"", key);
    while (*value) {
        value += escape(escaped, value);
        if (line->n + strlen(escaped) > most) {
            put(line, "...");
            break;
        }
        put(line, "%s", escaped);
    }
    put(line, "\"");
}

void cnn_json_end(struct cnn_json_line *line) { put(line, "}\n"); }
