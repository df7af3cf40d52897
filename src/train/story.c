#include "train/story.h"

#include "base/clock.h"
#include "base/log.h"
#include "train/announce.h"
#include "train/phases.h"
#include <cnn_dist/version.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cnn_story_trouble(struct cnn_story *story, enum cnn_status status) {
    if (status != CNN_OK && story->trouble.status == CNN_OK)
        cnn_error_take(&story->trouble, status);
}

// A line that cannot be written is no reason to end a run; that the run folder is another process's is.
static void write_metrics(struct cnn_story *story, const struct cnn_event *event) {
    enum cnn_status status = cnn_metrics_write(story->run->outputs.metrics, event);
    if (status == CNN_ERR_IO && !story->metrics_warned) {
        cnn_log_warn("%s; training goes on, and lines are missing there until it can be written",
                     cnn_error_message());
        story->metrics_warned = true;
    } else if (status != CNN_ERR_IO) {
        cnn_story_trouble(story, status);
    }
}

static void check_log(struct cnn_story *story) {
    const struct cnn_run_folder *folder = &story->run->outputs.folder;
    if (folder->log_error == 0 || story->log_warned)
        return;
    story->log_warned = true;
    cnn_log_warn("cannot write %s: %s; training goes on, and lines are missing there until it can be written",
                 folder->log, strerror(folder->log_error));
}

// On rank 0.
static struct cnn_event end_of(const struct cnn_run *run, const char *status, const char *message) {
    const struct cnn_best best = cnn_saver_best(run->outputs.saver);
    return (struct cnn_event){
        .kind = CNN_EVENT_END,
        .end = {.status = status, .message = message, .best_top1 = best.top1, .best_step = best.step}};
}

// With the lock held.
static void note_place(struct cnn_story *story, const struct cnn_event *event) {
    story->begun = true;
    story->ended |= event->kind == CNN_EVENT_END;
    story->last = end_of(story->run, "failed", NULL);
    story->last.epoch = event->epoch;
    story->last.step = event->step;
}

void cnn_story_lost(struct cnn_story *story, const char *reason) {
    pthread_mutex_lock(&story->lock);
    if (story->begun && !story->ended) {
        story->last.end.message = reason;
        story->last.end.seconds = cnn_clock_s() - story->start_s;
        write_metrics(story, &story->last);
    }
    pthread_mutex_unlock(&story->lock);
    cnn_log_warn("%s", reason);
}

static void emit(struct cnn_story *story, struct cnn_event event) {
    const struct cnn_run *run = story->run;
    if (run->place.rank != 0)
        return;
    if (event.epoch == 0)
        event.epoch = (uint64_t)cnn_timeline_epoch(&run->plan.timeline, run->record.state.step);
    if (event.step == 0)
        event.step = (uint64_t)run->record.state.step;
    pthread_mutex_lock(&story->lock);
    note_place(story, &event);
    write_metrics(story, &event);
    pthread_mutex_unlock(&story->lock);
    check_log(story);
    if (run->options->on_event)
        run->options->on_event(run->options->event_context, &event);
    cnn_announce(&event);
}

void cnn_story_note(struct cnn_story *story, const char *name, const char *message, bool warning) {
    emit(story, (struct cnn_event){.kind = CNN_EVENT_NOTE,
                                   .note = {.name = name, .message = message, .warning = warning}});
}

static struct cnn_event_start describe_start(const struct cnn_run *run) {
    const struct cnn_phase_plan *plan = &run->plan.phases[run->phase];
    return (struct cnn_event_start){
        .name = run->config.run.name,
        .arch = run->model->arch,
        .backend = cnn_backend_description(run->backend),
        .version = cnn_dist_version(),
        .parameters = cnn_model_count(run->model),
        .train_records = plan->sampler.n_records,
        .val_records = run->inputs.val ? cnn_dataset_count(run->inputs.val) : 0,
        .steps_per_epoch = (uint64_t)plan->steps_per_epoch,
        .total_steps = (uint64_t)run->plan.timeline.total_steps,
        .epochs = run->config.train.epochs,
        .ranks = run->place.size,
        .hosts = cnn_comm_hosts(run->comm),
        .host_ranks = run->host_ranks,
        .job = getenv("SLURM_JOB_ID"),
        .compute_threads = run->threads.compute,
        .loader_threads = run->threads.loader,
        .global_batch = plan->sampler.global,
        .micro_batch = plan->sampler.micro,
        .classes = run->inputs.classes,
    };
}

void cnn_story_start(struct cnn_story *story) {
    const struct cnn_run *run = story->run;
    char message[160];
    emit(story, (struct cnn_event){.kind = CNN_EVENT_START, .start = describe_start(run)});
    if (run->place.rank == 0 && run->outputs.unended)
        cnn_story_note(story, "unended",
                       "the previous job ended without saying so: it was killed, or its host failed", true);
    if (!run->resumed)
        return;
    snprintf(message, sizeof message, "resuming after step %" PRId64 " of %" PRId64 " with %d rank%s",
             run->record.state.step, run->plan.timeline.total_steps, run->place.size,
             run->place.size == 1 ? "" : "s");
    cnn_story_note(story, "resumed", message, false);
}

static void tally_add(struct cnn_tally *tally, const struct cnn_step_report *sums, double seconds,
                      double cost, int size) {
    tally->cost += cost;
    tally->seconds += seconds;
    tally->images += sums->n;
    tally->step_s += sums->seconds / size;
    tally->data_wait_s += sums->data_wait_s / size;
    tally->comm_wait_s += sums->comm_wait_s / size;
    tally->steps++;
}

static double rate_of(const struct cnn_tally *tally) {
    return tally->seconds > 0 ? tally->images / tally->seconds : 0;
}

