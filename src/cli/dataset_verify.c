// `dataset verify DIR`.
#include "cli/args.h"
#include "cli/dataset.h"
#include "cli/json.h"

#include "base/clock.h"
#include "base/cpus.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/splits.h"
#include "data/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAMED 64 // bad records named by each rank; the rest is counted

// What one rank found; of one size, so that it can be gathered.
struct findings {
    struct cnn_verify_result result;
    int n;
    struct line {
        uint64_t record;
        char text[sizeof(((struct cnn_error *)0)->message)];
    } lines[MAX_NAMED];
};

static void note(struct findings *findings, uint64_t record, const char *reason) {
    if (findings->n == MAX_NAMED)
        return;
    struct line *line = &findings->lines[findings->n++];
    line->record = record;
    snprintf(line->text, sizeof line->text, "%s", reason);
}

static void note_record(void *context, const struct cnn_dataset *dataset, uint64_t i, const char *reason) {
    note(context, i, reason);
}

static void note_file(void *context, const char *reason) { note(context, 0, reason); }

static int by_record(const void *a, const void *b) {
    const struct line *x = a, *y = b;
    return (x->record > y->record) - (x->record < y->record);
}

static enum cnn_status print_findings(const char *path, const struct findings *all, int n_ranks, bool json) {
    struct cnn_verify_result sum = {0};
    uint64_t named = 0;
    json_t *bad = json_array();
    for (int r = 0; r < n_ranks; r++) {
        sum.records += all[r].result.records;
        sum.bytes += all[r].result.bytes;
        sum.bad += all[r].result.bad;
        for (int i = 0; i < all[r].n; i++) {
            cnn_json_append(&bad, cnn_json_string(all[r].lines[i].text));
            named++;
            if (!json)
                printf("bad: %s\n", all[r].lines[i].text);
        }
    }
    if (json) {
        json_t *object = json_pack("{s:o, s:b, s:I, s:I, s:I, s:o}", "path", cnn_json_string(path), "ok",
                                   sum.bad == 0, "records", (json_int_t)sum.records, "bytes",
                                   (json_int_t)sum.bytes, "bad", (json_int_t)sum.bad, "what", bad);
        return cnn_json_print(object);
    }
    json_decref(bad);
    if (sum.bad > named)
        printf("... and %" PRIu64 " more\n", sum.bad - named);
    char bytes[32];
    cnn_format_bytes(bytes, sizeof bytes, (double)sum.bytes);
    printf("%s: %" PRIu64 " records, %s, %" PRIu64 " bad\n", path, sum.records, bytes, sum.bad);
    return CNN_OK;
}

// The dataset does not open: say what is wrong with which file, beyond the first one.
static enum cnn_status report_files(const char *path, bool json, struct findings *mine) {
    int bad = 0;
    char **splits;
    size_t n_splits;
    struct cnn_error error;
    cnn_error_take(&error, CNN_ERR_INPUT);
    CNN_TRY(cnn_splits_list(&splits, &n_splits, path));
    cnn_names_free(splits, n_splits);
    if (n_splits > 0) // no damage: the wrong folder
        return cnn_error_give(&error);
    if (cnn_dataset_verify_files(&bad, path, note_file, mine) == CNN_OK) {
        if (bad == 0) { // each file is well, but they do not belong together
            note(mine, 0, error.message);
            bad = 1;
        }
        mine->result.bad = (uint64_t)bad;
        enum cnn_status printed = print_findings(path, mine, 1, json);
        if (printed != CNN_OK)
            return printed;
    }
    return cnn_error_give(&error);
}

static enum cnn_status verify_opened(const struct cnn_dataset *dataset, int threads, bool json,
                                     struct findings *mine, struct cnn_comm *comm) {
    int rank = cnn_comm_rank(comm), size = cnn_comm_size(comm);
    struct findings *all = NULL;
    enum cnn_status status =
        cnn_dataset_verify(&mine->result, dataset, rank, size, threads, note_record, mine);
    qsort(mine->lines, (size_t)mine->n, sizeof mine->lines[0], by_record); // threads find them in any order
    int64_t bad = (int64_t)mine->result.bad;
    if (status == CNN_OK && rank == 0)
        status = cnn_calloc(&all, (size_t)size, sizeof *all);
    status = cnn_comm_agree(comm, status);
    if (status == CNN_OK)
        status = cnn_comm_gather(comm, mine, sizeof *mine, all, 0);
    if (status == CNN_OK)
        status = cnn_comm_allreduce(comm, &bad, 1, CNN_COMM_I64, CNN_REDUCE_SUM);
    if (status == CNN_OK && rank == 0)
        status = print_findings(cnn_dataset_path(dataset), all, size, json);
    free(all);
    if (status == CNN_OK && bad > 0)
        status = cnn_fail(CNN_ERR_INPUT, "%s: %" PRId64 " of %" PRIu64 " records are bad",
                          cnn_dataset_path(dataset), bad, cnn_dataset_count(dataset));
    return status;
}

static enum cnn_status verify(const char *path, int64_t threads, bool json, struct cnn_comm *comm) {
    struct cnn_dataset *dataset = NULL;
    struct findings *mine;
    if (threads == 0)
        threads = cnn_cpus_share(cnn_comm_local_size(comm));
    CNN_TRY(cnn_calloc(&mine, 1, sizeof *mine));
    enum cnn_status status = cnn_dataset_open(&dataset, path);
    if (status == CNN_ERR_INPUT && cnn_comm_rank(comm) == 0)
        status = report_files(path, json, mine);
    status = cnn_comm_agree(comm, status);
    if (status == CNN_OK)
        status = verify_opened(dataset, (int)threads, json, mine, comm);
    cnn_dataset_close(dataset);
    free(mine);
    return status;
}

enum cnn_status cnn_cmd_dataset_verify(int argc, char **argv, struct cnn_comm *comm) {
    bool json = false;
    int64_t threads = 0;
    const struct cnn_flag flags[] = {
        CNN_INT_FLAG("threads", &threads, "N", 0, 1024, "threads per rank (0: one per processor)"),
        CNN_BOOL_FLAG("json", &json, "print the result as one JSON document"),
    };
    const struct cnn_args args = {
        .usage = "cnn_dist dataset verify DIR [options]",
        .summary =
            "Reads, verifies and decodes every record, and lists the bad ones. The exit code is 0 if there "
            "are none. Under\nmpirun, the ranks share the work.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof *flags,
        .least_positional = 1,
        .most_positional = 1,
    };
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    return given.help ? CNN_OK : verify(given.positional.items[0], threads, json, comm);
}
