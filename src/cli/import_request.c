#include "cli/import_request.h"

#include "base/clock.h"
#include "base/cpus.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/console.h"
#include "cli/json.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_S 10.0  // between lines in a file
#define REDRAW_S 0.1 // on a terminal
#define BAR_WIDTH 24

// ---- progress, on rank 0 ----

struct watch {
    double begun_s, shown_s;
    int n_ranks;
    struct cnn_comm *comm;
    bool shows;
};

static void format_bar(char out[BAR_WIDTH + 3], double share) {
    int full = (int)(share * BAR_WIDTH + 0.5);
    out[0] = '[';
    memset(out + 1, '#', (size_t)full);
    memset(out + 1 + full, '.', (size_t)(BAR_WIDTH - full));
    memcpy(out + 1 + BAR_WIDTH, "]", 2);
}

static void format_progress(char *out, size_t out_bytes, const struct cnn_import_progress *progress,
                            double seconds, int n_ranks) {
    char bar[BAR_WIDTH + 3], rate[32], rest[32];
    double share = (double)progress->done / (double)progress->total;
    format_bar(bar, share);
    cnn_format_bytes(rate, sizeof rate, (double)progress->bytes / seconds);
    cnn_format_duration(rest, sizeof rest, share > 0 ? seconds / share - seconds : 0);
    int n = snprintf(out, out_bytes, "import %s %3.0f%%  %" PRIu64 "/%" PRIu64 "%s  %.0f img/s  %s/s  eta %s",
                     bar, 100 * share, progress->done, progress->total, n_ranks > 1 ? " (rank 0)" : "",
                     (double)progress->done / seconds, rate, rest);
    if (progress->quarantined > 0 && n > 0 && (size_t)n < out_bytes)
        snprintf(out + n, out_bytes - (size_t)n, "  %" PRIu64 " left out", progress->quarantined);
}

static void show(void *context, const struct cnn_import_progress *progress) {
    struct watch *watch = context;
    struct cnn_progress *line = cnn_console_progress();
    double now = cnn_clock_s();
    bool terminal = cnn_console_is_terminal(), last = progress->done == progress->total;
    char text[256];
    cnn_comm_set_task(watch->comm, "importing"); // ranks that have fewer shards wait for those that have more
    if (!watch->shows || !line || progress->total == 0 ||
        (now - watch->shown_s < (terminal ? REDRAW_S : LINE_S) && !(terminal && last)))
        return;
    watch->shown_s = now;
    format_progress(text, sizeof text, progress, now - watch->begun_s, watch->n_ranks);
    if (terminal)
        cnn_progress_text(line, text);
    else
        cnn_progress_print(line, text);
}

// ---- options ----

static enum cnn_status parse_check(enum cnn_import_check *out, const char *text) {
    static const char *const names[] = {
        [CNN_CHECK_HEADER] = "header", [CNN_CHECK_DECODE] = "decode", [CNN_CHECK_NONE] = "none"};
    for (int i = 0; i < 3; i++)
        if (!text || strcmp(text, names[i]) == 0) {
            *out = (enum cnn_import_check)i;
            return CNN_OK;
        }
    return cnn_fail(CNN_ERR_INPUT, "--check: unknown check '%s'; allowed: header, decode and none", text);
}

static enum cnn_status parse_raw(struct cnn_import_options *out, const char *text) {
    char *end;
    if (!text)
        return CNN_OK;
    long h = strtol(text, &end, 10), w = h;
    if (end != text && *end == 'x')
        w = strtol(end + 1, &end, 10);
    if (end == text || *end != '\0' || h < 1 || w < 1 || h > 4096 || w > 4096)
        return cnn_fail(CNN_ERR_INPUT,
                        "--raw: found '%s'; expected HEIGHTxWIDTH or one number, from 1 to "
                        "4096",
                        text);
    out->raw_h = (int)h;
    out->raw_w = (int)w;
    return CNN_OK;
}

static enum cnn_status make_options(struct cnn_import_options *out, const struct cnn_import_request *request,
                                    struct cnn_comm *comm) {
    *out = (struct cnn_import_options){
        .out = request->out,
        .name = request->name,
        .shard_records = (uint64_t)request->shard_records,
        .shard_bytes = (uint64_t)request->shard_mib << 20,
        .rank = cnn_comm_rank(comm),
        .size = cnn_comm_size(comm),
        .threads = request->threads > 0 ? (int)request->threads : cnn_cpus_share(cnn_comm_local_size(comm)),
        .strict = request->strict,
        .classes = request->classes,
        .classes_of = request->classes_of,
        .split = request->split,
        .subset = (uint64_t)request->subset,
        .seed = (uint64_t)request->seed,
        .max_side = (int)request->max_side,
        .quality = (int)request->quality,
        .gray = request->gray,
    };
    CNN_TRY(parse_check(&out->check, request->check));
    return parse_raw(out, request->raw);
}

// ---- the result ----

static json_t *ignored_as_json(const struct cnn_ignored *ignored) {
    json_t *object = json_object();
    for (int i = 0; i < CNN_IGNORED_REASONS; i++)
        if (ignored->files[i] > 0)
            cnn_json_set(&object, cnn_ignored_key((enum cnn_ignored_reason)i),
                         json_integer((json_int_t)ignored->files[i]));
    return object;
}

