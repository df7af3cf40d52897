#include "train/trainer.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "train/banner.h"
#include "train/phases.h"
#include "train/setup.h"
#include "train/story.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

// How often, and after how many seconds each, the last checkpoint of a run is tried again.
static const double last_retries_s[] = {0.5, 1, 2, 4};

static const char saving[] = "saving a checkpoint"; // what the ranks that wait are told

struct trainer {
    const struct cnn_train_options *options;
    struct cnn_run *run; // NULL before it is set up
    struct cnn_story story;
    struct cnn_error save_error; // rank 0: of the last save
};

static struct cnn_run_state *state_of(struct trainer *trainer) { return &trainer->run->record.state; }

static void end_epoch(struct trainer *trainer) {
    struct cnn_run_state *state = state_of(trainer);
    cnn_story_epoch(&trainer->story);
    if (!cnn_timeline_ends_epoch(&trainer->run->plan.timeline, state->step))
        return; // the run ends inside an epoch
    state->sums = (struct cnn_epoch_sums){0};
    state->epoch++;
    state->position = 0;
}

static void count_step(struct trainer *trainer, const struct cnn_step_report *sums) {
    struct cnn_run_state *state = state_of(trainer);
    state->step++;
    state->position += trainer->run->record.facts.global;
    cnn_optimizer_tell(trainer->run->worker->optimizer, state);
    state->sums.loss += sums->loss;
    state->sums.top1 += sums->top1;
    state->sums.top5 += sums->top5;
    state->sums.n += sums->n;
}

// Rank 0: a worse one than the run's best may be the best there is on disk, after a save that failed.
static bool is_best_on_disk(const struct trainer *trainer, double top1) {
    return trainer->run->place.rank == 0 && cnn_saver_is_better(trainer->run->outputs.saver, top1);
}

static bool count_evaluation(struct trainer *trainer, const struct cnn_evaluation *result) {
    if (!isfinite(result->loss))
        cnn_story_note(
            &trainer->story, "evaluation_not_finite",
            "the loss of the evaluation is not finite, so it does not count for the best checkpoint", true);
    return cnn_record_evaluation(state_of(trainer), result->loss, result->top1);
}

// *interrupted: a stop was asked for meanwhile, and the evaluation is due again. *best: to be saved at once,
// as the best checkpoint. Collective.
static enum cnn_status evaluate(struct trainer *trainer, bool *interrupted, bool *best) {
    struct cnn_run *run = trainer->run;
    struct cnn_evaluation result;
    CNN_TRY(
        cnn_evaluator_run(run->evaluator, run->options->stop_requested, run->options->stop_context, &result));
    state_of(trainer)->evaluation_due = *interrupted = result.interrupted;
    *best = false;
    if (result.interrupted)
        return CNN_OK;
    bool of_run = count_evaluation(trainer, &result);
    *best = of_run || (isfinite(result.loss) && is_best_on_disk(trainer, result.top1));
    cnn_story_evaluation(&trainer->story, &result, of_run);
    return CNN_OK;
}

// Rank 0: tells how the save in progress ended, if it has. `wait`: until it has; the other ranks wait for
// this one and are told why.
static void collect_save(struct trainer *trainer, bool wait) {
    struct cnn_save_result result;
    if (trainer->run->place.rank != 0)
        return;
    if (wait)
        cnn_comm_set_task(trainer->run->comm, saving);
    if (cnn_saver_collect(trainer->run->outputs.saver, wait, &result)) {
        trainer->save_error = result.error;
        cnn_story_save(&trainer->story, &result);
    }
    if (wait)
        cnn_comm_set_task(trainer->run->comm, NULL);
}

static enum cnn_status take_snapshot(struct cnn_run *run) {
    struct cnn_snapshot *snapshot = cnn_saver_snapshot(run->outputs.saver);
    CNN_TRY(
        cnn_snapshot_take(snapshot, run->worker->replica, cnn_optimizer_velocity(run->worker->optimizer)));
    return cnn_snapshot_check_finite(snapshot);
}

// Rank 0 copies the state to host memory and lets the thread write it. Trouble is told at the next boundary.
static void start_save(struct trainer *trainer, bool best) {
    struct cnn_run *run = trainer->run;
    cnn_comm_set_stage(run->comm, CNN_STAGE_SAVING, state_of(trainer)->step);
    if (run->place.rank != 0)
        return;
    collect_save(trainer, true);
    // A best network that could not be saved gets one more chance before its memory is needed.
    if (cnn_saver_has_failed(run->outputs.saver, true) && cnn_saver_retry(run->outputs.saver))
        collect_save(trainer, true);
    enum cnn_status status = take_snapshot(run);
    if (status == CNN_OK)
        cnn_saver_start(run->outputs.saver, &run->record, best);
    else
        cnn_story_trouble(&trainer->story, cnn_fail_in(status, "no checkpoint was saved at step %" PRId64,
                                                       run->record.state.step));
}

