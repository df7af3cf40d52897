#include "cli/console.h"

#include <stdatomic.h>
#include <stdio.h>

static struct {
    struct cnn_progress *progress;
    int rank, size;
    bool terminal;
    atomic_bool quiet;
} console;

static void show(void *context, enum cnn_log_level level, const char *line) {
    if (level < CNN_LOG_WARN && atomic_load(&console.quiet))
        return;
    if (console.progress)
        cnn_progress_log(console.progress, level, line);
    else if (console.size == 0)
        fprintf(stderr, "cnn_dist: %s: %s\n", level == CNN_LOG_ERROR ? "error" : "warning", line);
    else
        fprintf(stderr, "rank %d: %s: %s\n", console.rank, level == CNN_LOG_ERROR ? "error" : "warning",
                line);
}

enum cnn_status cnn_console_begin(void) { return cnn_log_add_sink(show, NULL, CNN_LOG_WARN); }

enum cnn_status cnn_console_open(int rank, int size) {
    console.rank = rank;
    console.size = size;
    if (rank == 0) {
        struct cnn_progress_options options = cnn_progress_options_for(stderr, 0);
        CNN_TRY(cnn_progress_create(&console.progress, stderr, &options));
        console.terminal = options.terminal;
    }
    cnn_log_remove_sink(show, NULL);
    return cnn_log_add_sink(show, NULL, rank == 0 ? CNN_LOG_INFO : CNN_LOG_WARN);
}

void cnn_console_close(void) {
    cnn_log_remove_sink(show, NULL);
    cnn_progress_destroy(console.progress);
    console.progress = NULL;
}

struct cnn_progress *cnn_console_progress(void) {
    return console.progress;
}

bool cnn_console_is_terminal(void) { return console.terminal; }

void cnn_console_quiet(void) { atomic_store(&console.quiet, true); }

void cnn_console_error(const char *message) {
    if (console.progress)
        cnn_progress_end_line(console.progress);
    fprintf(stderr, "cnn_dist: error: %s\n", message);
}
