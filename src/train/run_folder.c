#include "train/run_folder.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum cnn_status cnn_run_folder_init(struct cnn_run_folder *out, const struct cnn_config *config) {
    *out = (struct cnn_run_folder){.log_fd = -1};
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
        return cnn_fail(status, "cannot create the run folder %s: %s; choose another run.dir or run.name",
                        path, cnn_error_message());
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

// Temporary files of writers that were killed: base/file names them .NAME.tmp-PID-NUMBER. Only those of files
// that a run writes: others may put files here as well.
static void sweep(const char *path, const char *const *prefixes) {
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));)
        for (const char *const *prefix = prefixes; *prefix; prefix++)
            if (strncmp(entry->d_name, *prefix, strlen(*prefix)) == 0 && strstr(entry->d_name, ".tmp-"))
                (void)unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
}

enum cnn_status cnn_run_folder_own(struct cnn_run_folder *folder) {
    static const char *const of_run[] = {".config.yaml.", ".owner.", NULL}, *const of_checkpoints[] = {
                                                                                ".step-", ".latest.",
                                                                                ".best.", NULL};
    struct cnn_owner_options options = {
        .folder = folder->path,
        .name = "owner",
        .what = "run folder",
        .advice = "wait for it to end, stop it, or give this run another name (--set run.name=...)",
    };
    if (folder->owner)
        return CNN_OK;
    CNN_TRY(cnn_owner_take(&folder->owner, &options));
    sweep(folder->path, of_run);
    sweep(folder->checkpoints, of_checkpoints);
    return CNN_OK;
}

// The line is in the file whole, or not at all. Returns 0 or errno.
static int append(const struct cnn_run_folder *folder, enum cnn_log_level level, const char *line) {
    static const char *const words[] = {"debug", "info", "warning", "error"};
    char now[32], text[4200];
    cnn_clock_iso8601(now);
    int n = snprintf(text, sizeof text, "%s %s: %s\n", now, words[level], line);
    return cnn_file_append(folder->log_fd, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static void write_line(void *context, enum cnn_log_level level, const char *line) {
    struct cnn_run_folder *folder = context;
    char gap[160];
    if (!cnn_owner_holds(folder->owner))
        return;
    if (folder->log_lost > 0) {
        snprintf(gap, sizeof gap, "%" PRId64 " lines are missing here: %s", folder->log_lost,
                 strerror(folder->log_error));
        if (append(folder, CNN_LOG_WARN, gap) == 0)
            folder->log_lost = 0;
    }
    int error = append(folder, level, line);
    if (error == 0)
        return;
    folder->log_lost++;
    folder->log_error = error;
}

enum cnn_status cnn_run_folder_open_log(struct cnn_run_folder *folder) {
    if (folder->log_fd >= 0)
        return CNN_OK;
    int fd = open(folder->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return cnn_fail(CNN_ERR_INPUT, "cannot write %s: %s", folder->log, strerror(errno));
    enum cnn_status status = cnn_log_add_sink(write_line, folder, CNN_LOG_INFO);
    if (status != CNN_OK) {
        close(fd);
        return status;
    }
    folder->log_fd = fd;
    if (cnn_owner_taken_from(folder->owner))
        cnn_log_warn("took over run folder %s from %s", folder->path, cnn_owner_taken_from(folder->owner));
    return CNN_OK;
}

void cnn_run_folder_finish(struct cnn_run_folder *folder) {
    if (folder->log_fd >= 0 && folder->path[0]) {
        cnn_log_remove_sink(write_line, folder);
        close(folder->log_fd);
        folder->log_fd = -1;
    }
    cnn_owner_release(folder->owner);
    folder->owner = NULL;
}
