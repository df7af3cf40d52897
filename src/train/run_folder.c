#include "train/run_folder.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum cnn_status cnn_run_folder_init(struct cnn_run_folder *out, const struct cnn_config *config) {
    *out = (struct cnn_run_folder){0};
    CNN_TRY(cnn_path_format(out->path, 4096, "%s/%s", config->run.dir, config->run.name));
    CNN_TRY(cnn_path_format(out->checkpoints, 4096, "%s/checkpoints", out->path));
    CNN_TRY(cnn_path_format(out->config, 4096, "%s/config.yaml", out->path));
    CNN_TRY(cnn_path_format(out->metrics, 4096, "%s/metrics.jsonl", out->path));
    return cnn_path_format(out->log, 4096, "%s/log.txt", out->path);
}

// The folder itself, or else the nearest one above it that exists, must let us write.
static enum cnn_status check_writable(const char *path) {
    char at[4096];
    enum cnn_status status = cnn_folder_nearest(at, path);
    if (status != CNN_OK)
        return cnn_fail(status, "cannot make the run folder %s: %s; choose another run.dir or run.name", path,
                        cnn_error_message());
    if (access(at, W_OK | X_OK) != 0)
        return cnn_fail(CNN_ERR_INPUT, "cannot write the run folder %s: %s: %s; choose another run.dir", path,
                        at, strerror(errno));
    return CNN_OK;
}

enum cnn_status cnn_run_folder_check(const struct cnn_run_folder *folder) {
    return check_writable(folder->checkpoints);
}

enum cnn_status cnn_run_folder_create(const struct cnn_run_folder *folder) {
    enum cnn_status status = cnn_folder_create(folder->checkpoints);
    return status == CNN_OK ? status : cnn_fail_in(status, "run.dir");
}

static void write_line(void *context, enum cnn_log_level level, const char *line) {
    static const char *const words[] = {"debug", "info", "warning", "error"};
    char now[32];
    cnn_clock_iso8601(now);
    fprintf(context, "%s %s: %s\n", now, words[level], line);
    fflush(context);
}

enum cnn_status cnn_run_folder_open_log(struct cnn_run_folder *folder) {
    if (folder->log_file)
        return CNN_OK;
    FILE *file = fopen(folder->log, "ae");
    if (!file)
        return cnn_fail(CNN_ERR_INPUT, "cannot write %s: %s", folder->log, strerror(errno));
    enum cnn_status status = cnn_log_add_sink(write_line, file, CNN_LOG_INFO);
    if (status != CNN_OK) {
        fclose(file);
        return status;
    }
    folder->log_file = file;
    return CNN_OK;
}

void cnn_run_folder_finish(struct cnn_run_folder *folder) {
    if (!folder->log_file)
        return;
    cnn_log_remove_sink(write_line, folder->log_file);
    fclose(folder->log_file);
    folder->log_file = NULL;
}
