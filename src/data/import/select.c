#include "data/import/select.h"

#include "base/memory.h"
#include "base/random.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct share {
    int n;
    double until[CNN_IMPORT_MAX_PARTS]; // of the records of a class, those before this share
};

static bool is_part_name(const char *name, size_t length) {
    if (length == 0 || length >= CNN_IMPORT_MAX_PART_NAME || name[0] == '.')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
            return false;
    return true;
}

static enum cnn_status add_share(struct cnn_selection *out, struct share *share, const char *text,
                                 const char **end) {
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : 0;
    char *after = NULL;
    double value = equals && equals[1] != ' ' ? strtod(equals + 1, &after) : 0;
    if (!equals || after == equals + 1 || !is_part_name(text, length) || (*after != ',' && *after != '\0'))
        return cnn_fail(CNN_ERR_INPUT,
                        "--split: found '%s'; expected NAME=SHARE,NAME=SHARE, such as train=0.8,val=0.2",
                        text);
    if (!(value > 0 && value <= 1))
        return cnn_fail(CNN_ERR_INPUT, "--split: the share of %.*s is %g; it must be above 0 and at most 1",
                        (int)length, text, value);
    if (share->n == CNN_IMPORT_MAX_PARTS)
        return cnn_fail(CNN_ERR_INPUT, "--split: more than %d parts", CNN_IMPORT_MAX_PARTS);
    for (int i = 0; i < share->n; i++)
        if (strlen(out->names[i]) == length && strncmp(out->names[i], text, length) == 0)
            return cnn_fail(CNN_ERR_INPUT, "--split: duplicate name %.*s", (int)length, text);
    memcpy(out->names[share->n], text, length);
    out->names[share->n][length] = '\0';
    share->until[share->n] = (share->n > 0 ? share->until[share->n - 1] : 0) + value;
    share->n++;
    *end = after;
    return CNN_OK;
}

static enum cnn_status parse_split(struct cnn_selection *out, struct share *share, const char *text) {
    for (const char *at = text;;) {
        CNN_TRY(add_share(out, share, at, &at));
        if (*at == '\0')
            break;
        at++;
    }
    out->n_parts = share->n;
    if (fabs(share->until[share->n - 1] - 1) > 1e-9)
        return cnn_fail(CNN_ERR_INPUT, "--split: the shares add up to %g instead of 1",
                        share->until[share->n - 1]);
    share->until[share->n - 1] = 1;
    return CNN_OK;
}

// Records are cut class by class, and within the parts a source has. Strata in order of their number.
struct strata {
    const struct cnn_import_source *source;
    size_t n;
    uint64_t *counts, *seen; // records of each stratum that are still in; met so far
};

static size_t stratum_of(const struct strata *strata, uint64_t i) {
    const struct cnn_import_source *source = strata->source;
    size_t part = source->parts ? (size_t)source->part(source->context, i) : 0;
    return part * (size_t)source->n_classes + (size_t)cnn_import_label(source, i);
}

static enum cnn_status count_strata(struct strata *strata, const struct cnn_selection *selection) {
    strata->n =
        (size_t)strata->source->n_classes * (strata->source->parts ? (size_t)strata->source->n_parts : 1);
    free(strata->counts);
    free(strata->seen);
    strata->counts = strata->seen = NULL;
    CNN_TRY(cnn_calloc(&strata->counts, strata->n, sizeof *strata->counts));
    CNN_TRY(cnn_calloc(&strata->seen, strata->n, sizeof *strata->seen));
    for (uint64_t i = 0; i < strata->source->n; i++)
        if (selection->part_of[i] != CNN_IMPORT_LEFT_OUT)
            strata->counts[stratum_of(strata, i)]++;
    return CNN_OK;
}

// Of the first n records of all, how many come before a share: cut at a running sum, so that roundings of
// many small classes do not add up.
static uint64_t before(double share, uint64_t n) { return (uint64_t)floor(share * (double)n + 0.5); }

