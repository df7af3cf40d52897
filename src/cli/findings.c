#include "cli/findings.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *cnn_verdict_name(enum cnn_verdict verdict) {
    static const char *const names[CNN_N_VERDICTS] = {"none", "ok", "warn", "fail"};
    return names[verdict];
}

// ---- adding ----

// A line is a line, whatever a system or a library put into it.
static void flatten(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = ' ';
}

static void add(struct cnn_findings *list, enum cnn_verdict verdict, const char *advice, const char *format,
                va_list args) {
    assert(list->n < CNN_MAX_FINDINGS);
    struct cnn_finding *finding = &list->items[list->n++];
    memset(finding, 0, sizeof *finding); // all of it travels
    finding->verdict = verdict;
    vsnprintf(finding->text, sizeof finding->text, format, args);
    snprintf(finding->advice, sizeof finding->advice, "%s", advice);
    flatten(finding->text);
    flatten(finding->advice);
}

void cnn_found_ok(struct cnn_findings *list, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(list, CNN_VERDICT_OK, "", format, args);
    va_end(args);
}

void cnn_found_warn(struct cnn_findings *list, const char *advice, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(list, CNN_VERDICT_WARN, advice, format, args);
    va_end(args);
}

void cnn_found_fail(struct cnn_findings *list, const char *advice, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(list, CNN_VERDICT_FAIL, advice, format, args);
    va_end(args);
}

// ---- gathering ----

static bool is_same(const struct cnn_finding *a, const struct cnn_finding *b) {
    return a->verdict == b->verdict && strcmp(a->text, b->text) == 0 && strcmp(a->advice, b->advice) == 0;
}

static const struct cnn_finding *first_left(const struct cnn_finding *all, int ranks, int each) {
    for (int i = 0; i < each; i++)
        for (int rank = 0; rank < ranks; rank++)
            if (all[rank * each + i].verdict != CNN_VERDICT_NONE)
                return &all[rank * each + i];
    return NULL;
}

bool cnn_findings_take(struct cnn_finding *out, bool *has, struct cnn_finding *all, int ranks, int each) {
    const struct cnn_finding *first = first_left(all, ranks, each);
    if (!first)
        return false;
    *out = *first;
    for (int rank = 0; rank < ranks; rank++) {
        has[rank] = false;
        for (int i = 0; i < each && !has[rank]; i++) {
            has[rank] = is_same(&all[rank * each + i], out);
            if (has[rank])
                all[rank * each + i].verdict = CNN_VERDICT_NONE;
        }
    }
    return true;
}

// ---- words ----

static void append(char *out, size_t out_bytes, const char *format, ...) CNN_PRINTF(3, 4);
static void append(char *out, size_t out_bytes, const char *format, ...) {
    size_t used = strlen(out);
    va_list args;
    va_start(args, format);
    vsnprintf(out + used, out_bytes - used, format, args);
    va_end(args);
}

void cnn_ranks_format(char *out, size_t out_bytes, const bool *has, int ranks) {
    int n = 0;
    for (int rank = 0; rank < ranks; rank++)
        n += has[rank];
    snprintf(out, out_bytes, n == 1 ? "rank" : "ranks");
    const char *before = " ";
    for (int first = 0, last; first < ranks; first = last + 1) {
        last = first;
        if (!has[first])
            continue;
        while (last + 1 < ranks && has[last + 1])
            last++;
        append(out, out_bytes, last > first ? "%s%d-%d" : "%s%d", before, first, last);
        before = ", ";
    }
}

void cnn_finding_format(char *out, size_t out_bytes, const char *who, const struct cnn_finding *finding) {
    char mark[16];
    snprintf(mark, sizeof mark, "[%s]", cnn_verdict_name(finding->verdict));
    snprintf(out, out_bytes, "%-6s %s%s%s%s%s", mark, who, *who ? ": " : "", finding->text,
             *finding->advice ? "; " : "", finding->advice);
}
