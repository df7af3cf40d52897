#include "cli/predict_output.h"

#include "base/json.h"
#include "cli/csv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum cnn_status check_output(void) {
    if (!ferror(stdout))
        return CNN_OK;
    return cnn_fail(CNN_ERR_IO, "cannot write the result to standard output: %s", strerror(errno));
}

static const char *label_text(const struct cnn_prediction *prediction, int i, char room[16]) {
    snprintf(room, 16, "%d", prediction->labels[i]);
    return prediction->names[i] ? prediction->names[i] : room;
}

// ---- text ----

static enum cnn_status begin_text(const char *checkpoint) { return CNN_OK; }

static enum cnn_status print_text(const struct cnn_prediction *prediction, size_t i) {
    char room[16];
    if (prediction->reason)
        return CNN_OK;
    printf("%s\n", prediction->path);
    for (int k = 0; k < prediction->n; k++)
        printf("  %6.2f %%  %s\n", 100 * (double)prediction->probabilities[k],
               label_text(prediction, k, room));
    return CNN_OK;
}

static enum cnn_status end_text(size_t n, size_t n_bad) { return CNN_OK; }

// ---- JSON: the document is written in parts, so that memory does not grow with the number of pictures ----

#define JSON_FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(12))

// Each line of `document` with `indent` before it, but for the first. Frees the document.
static enum cnn_status print_part(json_t *document, const char *indent) {
    char *text = NULL;
    CNN_TRY(cnn_json_dump(&text, document, JSON_FLAGS | JSON_ENCODE_ANY));
    for (const char *at = text; *at; at++) {
        putchar(*at);
        if (*at == '\n')
            fputs(indent, stdout);
    }
    free(text);
    return CNN_OK;
}

static enum cnn_status begin_json(const char *checkpoint) {
    fputs("{\n  \"checkpoint\": ", stdout);
    CNN_TRY(print_part(cnn_json_string(checkpoint), ""));
    fputs(",\n  \"images\": [", stdout);
    return CNN_OK;
}

static enum cnn_status print_json(const struct cnn_prediction *prediction, size_t i) {
    json_t *best = json_array(), *image;
    for (int k = 0; k < prediction->n && !prediction->reason; k++)
        cnn_json_append(&best, json_pack("{s:i, s:o, s:o}", "label", prediction->labels[k], "class",
                                         cnn_json_string(prediction->names[k]), "probability",
                                         cnn_json_number((double)prediction->probabilities[k])));
    image = json_pack("{s:o, s:o}", "image", cnn_json_string(prediction->path), "predictions", best);
    if (prediction->reason)
        cnn_json_set(&image, "error", cnn_json_string(prediction->reason));
    fputs(i == 0 ? "\n    " : ",\n    ", stdout);
    return print_part(image, "    ");
}

static enum cnn_status end_json(size_t n, size_t n_bad) {
    printf("%s],\n  \"n\": %zu,\n  \"failed\": %zu\n}\n", n > 0 ? "\n  " : "", n, n_bad);
    return CNN_OK;
}

// ---- CSV: a line for each of a picture's classes ----

static enum cnn_status begin_csv(const char *checkpoint) {
    fputs("image,rank,label,class,probability", stdout);
    cnn_csv_end(stdout);
    return CNN_OK;
}

static enum cnn_status print_csv(const struct cnn_prediction *prediction, size_t i) {
    char room[16];
    for (int k = 0; k < prediction->n && !prediction->reason; k++) {
        cnn_csv_text(stdout, prediction->path, true);
        cnn_csv_number(stdout, k + 1, false);
        cnn_csv_number(stdout, prediction->labels[k], false);
        cnn_csv_text(stdout, label_text(prediction, k, room), false);
        cnn_csv_number(stdout, (double)prediction->probabilities[k], false);
        cnn_csv_end(stdout);
    }
    return CNN_OK;
}

static const struct {
    enum cnn_status (*begin)(const char *checkpoint);
    enum cnn_status (*picture)(const struct cnn_prediction *prediction, size_t i);
    enum cnn_status (*end)(size_t n, size_t n_bad);
} formats[] = {
    [CNN_PREDICT_TEXT] = {begin_text, print_text, end_text},
    [CNN_PREDICT_JSON] = {begin_json, print_json, end_json},
    [CNN_PREDICT_CSV] = {begin_csv, print_csv, end_text},
};

enum cnn_status cnn_predict_begin(enum cnn_predict_format format, const char *checkpoint) {
    return formats[format].begin(checkpoint);
}

enum cnn_status cnn_predict_picture(enum cnn_predict_format format, const struct cnn_prediction *prediction,
                                    size_t i) {
    CNN_TRY(formats[format].picture(prediction, i));
    return check_output();
}

enum cnn_status cnn_predict_end(enum cnn_predict_format format, size_t n, size_t n_bad) {
    CNN_TRY(formats[format].end(n, n_bad));
    fflush(stdout);
    return check_output();
}