// Rank 0: the last state of a run is worth some seconds.
static void retry_last_save(struct trainer *trainer) {
    struct cnn_saver *saver = trainer->run->outputs.saver;
    const size_t n = sizeof last_retries_s / sizeof *last_retries_s;
    for (size_t i = 0; i < n && cnn_saver_has_failed(saver, false); i++) {
        cnn_comm_set_task(trainer->run->comm, saving);
        cnn_clock_sleep(last_retries_s[i]);
        if (cnn_saver_retry(saver))
            collect_save(trainer, true);
    }
    if (cnn_saver_has_failed(saver, false))
        cnn_story_trouble(
            &trainer->story,
            cnn_fail(CNN_ERR_IO,
                     "the last checkpoint, of step %" PRId64
                     ", could not be saved: %s; once the disk works, the same command resumes from the "
                     "newest one that was",
                     state_of(trainer)->step, trainer->save_error.message));
}

// Ends a run for good: the last save is on disk, or all ranks learn that it is not. Collective.
static enum cnn_status finish_saves(struct trainer *trainer) {
    cnn_comm_set_stage(trainer->run->comm, CNN_STAGE_SAVING, state_of(trainer)->step);
    collect_save(trainer, true);
    if (trainer->run->place.rank == 0)
        retry_last_save(trainer);
    return cnn_comm_agree(trainer->run->comm, trainer->story.trouble.status == CNN_OK
                                                  ? CNN_OK
                                                  : cnn_error_give(&trainer->story.trouble));
}

// CNN_STOPPED if a stop was requested, after reporting the signal and the rank that received it. Collective.
static enum cnn_status check_stop(struct trainer *trainer, const char *what_follows) {
    char message[256];
    enum cnn_status status = cnn_run_check_stop(trainer->run);
    if (status != CNN_STOPPED)
        return status;
    snprintf(message, sizeof message, "%s%s", cnn_error_message(), what_follows);
    cnn_story_note(&trainer->story, "stopping", message, false);
    return CNN_STOPPED;
}

static enum cnn_status stop(struct trainer *trainer) {
    int64_t step = state_of(trainer)->step;
    enum cnn_status status = check_stop(trainer, "; saving a checkpoint");
    if (status != CNN_STOPPED)
        return status;
    start_save(trainer, false);
    CNN_TRY(finish_saves(trainer));
    return cnn_fail(CNN_STOPPED, "stopped on request after step %" PRId64 "; the same command resumes", step);
}

// A stop that was requested during the setup: there is nothing new to save. Collective.
static enum cnn_status stop_before_first_step(struct trainer *trainer) {
    enum cnn_status status = check_stop(trainer, " before the first step; nothing to save");
    if (status != CNN_STOPPED)
        return status;
    return cnn_fail(CNN_STOPPED, "stopped on request before the first step; run the same command to start "
                                 "again");
}

static enum cnn_status fail_step(struct trainer *trainer, const struct cnn_step_report *sums,
                                 enum cnn_status mine) {
    if (sums->errors > 0)
        return cnn_comm_agree(trainer->run->comm, mine);
    return cnn_fail(CNN_ERR_FAILED,
                    "step %" PRId64 " (epoch %" PRIu64
                    "): the loss is not finite; the last checkpoint was saved before. Lower "
                    "train.schedule.rate or lengthen train.schedule.warmup",
                    state_of(trainer)->step + 1,
                    (uint64_t)cnn_timeline_epoch(&trainer->run->plan.timeline, state_of(trainer)->step + 1));
}

// A rank's loader knows its own failures only; the limit is for all of them.
static enum cnn_status check_bad_records(struct trainer *trainer, const struct cnn_step_report *sums) {
    const struct cnn_config *config = &trainer->run->config;
    if (sums->bad_records <= 0 || trainer->story.epoch_bad <= (double)config->data.max_bad)
        return CNN_OK;
    return cnn_fail(CNN_ERR_FAILED,
                    "step %" PRId64 ": %.0f records of epoch %" PRIu64
                    " could not be used, more than data.max_bad %" PRId64
                    " allows; they are named in the log, and `cnn_dist dataset verify %s` lists all; to "
                    "continue without them, raise data.max_bad",
                    state_of(trainer)->step, trainer->story.epoch_bad,
                    (uint64_t)cnn_timeline_epoch(&trainer->run->plan.timeline, state_of(trainer)->step),
                    config->data.max_bad, config->data.train);
}

// What was folded decides what all ranks do now. Collective.
static enum cnn_status act(struct trainer *trainer, const struct cnn_directive *directive) {
    bool interrupted = false, best = false;
    if (directive->end_epoch)
        end_epoch(trainer);
    if (directive->evaluate)
        CNN_TRY(evaluate(trainer, &interrupted, &best));
    if (directive->evaluation_due)
        state_of(trainer)->evaluation_due = 1;
    if (directive->stop || interrupted)
        return stop(trainer);
    if (directive->checkpoint || best)
        start_save(trainer, best);
    return CNN_OK;
}

