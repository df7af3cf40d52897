#include "cli/eval_csv.h"

#include "base/file.h"
#include "base/memory.h"
#include "cli/csv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct cnn_eval_csv {
    struct cnn_file_writer writer;
    const struct cnn_class_names *names;
};

static void put_class(FILE *to, const struct cnn_class_names *names, int label) {
    if (names->names[label])
        cnn_csv_text(to, names->names[label], false);
    else
        cnn_csv_number(to, label, false);
}

// Ends the line and hands it to the writer.
static enum cnn_status put_line(struct cnn_eval_csv *csv, FILE *line, char **text, const size_t *bytes) {
    cnn_csv_end(line);
    if (fclose(line) != 0)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: a line of %s", csv->writer.path);
    const enum cnn_status status = cnn_file_writer_write(&csv->writer, *text, *bytes);
    free(*text);
    return status;
}

static enum cnn_status open_line(FILE **out, char **text, size_t *bytes) {
    *out = open_memstream(text, bytes);
    return *out ? CNN_OK : cnn_fail(CNN_ERR_MEMORY, "out of memory: a line of CSV");
}

static enum cnn_status put_headings(struct cnn_eval_csv *csv) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *line;
    CNN_TRY(open_line(&line, &text, &bytes));
    fputs("id,label,predicted", line);
    for (int i = 0; i < csv->names->n; i++)
        put_class(line, csv->names, i);
    return put_line(csv, line, &text, &bytes);
}

enum cnn_status cnn_eval_csv_create(struct cnn_eval_csv **out, const char *path,
                                    const struct cnn_class_names *names) {
    struct cnn_eval_csv *csv = NULL;
    CNN_TRY(cnn_calloc(&csv, 1, sizeof *csv));
    csv->names = names;
    enum cnn_status status = cnn_file_writer_open(&csv->writer, path);
    if (status == CNN_OK)
        status = put_headings(csv);
    if (status != CNN_OK) {
        cnn_eval_csv_destroy(csv);
        return cnn_fail_in(status, "--csv");
    }
    *out = csv;
    return CNN_OK;
}

enum cnn_status cnn_eval_csv_record(void *context, uint64_t id, int32_t label, const float *probabilities) {
    struct cnn_eval_csv *csv = context;
    char *text = NULL;
    size_t bytes = 0;
    FILE *line;
    int best = 0;
    for (int i = 1; i < csv->names->n; i++)
        if (probabilities[i] > probabilities[best])
            best = i;
    CNN_TRY(open_line(&line, &text, &bytes));
    fprintf(line, "%" PRIu64, id);
    put_class(line, csv->names, label);
    put_class(line, csv->names, best);
    for (int i = 0; i < csv->names->n; i++)
        cnn_csv_number(line, (double)probabilities[i], false);
    return put_line(csv, line, &text, &bytes);
}

enum cnn_status cnn_eval_csv_commit(struct cnn_eval_csv *csv) { return cnn_file_writer_commit(&csv->writer); }

void cnn_eval_csv_destroy(struct cnn_eval_csv *csv) {
    if (!csv)
        return;
    cnn_file_writer_discard(&csv->writer);
    free(csv);
}
