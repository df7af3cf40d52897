#include "train/metrics.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/json_line.h"
#include "train/metrics_rewind.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cnn_metrics_file {
    char path[4096];
    int fd;
    const struct cnn_owner *owner;
    int64_t lost; // lines that could not be written since the last one that could
    int error;    // why, errno
    off_t end_at; // where the `end` begins that is the last line; negative: another line is
};

bool cnn_metrics_is_ended(const char *path) {
    char text[CNN_JSON_LINE_BYTES];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    const off_t first = size > (off_t)sizeof text ? size - (off_t)sizeof text : 0;
    const ssize_t n = size > 0 ? pread(fd, text, (size_t)(size - first), first) : 0;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return true; // nothing was begun
    const char *newline = n > 1 ? memrchr(text, '\n', (size_t)n - 1) : NULL;
    const char *last = newline ? newline + 1 : text;
    json_t *object = json_loadb(last, (size_t)(text + n - last), 0, NULL);
    const char *kind = json_string_value(json_object_get(object, "kind"));
    const bool ended = kind && strcmp(kind, "end") == 0;
    json_decref(object);
    return ended;
}

enum cnn_status cnn_metrics_open(struct cnn_metrics_file **out, const char *path, int64_t resumed_step,
                                 const struct cnn_owner *owner) {
    struct cnn_metrics_file *file = NULL;
    if (resumed_step >= 0)
        CNN_TRY(cnn_metrics_rewind(path, resumed_step));
    CNN_TRY(cnn_calloc(&file, 1, sizeof *file));
    file->fd = file->end_at = -1;
    file->owner = owner;
    enum cnn_status status = cnn_path_format(file->path, sizeof file->path, "%s", path);
    if (status == CNN_OK) {
        file->fd =
            open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (resumed_step < 0 ? O_TRUNC : 0), 0666);
        if (file->fd < 0)
            status = cnn_fail(CNN_ERR_INPUT, "cannot write %s: %s", path, strerror(errno));
    }
    if (status != CNN_OK) {
        cnn_metrics_close(file);
        return status;
    }
    *out = file;
    return CNN_OK;
}

void cnn_metrics_close(struct cnn_metrics_file *file) {
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    free(file);
}

static void write_start(struct cnn_json_line *line, const struct cnn_event_start *start) {
    cnn_json_text(line, "name", start->name);
    cnn_json_text(line, "arch", start->arch);
    cnn_json_text(line, "backend", start->backend);
    cnn_json_text(line, "version", start->version);
    cnn_json_int(line, "parameters", (int64_t)start->parameters);
    cnn_json_int(line, "classes", start->classes);
    cnn_json_int(line, "train_records", (int64_t)start->train_records);
    cnn_json_int(line, "val_records", (int64_t)start->val_records);
    cnn_json_exact(line, "epochs", start->epochs);
    cnn_json_int(line, "steps_per_epoch", (int64_t)start->steps_per_epoch);
    cnn_json_int(line, "total_steps", (int64_t)start->total_steps);
    cnn_json_int(line, "ranks", start->ranks);
    cnn_json_int(line, "hosts", start->hosts);
    if (start->host_ranks)
        cnn_json_text(line, "host_ranks", start->host_ranks);
    if (start->job)
        cnn_json_text(line, "job", start->job);
    cnn_json_int(line, "compute_threads", start->compute_threads);
    cnn_json_int(line, "loader_threads", start->loader_threads);
    cnn_json_int(line, "global_batch", start->global_batch);
    cnn_json_int(line, "micro_batch", start->micro_batch);
}

static void write_step(struct cnn_json_line *line, const struct cnn_event_step *step) {
    cnn_json_exact(line, "loss", step->loss);
    cnn_json_exact(line, "top1", step->top1);
    cnn_json_exact(line, "lr", step->lr);
    cnn_json_rounded(line, "images_per_s", step->images_per_s);
    cnn_json_rounded(line, "step_s", step->step_s);
    cnn_json_rounded(line, "data_wait_s", step->data_wait_s);
    cnn_json_rounded(line, "comm_wait_s", step->comm_wait_s);
    if (step->loss_scale == 0)
        return;
    cnn_json_exact(line, "loss_scale", step->loss_scale);
    cnn_json_exact(line, "skipped_steps", (double)step->skipped_steps);
}

static void write_epoch(struct cnn_json_line *line, const struct cnn_event_epoch *epoch) {
    cnn_json_exact(line, "loss", epoch->loss);
    cnn_json_exact(line, "top1", epoch->top1);
    cnn_json_exact(line, "top5", epoch->top5);
    cnn_json_rounded(line, "train_s", epoch->train_s);
    cnn_json_rounded(line, "images_per_s", epoch->images_per_s);
    if (epoch->bad_records > 0)
        cnn_json_int(line, "bad_records", (int64_t)epoch->bad_records);
}

static void write_eval(struct cnn_json_line *line, const struct cnn_event_eval *eval) {
    cnn_json_exact(line, "top1", eval->top1);
    cnn_json_exact(line, "top5", eval->top5);
    cnn_json_exact(line, "loss", eval->loss);
    cnn_json_int(line, "n", (int64_t)eval->n);
    cnn_json_rounded(line, "seconds", eval->seconds);
    cnn_json_bool(line, "best", eval->best);
}