static json_t *reasons_as_json(const struct cnn_import_result *result) {
    json_t *array = json_array();
    for (int i = 0; i < result->n_reasons; i++)
        cnn_json_append(&array, json_pack("{s:o, s:I}", "reason", cnn_json_string(result->reasons[i].text),
                                          "pictures", (json_int_t)result->reasons[i].pictures));
    return array;
}

// "skipped 3 images that cannot be used; see DIR/quarantine.tsv: the file is empty (2); ..."
static void print_quarantined(const struct cnn_import_result *result, const char *path) {
    uint64_t others = result->quarantined;
    printf("skipped %" PRIu64 " image%s that cannot be used; see %s/quarantine.tsv", result->quarantined,
           result->quarantined == 1 ? "" : "s", path);
    for (int i = 0; i < result->n_reasons; i++) {
        printf("%s%s (%" PRIu64 ")", i == 0 ? ": " : "; ", result->reasons[i].text,
               result->reasons[i].pictures);
        others -= result->reasons[i].pictures;
    }
    if (others > 0 && result->n_reasons > 0)
        printf("; other reasons (%" PRIu64 ")", others);
    putchar('\n');
}

static enum cnn_status print_result(const struct cnn_import_result *result, const char *path, bool json) {
    if (json)
        return cnn_json_print(json_pack(
            "{s:o, s:I, s:I, s:o, s:o, s:i, s:i, s:b}", "path", cnn_json_string(path), "records",
            (json_int_t)result->records, "quarantined", (json_int_t)result->quarantined, "quarantine_reasons",
            reasons_as_json(result), "ignored", ignored_as_json(&result->ignored), "num_classes",
            result->n_classes, "shards", result->n_shards, "was_there", result->was_there));
    printf("%s: %" PRIu64 " record%s of %d class%s in %d shard%s%s\n", path, result->records,
           result->records == 1 ? "" : "s", result->n_classes, result->n_classes == 1 ? "" : "es",
           result->n_shards, result->n_shards == 1 ? "" : "s",
           result->was_there ? "; it already exists" : "");
    if (result->quarantined > 0)
        print_quarantined(result, path);
    if (cnn_ignored_total(&result->ignored) > 0) {
        char text[320];
        cnn_ignored_format(text, sizeof text, &result->ignored);
        puts(text);
    }
    return CNN_OK;
}

// ---- on all ranks ----

// Every rank has made its shards, or failed; rank 0 puts them together. fresh: OUT held no half of an import,
// so that a refused one can be undone.
static enum cnn_status put_together(struct cnn_comm *comm, enum cnn_status mine,
                                    struct cnn_import_result *result,
                                    const struct cnn_import_options *options, bool fresh, bool there) {
    if (result->begun && !fresh)
        mine = cnn_error_after_changes(mine);
    enum cnn_status status = cnn_comm_agree(comm, mine);
    bool several = cnn_comm_size(comm) > 1, first = cnn_comm_rank(comm) == 0;
    if (status == CNN_OK) {
        mine = several && first ? cnn_import_finish(result, options) : CNN_OK;
        status = cnn_comm_agree(comm, fresh ? mine : cnn_error_after_changes(mine));
    }
    if (status == CNN_ERR_INPUT && several && first && fresh) { // then nothing shall be changed
        cnn_import_abandon(options);
        if (!there)
            rmdir(options->out);
    }
    return status;
}

static enum cnn_status import_on_ranks(struct cnn_import_request *request, cnn_import_kind kind,
                                       struct cnn_comm *comm) {
    struct cnn_import_options options = {0};
    struct cnn_import_result result = {0};
    struct watch watch = {.begun_s = cnn_clock_s(),
                          .shown_s = cnn_clock_s(),
                          .n_ranks = cnn_comm_size(comm),
                          .comm = comm,
                          .shows = cnn_comm_rank(comm) == 0 && !request->json};
    enum cnn_status status = make_options(&options, request, comm);
    options.progress = show;
    options.context = &watch;
    bool fresh = status == CNN_OK && !cnn_import_is_begun(&options), there = cnn_folder_exists(request->out);
    CNN_TRY(cnn_comm_agree(comm, status)); // also so that all have looked before one begins
    if (status == CNN_OK)
        status = kind(&result, request, &options);
    CNN_TRY(put_together(comm, status, &result, &options, fresh, there));
    if (cnn_console_progress())
        cnn_progress_end_line(cnn_console_progress());
    return cnn_comm_rank(comm) == 0 ? print_result(&result, options.out, request->json) : CNN_OK;
}

enum cnn_status cnn_import_with(const struct cnn_args *args, struct cnn_import_request *request,
                                cnn_import_kind kind, int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, args, argc, argv, comm));
    if (given.help)
        return CNN_OK;
    request->source = given.positional.n > 0 ? given.positional.items[0] : NULL;
    if (request->json)
        cnn_console_quiet();
    return import_on_ranks(request, kind, comm);
}
