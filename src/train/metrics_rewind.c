#include "train/metrics_rewind.h"

#include "base/file.h"
#include "train/json_line.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES ((off_t)1 << 20)
#define LINE_BYTES ((size_t)2 * CNN_JSON_LINE_BYTES) // longer ones are none of ours

struct line {
    char text[LINE_BYTES];
    size_t n;    // with its newline
    bool whole;  // ends with a newline and fits
    off_t begin; // in the file
};

// Reads the line that begins here, but not beyond byte `limit`. False at the end of the file, or at the
// limit.
static bool next_line(struct line *out, FILE *file, off_t limit) {
    int c = 0;
    out->begin = ftello(file);
    out->n = 0;
    out->whole = true;
    for (off_t at = out->begin; c != '\n' && at < limit && (c = getc_unlocked(file)) != EOF; at++) {
        if (out->n < sizeof out->text)
            out->text[out->n++] = (char)c;
        else
            out->whole = false;
    }
    out->whole = out->whole && c == '\n';
    return out->n > 0;
}

// What a line is of: *step, and whether its kind is this one. False where it is no line of a run.
static bool parse(const struct line *line, int64_t *step, bool *is_step, bool *is_end) {
    bool is_text = line->whole && !memchr(line->text, '\0', line->n);
    json_t *object = is_text ? json_loadb(line->text, line->n, 0, NULL) : NULL;
    const char *kind = json_string_value(json_object_get(object, "kind"));
    bool good = kind != NULL;
    *step = json_integer_value(json_object_get(object, "step"));
    *is_step = good && strcmp(kind, "step") == 0;
    *is_end = good && strcmp(kind, "end") == 0;
    json_decref(object);
    return good;
}

static bool stays(const struct line *line, int64_t step) {
    int64_t of;
    bool is_step, is_end;
    return parse(line, &of, &is_step, &is_end) && !is_end && of <= step;
}

static bool is_step_that_stays(const struct line *line, int64_t step) {
    int64_t of;
    bool is_step, is_end;
    return parse(line, &of, &is_step, &is_end) && is_step && of <= step;
}

static enum cnn_status fail_file(const char *doing, const char *path) {
    return cnn_fail(CNN_ERR_IO, "cannot %s %s: %s", doing, path, strerror(errno));
}

// Where the last `step` line that stays begins; 0 where there is none. Lines are in the order of their steps,
// except that some of an earlier step come late (a checkpoint that was saved meanwhile), so only what follows
// can have to go.
static enum cnn_status find_last_step(off_t *out, FILE *file, const char *path, int64_t step,
                                      struct line *line) {
    if (fseeko(file, 0, SEEK_END) != 0)
        return fail_file("read", path);
    off_t end = ftello(file);
    *out = 0;
    while (end > 0 && *out == 0) {
        off_t begin = end > BLOCK_BYTES ? end - BLOCK_BYTES : 0;
        // From the byte before the block on, so that a line that begins with the block is not taken for the
        // rest of one.
        if (fseeko(file, begin > 0 ? begin - 1 : 0, SEEK_SET) != 0)
            return fail_file("read", path);
        if (begin > 0)
            next_line(line, file, end);
        while (ftello(file) < end && next_line(line, file, end + (off_t)LINE_BYTES))
            if (is_step_that_stays(line, step))
                *out = line->begin;
        end = begin;
    }
    return ferror(file) ? fail_file("read", path) : CNN_OK;
}

// Lines that stay behind the first that goes.
struct kept {
    char *text;
    size_t n, capacity;
};

static enum cnn_status keep(struct kept *kept, const struct line *line) {
    if (kept->n + line->n > kept->capacity) {
        size_t capacity = 2 * (kept->n + line->n);
        char *larger = realloc(kept->text, capacity);
        if (!larger)
            return cnn_fail(CNN_ERR_MEMORY, "out of memory: %zu bytes of metrics", capacity);
        kept->text = larger;
        kept->capacity = capacity;
    }
    memcpy(kept->text + kept->n, line->text, line->n);
    kept->n += line->n;
    return CNN_OK;
}

// *cut: where the first line that goes begins, or the end of the file.
static enum cnn_status sort_out(FILE *file, off_t from, int64_t step, struct line *line, off_t *cut,
                                struct kept *kept) {
    bool goes = false;
    if (fseeko(file, from, SEEK_SET) != 0)
        return cnn_fail(CNN_ERR_IO, "%s", strerror(errno));
    *cut = from;
    while (next_line(line, file, INT64_MAX)) {
        bool stay = stays(line, step);
        if (stay && goes)
            CNN_TRY(keep(kept, line));
        else if (!stay && !goes)
            goes = true;
        if (!goes)
            *cut = ftello(file);
    }
    return ferror(file) ? cnn_fail(CNN_ERR_IO, "%s", strerror(errno)) : CNN_OK;
}

// The lines that stay are written before the file becomes shorter, so that a power cut loses none.
static enum cnn_status shorten(const char *path, off_t cut, const struct kept *kept) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_file("write", path);
    bool good = (kept->n == 0 || pwrite(fd, kept->text, kept->n, cut) == (ssize_t)kept->n) &&
                ftruncate(fd, cut + (off_t)kept->n) == 0;
    enum cnn_status status = good ? CNN_OK : fail_file("write", path);
    close(fd);
    return status;
}

static enum cnn_status rewind_file(FILE *file, const char *path, int64_t step, struct line *line) {
    struct kept kept = {0};
    off_t from = 0, cut = 0;
    CNN_TRY(find_last_step(&from, file, path, step, line));
    enum cnn_status status = sort_out(file, from, step, line, &cut, &kept);
    if (status != CNN_OK)
        status = cnn_fail_in(status, "cannot read %s", path);
    else if (fseeko(file, 0, SEEK_END) == 0 && ftello(file) != cut + (off_t)kept.n)
        status = shorten(path, cut, &kept);
    free(kept.text);
    return status;
}

enum cnn_status cnn_metrics_rewind(const char *path, int64_t step) {
    struct line *line;
    if (!cnn_file_exists(path))
        return CNN_OK;
    FILE *file = fopen(path, "re");
    if (!file)
        return cnn_fail(CNN_ERR_INPUT, "cannot read %s: %s", path, strerror(errno));
    line = malloc(sizeof *line);
    enum cnn_status status = line ? rewind_file(file, path, step, line)
                                  : cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot read %s", path);
    free(line);
    fclose(file);
    return status;
}
