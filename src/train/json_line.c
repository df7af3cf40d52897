#include "train/json_line.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAIL 64 // kept free so that an object can always be closed

static void put(struct cnn_json_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct cnn_json_line *line, const char *format, ...) {
    size_t room = sizeof line->text - TAIL - line->n;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line->text + line->n, room, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < room)
        line->n += (size_t)n;
    line->text[line->n] = '\0'; // what did not fit is left out whole
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

// Bytes of the UTF-8 character at `at`, 0 where there is none.
static size_t character(const unsigned char *at) {
    size_t n = *at < 0x80                  ? 1
               : *at >= 0xc2 && *at < 0xe0 ? 2
               : *at >= 0xe0 && *at < 0xf0 ? 3
               : *at >= 0xf0 && *at < 0xf5 ? 4
                                           : 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

void cnn_json_text(struct cnn_json_line *line, const char *key, const char *value) {
    char escaped[4096];
    size_t n = 0;
    for (const unsigned char *at = (const unsigned char *)value; *at && n + 8 < sizeof escaped;) {
        size_t bytes = character(at);
        if (bytes == 0)
            n += (size_t)snprintf(escaped + n, sizeof escaped - n, "?");
        else if (*at == '"' || *at == '\\')
            n += (size_t)snprintf(escaped + n, sizeof escaped - n, "\\%c", *at);
        else if (*at < ' ')
            n += (size_t)snprintf(escaped + n, sizeof escaped - n, "\\u%04x", *at);
        else {
            memcpy(escaped + n, at, bytes);
            n += bytes;
        }
        at += bytes ? bytes : 1;
    }
    escaped[n] = '\0';
    put(line, ",\"%s\":\"%s\"", key, escaped);
}

void cnn_json_end(struct cnn_json_line *line) {
    memcpy(line->text + line->n, "}\n", 3);
    line->n += 2;
}