static void write_checkpoint(struct cnn_json_line *line, const struct cnn_event_checkpoint *checkpoint) {
    cnn_json_text(line, "file", checkpoint->file);
    cnn_json_int(line, "bytes", (int64_t)checkpoint->bytes);
    cnn_json_rounded(line, "seconds", checkpoint->seconds);
    cnn_json_bool(line, "best", checkpoint->best);
}

static void write_phase(struct cnn_json_line *line, const struct cnn_event_phase *phase) {
    cnn_json_text(line, "event", "phase");
    cnn_json_text(line, "message", phase->message);
    cnn_json_int(line, "height", phase->height);
    cnn_json_int(line, "width", phase->width);
    cnn_json_int(line, "global_batch", phase->global_batch);
    cnn_json_int(line, "micro_batch", phase->micro_batch);
    cnn_json_int(line, "steps_per_epoch", (int64_t)phase->steps_per_epoch);
    cnn_json_exact(line, "rate", phase->rate);
}

static void write_note(struct cnn_json_line *line, const struct cnn_event_note *note) {
    cnn_json_text(line, "event", note->name);
    cnn_json_text(line, "message", note->message);
}

static void write_end(struct cnn_json_line *line, const struct cnn_event_end *end) {
    cnn_json_text(line, "status", end->status);
    if (end->message)
        cnn_json_text(line, "message", end->message);
    if (end->best_step >= 0) {
        cnn_json_exact(line, "best_top1", end->best_top1);
        cnn_json_int(line, "best_step", end->best_step);
    }
    cnn_json_rounded(line, "seconds", end->seconds);
}

static void write_event(struct cnn_json_line *line, const struct cnn_event *event) {
    static const char *const kinds[CNN_N_EVENTS] = {"start",      "step",  "epoch", "eval",
                                                    "checkpoint", "event", "event", "end"};
    char now[32];
    cnn_clock_iso8601_ms(now);
    cnn_json_begin(line, kinds[event->kind]);
    cnn_json_text(line, "time", now);
    cnn_json_int(line, "epoch", (int64_t)event->epoch);
    cnn_json_int(line, "step", (int64_t)event->step);
    switch (event->kind) {
    case CNN_EVENT_START:
        write_start(line, &event->start);
        break;
    case CNN_EVENT_STEP:
        write_step(line, &event->progress);
        break;
    case CNN_EVENT_EPOCH:
        write_epoch(line, &event->whole_epoch);
        break;
    case CNN_EVENT_EVAL:
        write_eval(line, &event->eval);
        break;
    case CNN_EVENT_CHECKPOINT:
        write_checkpoint(line, &event->checkpoint);
        break;
    case CNN_EVENT_PHASE:
        write_phase(line, &event->phase);
        break;
    case CNN_EVENT_NOTE:
        write_note(line, &event->note);
        break;
    case CNN_EVENT_END:
        write_end(line, &event->end);
        break;
    case CNN_N_EVENTS:
        break;
    }
    cnn_json_end(line);
}

// Whole or not at all, however this process ends. Returns 0 or errno.
static int append(const struct cnn_metrics_file *file, const struct cnn_event *event) {
    struct cnn_json_line line;
    write_event(&line, event);
    return cnn_file_append(file->fd, line.text, line.n);
}

static int mark_gap(const struct cnn_metrics_file *file, const struct cnn_event *next) {
    char message[200];
    snprintf(message, sizeof message, "%" PRId64 " line%s missing here: %s", file->lost,
             file->lost == 1 ? " is" : "s are", strerror(file->error));
    struct cnn_event gap = {.kind = CNN_EVENT_NOTE,
                            .epoch = next->epoch,
                            .step = next->step,
                            .note = {.name = "metrics_gap", .message = message, .warning = true}};
    return append(file, &gap);
}

// An `end` is the last line. Where the run goes on after one, it was not the end.
static int take_back_end(struct cnn_metrics_file *file) {
    const off_t end_at = file->end_at;
    file->end_at = -1;
    return end_at >= 0 && ftruncate(file->fd, end_at) != 0 ? errno : 0;
}

enum cnn_status cnn_metrics_write(struct cnn_metrics_file *file, const struct cnn_event *event) {
    if (event->kind == CNN_EVENT_STEP && !event->progress.logged)
        return CNN_OK;
    enum cnn_status status = cnn_owner_check(file->owner);
    if (status == CNN_ERR_FAILED)
        return status;
    int error = status == CNN_OK ? 0 : EIO;
    if (error == 0)
        error = take_back_end(file);
    if (error == 0 && file->lost > 0)
        error = mark_gap(file, event);
    if (error == 0) {
        file->lost = 0;
        file->end_at = event->kind == CNN_EVENT_END ? lseek(file->fd, 0, SEEK_END) : -1;
        error = append(file, event);
    }
    if (error == 0)
        return CNN_OK;
    file->lost++;
    file->error = error;
    return cnn_fail(CNN_ERR_IO, "cannot write %s: %s", file->path, strerror(error));
}