// Gives each record of the selection the part it falls into, LEFT_OUT where behind the last share.
static enum cnn_status cut(struct cnn_selection *selection, const struct share *share, const uint64_t seed,
                           struct strata *strata) {
    uint64_t *bounds, sum = 0;
    size_t parts = (size_t)share->n;
    CNN_TRY(count_strata(strata, selection));
    CNN_TRY(cnn_calloc(&bounds, strata->n * parts, sizeof *bounds));
    for (size_t s = 0; s < strata->n; sum += strata->counts[s], s++)
        for (size_t p = 0; p < parts; p++) {
            uint64_t bound = before(share->until[p], sum + strata->counts[s]) - before(share->until[p], sum);
            uint64_t least = p > 0 ? bounds[s * parts + p - 1] : 0;
            bounds[s * parts + p] = bound < least ? least : bound;
        }
    for (uint64_t i = 0; i < strata->source->n; i++) {
        if (selection->part_of[i] == CNN_IMPORT_LEFT_OUT)
            continue;
        size_t s = stratum_of(strata, i), p = 0;
        uint64_t at =
            cnn_permute(seed, CNN_PURPOSE_SPLIT, s & 0xffffff, strata->counts[s], strata->seen[s]++);
        while (p < parts && at >= bounds[s * parts + p])
            p++;
        selection->part_of[i] = p < parts ? (uint8_t)p : CNN_IMPORT_LEFT_OUT;
    }
    free(bounds);
    return CNN_OK;
}

static void take_source_parts(struct cnn_selection *selection, const struct cnn_import_source *source) {
    for (uint64_t i = 0; i < source->n; i++)
        if (selection->part_of[i] != CNN_IMPORT_LEFT_OUT)
            selection->part_of[i] = source->parts ? (uint8_t)source->part(source->context, i) : 0;
}

static enum cnn_status select_records(struct cnn_selection *out, const struct cnn_import_source *source,
                                      const struct cnn_import_options *options, const struct share *split,
                                      struct strata *strata) {
    CNN_TRY(cnn_calloc(&out->part_of, source->n, 1));
    if (options->subset > 0 && options->subset < source->n) {
        struct share share = {1, {(double)options->subset / (double)source->n}};
        CNN_TRY(cut(out, &share, options->seed, strata));
    }
    if (split->n > 0)
        return cut(out, split, options->seed, strata);
    take_source_parts(out, source);
    return CNN_OK;
}

static enum cnn_status count_parts(struct cnn_selection *out, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        if (out->part_of[i] != CNN_IMPORT_LEFT_OUT)
            out->counts[out->part_of[i]]++;
    for (int p = 0; p < out->n_parts; p++)
        if (out->counts[p] == 0)
            return cnn_fail(CNN_ERR_INPUT, "%s would be empty: the source has too few records",
                            *out->names[p] ? out->names[p] : "the dataset");
    return CNN_OK;
}

enum cnn_status cnn_selection_make(struct cnn_selection *out, const struct cnn_import_source *source,
                                   const struct cnn_import_options *options) {
    struct share split = {0};
    struct strata strata = {.source = source};
    *out = (struct cnn_selection){.n_parts = 1};
    if (source->n == 0)
        return cnn_fail(CNN_ERR_INPUT, "the source has no records");
    if (options->split && source->parts)
        return cnn_fail(CNN_ERR_INPUT,
                        "--split: the source is already split into %s and %d more; import one of its folders",
                        source->parts[0], source->n_parts - 1);
    if (options->split)
        CNN_TRY(parse_split(out, &split, options->split));
    for (int p = 0; source->parts && p < source->n_parts; p++)
        snprintf(out->names[p], sizeof out->names[p], "%s", source->parts[p]);
    if (source->parts)
        out->n_parts = source->n_parts;
    out->counts[0] = source->n;
    if (!options->split && !source->parts && (options->subset == 0 || options->subset >= source->n))
        return CNN_OK;
    out->counts[0] = 0;
    enum cnn_status status = select_records(out, source, options, &split, &strata);
    free(strata.counts);
    free(strata.seen);
    return status == CNN_OK ? count_parts(out, source->n) : status;
}

void cnn_selection_finish(struct cnn_selection *selection) {
    free(selection->part_of);
    *selection = (struct cnn_selection){0};
}