// Before the first step of a phase. Collective.
static enum cnn_status enter_phase(struct trainer *trainer) {
    struct cnn_run *run = trainer->run;
    const struct cnn_timeline *timeline = &run->plan.timeline;
    int phase = cnn_timeline_stretch_of_epoch(timeline, run->record.state.epoch);
    if (timeline->n == 1 || run->record.state.step != timeline->stretches[phase].first_step)
        return CNN_OK;
    if (phase != run->phase)
        CNN_TRY(cnn_phase_enter(run, phase));
    cnn_story_phase(&trainer->story);
    return CNN_OK;
}

static enum cnn_status step_once(struct trainer *trainer) {
    struct cnn_run *run = trainer->run;
    struct cnn_step_report report = {0};
    double start_s = cnn_clock_s(),
           lr = cnn_schedule_rate(&run->schedules[run->phase], run->record.state.step);
    enum cnn_status mine = cnn_worker_step(run->worker, (uint64_t)run->record.state.step, lr, &report);
    if (run->worker->broken)
        return mine;
    if (mine == CNN_OK && trainer->story.trouble.status != CNN_OK)
        mine = cnn_error_give(&trainer->story.trouble);
    report.errors = mine != CNN_OK;
    report.seconds = cnn_clock_s() - start_s;
    report.stop_requests =
        run->options->stop_requested && run->options->stop_requested(run->options->stop_context) != NULL;
    CNN_TRY(cnn_coordinator_fold(&report, run->comm));

    struct cnn_directive directive =
        cnn_coordinator_decide(&run->coordinator, run->record.state.step + 1, &report);
    if (directive.fail)
        return fail_step(trainer, &report, mine);
    count_step(trainer, &report);
    collect_save(trainer, false);
    cnn_story_step(&trainer->story, &report, lr, cnn_clock_s() - start_s, directive.log);
    CNN_TRY(check_bad_records(trainer, &report));
    return act(trainer, &directive);
}

// A run that was stopped before an evaluation makes up for it.
static enum cnn_status catch_up(struct trainer *trainer) {
    bool interrupted = false, best = false;
    if (!state_of(trainer)->evaluation_due || !trainer->run->evaluator)
        return CNN_OK;
    CNN_TRY(evaluate(trainer, &interrupted, &best));
    if (interrupted)
        return stop(trainer);
    start_save(trainer, best); // the same step again: now it is known how good it is
    return CNN_OK;
}

static enum cnn_status train(struct trainer *trainer) {
    const struct cnn_run *run = trainer->run;
    int64_t total = run->plan.timeline.total_steps;
    if (run->record.state.step < total || state_of(trainer)->evaluation_due)
        CNN_TRY(stop_before_first_step(trainer));
    CNN_TRY(catch_up(trainer));
    if (run->record.state.step >= total)
        cnn_log_info("nothing left to train: all %" PRId64 " steps are done (raise train.epochs to continue)",
                     total);
    while (run->record.state.step < total) {
        CNN_TRY(enter_phase(trainer));
        CNN_TRY(step_once(trainer));
    }
    return finish_saves(trainer);
}

// Tells how the run ended. The error of `status` is still set afterwards.
static enum cnn_status end(struct trainer *trainer, enum cnn_status status) {
    struct cnn_error how = {0};
    if (status != CNN_OK)
        cnn_error_take(&how, status); // collecting and telling may set others
    collect_save(trainer, true);
    cnn_story_end(&trainer->story, &how);
    cnn_comm_set_stage(trainer->run->comm, CNN_STAGE_END, -1);
    return status == CNN_OK ? CNN_OK : cnn_error_give(&how);
}

// ---- what the watchdog of the ranks calls, on a thread of its own

static void on_lost(void *context, const char *reason) {
    struct trainer *trainer = context;
    cnn_story_lost(&trainer->story, reason);
}

static const char *asked_to_stop(void *context) {
    const struct cnn_train_options *options = ((struct trainer *)context)->options;
    return options->stop_requested ? options->stop_requested(options->stop_context) : NULL;
}

static void listen(struct trainer *trainer) {
    const struct cnn_comm_listener listener = {trainer, on_lost, asked_to_stop};
    if (cnn_comm_rank(trainer->options->comm) == 0)
        cnn_comm_set_listener(trainer->options->comm, &listener);
}

static enum cnn_status run_all(struct trainer *trainer) {
    CNN_TRY(cnn_run_create(&trainer->run, trainer->options));
    trainer->story.run = trainer->run;
    cnn_banner_log(trainer->run);
    cnn_story_start(&trainer->story);
    return end(trainer, cnn_error_after_changes(train(trainer)));
}

enum cnn_status cnn_train(const struct cnn_train_options *options) {
    struct trainer trainer = {.options = options,
                              .story = {.start_s = cnn_clock_s(), .lock = PTHREAD_MUTEX_INITIALIZER}};
    listen(&trainer);
    const enum cnn_status status = run_all(&trainer);
    cnn_comm_set_listener(options->comm, NULL);
    cnn_run_destroy(trainer.run, status);
    return status;
}