static void tell_bad_records(struct cnn_story *story, const struct cnn_step_report *sums) {
    char message[96];
    if (sums->bad_records <= 0)
        return;
    snprintf(message, sizeof message, "%.0f record%s could not be used and %s replaced", sums->bad_records,
             sums->bad_records == 1 ? "" : "s", sums->bad_records == 1 ? "was" : "were");
    cnn_story_note(story, "bad_records", message, true);
}

static void tell_overflow(struct cnn_story *story, const struct cnn_step_report *sums) {
    char message[128];
    if (sums->overflow <= 0)
        return;
    snprintf(message, sizeof message,
             "the gradients overflowed: the update was skipped, and the loss scale is now %g",
             story->run->record.state.loss_scale);
    cnn_story_note(story, "overflow", message, false);
}

static void tell_step(struct cnn_story *story, const struct cnn_step_report *sums, double lr, bool logged) {
    const struct cnn_run *run = story->run;
    struct cnn_tally *window = &story->window;
    double steps = (double)window->steps;
    struct cnn_event_step step = {
        .loss = sums->loss / sums->n,
        .top1 = 100 * sums->top1 / sums->n,
        .lr = lr,
        .images_per_s = rate_of(window),
        .images_per_s_mean = rate_of(&story->whole),
        .step_s = window->step_s / steps,
        .data_wait_s = window->data_wait_s / steps,
        .comm_wait_s = window->comm_wait_s / steps,
        .loss_scale = run->record.state.loss_scale,
        .skipped_steps = run->record.state.skipped_steps,
        .eta_s = story->whole.seconds / story->whole.cost * cnn_phases_cost_left(run),
        .total_steps = (uint64_t)run->plan.timeline.total_steps,
        .epochs_done = cnn_timeline_epochs(&run->plan.timeline, run->record.state.step),
        .epochs = run->config.train.epochs,
        .logged = logged,
    };
    emit(story, (struct cnn_event){.kind = CNN_EVENT_STEP, .progress = step});
    if (logged)
        *window = (struct cnn_tally){0};
}

void cnn_story_step(struct cnn_story *story, const struct cnn_step_report *sums, double lr, double seconds,
                    bool logged) {
    const struct cnn_run *run = story->run;
    struct cnn_tally *tallies[] = {&story->window, &story->epoch, &story->whole};
    for (size_t i = 0; i < sizeof tallies / sizeof tallies[0]; i++)
        tally_add(tallies[i], sums, seconds, run->step_cost[run->phase], run->place.size);
    story->epoch_bad += sums->bad_records;
    tell_step(story, sums, lr, logged);
    tell_bad_records(story, sums);
    tell_overflow(story, sums);
}

void cnn_story_epoch(struct cnn_story *story) {
    const struct cnn_epoch_sums *sums = &story->run->record.state.sums;
    if (sums->n > 0)
        emit(story, (struct cnn_event){.kind = CNN_EVENT_EPOCH,
                                       .whole_epoch = {
                                           .loss = sums->loss / sums->n,
                                           .top1 = 100 * sums->top1 / sums->n,
                                           .top5 = 100 * sums->top5 / sums->n,
                                           .train_s = story->epoch.seconds,
                                           .images_per_s = rate_of(&story->epoch),
                                           .bad_records = story->epoch_bad,
                                       }});
    story->epoch = (struct cnn_tally){0};
    story->epoch_bad = 0;
}

void cnn_story_phase(struct cnn_story *story) {
    char message[256];
    cnn_phase_describe(story->run, story->run->phase, message, sizeof message);
    emit(story, cnn_phase_event(story->run, message));
}

void cnn_story_evaluation(struct cnn_story *story, const struct cnn_evaluation *result, bool best) {
    emit(story, (struct cnn_event){.kind = CNN_EVENT_EVAL,
                                   .eval = {.loss = result->loss,
                                            .top1 = result->top1,
                                            .top5 = result->top5,
                                            .seconds = result->seconds,
                                            .n = result->n,
                                            .best = best}});
}

// Training goes on: the saver tries again.
static void tell_failed_save(struct cnn_story *story, const struct cnn_save_result *result) {
    char message[sizeof result->error.message + 128], again[48] = "";
    if (result->retry_s > 0)
        snprintf(again, sizeof again, "; trying again in %.0f s", result->retry_s);
    snprintf(message, sizeof message, "the checkpoint of step %" PRId64 " was not saved: %s%s", result->step,
             result->error.message, again);
    cnn_story_note(story, "checkpoint_failed", message, true);
    if (result->retry_s == 0)
        cnn_story_trouble(story, cnn_fail(result->error.status, "%s", message));
}

void cnn_story_save(struct cnn_story *story, const struct cnn_save_result *result) {
    if (result->error.status != CNN_OK) {
        tell_failed_save(story, result);
        return;
    }
    emit(story, (struct cnn_event){.kind = CNN_EVENT_CHECKPOINT,
                                   .epoch = (uint64_t)result->epoch,
                                   .step = (uint64_t)result->step,
                                   .checkpoint = {.file = result->file,
                                                  .bytes = result->bytes,
                                                  .seconds = result->seconds,
                                                  .best = result->best}});
}

void cnn_story_end(struct cnn_story *story, const struct cnn_error *how) {
    struct cnn_event end;
    if (story->run->place.rank != 0)
        return;
    end = end_of(story->run,
                 how->status == CNN_OK        ? "done"
                 : how->status == CNN_STOPPED ? "stopped"
                                              : "failed",
                 how->status == CNN_OK ? NULL : how->message);
    end.end.seconds = cnn_clock_s() - story->start_s;
    emit(story, end);
}
