#include "train/announce.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <string.h>

static void announce_epoch(const struct cnn_event *event) {
    const struct cnn_event_epoch *epoch = &event->whole_epoch;
    char duration[32];
    cnn_format_duration(duration, sizeof duration, epoch->train_s);
    cnn_log_info("epoch %" PRIu64 "    trained: loss %.4f, top1 %.2f %%, %.0f images/s, %s", event->epoch,
                 epoch->loss, epoch->top1, epoch->images_per_s, duration);
}

static void announce_eval(const struct cnn_event *event) {
    const struct cnn_event_eval *eval = &event->eval;
    char duration[32];
    cnn_format_duration(duration, sizeof duration, eval->seconds);
    cnn_log_info(
        "epoch %" PRIu64 "    evaluated: top1 %.2f %%, top5 %.2f %%, loss %.4f, %" PRIu64 " records, %s%s",
        event->epoch, eval->top1, eval->top5, eval->loss, eval->n, duration, eval->best ? ", new best" : "");
}

static void announce_checkpoint(const struct cnn_event *event) {
    char bytes[32];
    cnn_format_bytes(bytes, sizeof bytes, (double)event->checkpoint.bytes);
    cnn_log_info("epoch %" PRIu64 "    saved %s, %s", event->epoch, event->checkpoint.file, bytes);
}

static void announce_note(const struct cnn_event *event) {
    if (event->note.warning)
        cnn_log_warn("%s: %s", event->note.name, event->note.message);
    else
        cnn_log_info("%s: %s", event->note.name, event->note.message);
}

static void announce_end(const struct cnn_event *event) {
    const struct cnn_event_end *end = &event->end;
    char duration[32];
    cnn_format_duration(duration, sizeof duration, end->seconds);
    if (strcmp(end->status, "failed") == 0)
        cnn_log_info("failed after step %" PRIu64 ", %s: %s", event->step, duration, end->message);
    else if (strcmp(end->status, "stopped") == 0)
        cnn_log_info("stopped after step %" PRIu64 ", %s; the same command resumes", event->step, duration);
    else
        cnn_log_info("%s after step %" PRIu64 ", %s", end->status, event->step, duration);
}

void cnn_announce(const struct cnn_event *event) {
    switch (event->kind) {
    case CNN_EVENT_EPOCH:
        announce_epoch(event);
        break;
    case CNN_EVENT_EVAL:
        announce_eval(event);
        break;
    case CNN_EVENT_CHECKPOINT:
        announce_checkpoint(event);
        break;
    case CNN_EVENT_PHASE:
        if (event->step > 1) // the banner tells the first one
            cnn_log_info("phase      %s", event->phase.message);
        break;
    case CNN_EVENT_NOTE:
        announce_note(event);
        break;
    case CNN_EVENT_END:
        announce_end(event);
        break;
    default: // the banner says it, or the progress line
        break;
    }
}
