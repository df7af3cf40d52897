#include "train/trainer.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "train/announce.h"
#include "train/banner.h"
#include "train/phases.h"
#include "train/setup.h"
#include <cnn_dist/version.h>

#include <inttypes.h>
#include <stdio.h>

// Times and counts since the last logged step, of the running epoch and since the start of this process.
// Nothing here outlives the process.
struct tally {
    double seconds, images, data_wait_s, comm_wait_s;
    double cost; // of the steps, in the unit of cnn_run.step_cost
    int64_t steps;
};

struct trainer {
    struct cnn_run *run;
    double start_s;
    struct tally window, epoch, whole;
    double
        epoch_bad; // records of the running epoch that failed, on all ranks, since the start of this process
    struct cnn_error
        trouble; // rank 0: what went wrong besides the step itself; told to all at the next boundary
};

static struct cnn_run_state *state_of(struct trainer *trainer) { return &trainer->run->record.state; }

// The epoch, counted from 1, that the last step belonged to.
static uint64_t current_epoch(const struct cnn_run *run) {
    return (uint64_t)cnn_timeline_epoch(&run->plan.timeline, run->record.state.step);
}

static void note_trouble(struct trainer *trainer, enum cnn_status status) {
    if (status != CNN_OK && trainer->trouble.status == CNN_OK)
        cnn_error_take(&trainer->trouble, status);
}

static void emit(struct trainer *trainer, struct cnn_event event) {
    const struct cnn_run *run = trainer->run;
    if (run->place.rank != 0)
        return;
    if (event.epoch == 0)
        event.epoch = current_epoch(run);
    if (event.step == 0)
        event.step = (uint64_t)run->record.state.step;
    note_trouble(trainer, cnn_metrics_write(run->outputs.metrics, &event));
    if (run->options->on_event)
        run->options->on_event(run->options->event_context, &event);
    cnn_announce(&event);
}

static void emit_note(struct trainer *trainer, const char *name, const char *message, bool warning) {
    emit(trainer, (struct cnn_event){.kind = CNN_EVENT_NOTE,
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
        .compute_threads = run->threads.compute,
        .loader_threads = run->threads.loader,
        .global_batch = plan->sampler.global,
        .micro_batch = plan->sampler.micro,
        .classes = run->inputs.classes,
    };
}

static void emit_start(struct trainer *trainer) {
    const struct cnn_run *run = trainer->run;
    char message[160];
    if (!run->resumed) {
        emit(trainer, (struct cnn_event){.kind = CNN_EVENT_START, .start = describe_start(run)});
        return;
    }
    snprintf(message, sizeof message, "going on after step %" PRId64 " of %" PRId64 " with %d rank%s",
             run->record.state.step, run->plan.timeline.total_steps, run->place.size,
             run->place.size == 1 ? "" : "s");
    emit_note(trainer, "resumed", message, false);
}

static void tally_add(struct tally *tally, const struct cnn_step_report *sums, double seconds, double cost,
                      int size) {
    tally->cost += cost;
    tally->seconds += seconds;
    tally->images += sums->n;
    tally->data_wait_s += sums->data_wait_s / size;
    tally->comm_wait_s += sums->comm_wait_s / size;
    tally->steps++;
}

static double rate_of(const struct tally *tally) {
    return tally->seconds > 0 ? tally->images / tally->seconds : 0;
}

static void emit_step(struct trainer *trainer, const struct cnn_step_report *sums, double lr, bool logged) {
    const struct cnn_run *run = trainer->run;
    struct tally *window = &trainer->window;
    double steps = (double)window->steps;
    struct cnn_event_step step = {
        .loss = sums->loss / sums->n,
        .top1 = 100 * sums->top1 / sums->n,
        .lr = lr,
        .images_per_s = rate_of(window),
        .images_per_s_mean = rate_of(&trainer->whole),
        .step_s = window->seconds / steps,
        .data_wait_s = window->data_wait_s / steps,
        .comm_wait_s = window->comm_wait_s / steps,
        .loss_scale = run->record.state.loss_scale,
        .skipped_steps = run->record.state.skipped_steps,
        .eta_s = trainer->whole.seconds / trainer->whole.cost * cnn_phases_cost_left(run),
        .total_steps = (uint64_t)run->plan.timeline.total_steps,
        .epochs_done = cnn_timeline_epochs(&run->plan.timeline, run->record.state.step),
        .epochs = run->config.train.epochs,
        .logged = logged,
    };
    emit(trainer, (struct cnn_event){.kind = CNN_EVENT_STEP, .progress = step});
    if (logged)
        *window = (struct tally){0};
}

static void end_epoch(struct trainer *trainer) {
    struct cnn_run_state *state = state_of(trainer);
    struct cnn_epoch_sums *sums = &state->sums;
    if (sums->n > 0)
        emit(trainer, (struct cnn_event){.kind = CNN_EVENT_EPOCH,
                                         .whole_epoch = {
                                             .loss = sums->loss / sums->n,
                                             .top1 = 100 * sums->top1 / sums->n,
                                             .top5 = 100 * sums->top5 / sums->n,
                                             .train_s = trainer->epoch.seconds,
                                             .images_per_s = rate_of(&trainer->epoch),
                                             .bad_records = trainer->epoch_bad,
                                         }});
    trainer->epoch = (struct tally){0};
    trainer->epoch_bad = 0;
    if (!cnn_timeline_ends_epoch(&trainer->run->plan.timeline, state->step))
        return; // the run ends inside an epoch
    *sums = (struct cnn_epoch_sums){0};
    state->epoch++;
    state->position = 0;
}

static void count_step(struct trainer *trainer, const struct cnn_step_report *sums, double seconds) {
    struct cnn_run_state *state = state_of(trainer);
    const struct cnn_run *run = trainer->run;
    double cost = run->step_cost[run->phase];
    int size = run->place.size;
    state->step++;
    state->position += run->record.facts.global;
    cnn_optimizer_tell(run->worker->optimizer, state);
    state->sums.loss += sums->loss;
    state->sums.top1 += sums->top1;
    state->sums.top5 += sums->top5;
    state->sums.n += sums->n;
    tally_add(&trainer->window, sums, seconds, cost, size);
    tally_add(&trainer->epoch, sums, seconds, cost, size);
    tally_add(&trainer->whole, sums, seconds, cost, size);
}

// Sets *interrupted when a stop was asked for meanwhile: the evaluation is then due again. Collective.
static enum cnn_status evaluate(struct trainer *trainer, bool *interrupted) {
    struct cnn_run *run = trainer->run;
    struct cnn_run_state *state = state_of(trainer);
    struct cnn_evaluation result;
    CNN_TRY(
        cnn_evaluator_run(run->evaluator, run->options->stop_requested, run->options->stop_context, &result));
    state->evaluation_due = *interrupted = result.interrupted;
    if (result.interrupted)
        return CNN_OK;
    bool best = state->best_step < 0 || result.top1 > state->best_top1;
    if (best) {
        state->best_top1 = result.top1;
        state->best_step = state->step;
    }
    emit(trainer, (struct cnn_event){.kind = CNN_EVENT_EVAL,
                                     .eval = {.loss = result.loss,
                                              .top1 = result.top1,
                                              .top5 = result.top5,
                                              .seconds = result.seconds,
                                              .n = result.n,
                                              .best = best}});
    return CNN_OK;
}

// Rank 0: tells how the save in progress ended, if it has. `wait`: until it has.
static void collect_save(struct trainer *trainer, bool wait) {
    struct cnn_save_result result;
    if (trainer->run->place.rank != 0 || !cnn_saver_collect(trainer->run->outputs.saver, wait, &result))
        return;
    if (result.error.status != CNN_OK) {
        emit_note(trainer, "checkpoint_failed", result.error.message, true);
        note_trouble(trainer,
                     cnn_fail(result.error.status, "the checkpoint of step %" PRId64 " was not saved: %s",
                              result.step, result.error.message));
        return;
    }
    emit(trainer, (struct cnn_event){.kind = CNN_EVENT_CHECKPOINT,
                                     .epoch = (uint64_t)result.epoch,
                                     .step = (uint64_t)result.step,
                                     .checkpoint = {.file = result.file,
                                                    .bytes = result.bytes,
                                                    .seconds = result.seconds,
                                                    .best = result.best}});
}

static enum cnn_status take_snapshot(struct cnn_run *run) {
    struct cnn_snapshot *snapshot = cnn_saver_snapshot(run->outputs.saver);
    CNN_TRY(
        cnn_snapshot_take(snapshot, run->worker->replica, cnn_optimizer_velocity(run->worker->optimizer)));
    return cnn_snapshot_check_finite(snapshot);
}

// Rank 0 copies the state to host memory and lets the thread write it. Trouble is told at the next boundary.
static void start_save(struct trainer *trainer) {
    struct cnn_run *run = trainer->run;
    if (run->place.rank != 0)
        return;
    collect_save(trainer, true);
    enum cnn_status status = take_snapshot(run);
    if (status == CNN_OK)
        cnn_saver_start(run->outputs.saver, &run->record);
    else
        note_trouble(trainer,
                     cnn_fail_in(status, "no checkpoint was made of step %" PRId64, run->record.state.step));
}

// Ends a run for good: the last save is on disk, or all ranks learn that it is not. Collective.
static enum cnn_status finish_saves(struct trainer *trainer) {
    collect_save(trainer, true);
    return cnn_comm_agree(trainer->run->comm,
                          trainer->trouble.status == CNN_OK ? CNN_OK : cnn_error_give(&trainer->trouble));
}

static enum cnn_status stop(struct trainer *trainer) {
    int64_t step = state_of(trainer)->step;
    emit_note(trainer, "stopping", "a signal asked to stop", false);
    start_save(trainer);
    CNN_TRY(finish_saves(trainer));
    return cnn_fail(CNN_STOPPED,
                    "stopped on request after step %" PRId64 "; the same command goes on from there", step);
}

static enum cnn_status fail_step(struct trainer *trainer, const struct cnn_step_report *sums,
                                 enum cnn_status mine) {
    if (sums->errors > 0)
        return cnn_comm_agree(trainer->run->comm, mine);
    return cnn_fail(CNN_ERR_FAILED,
                    "step %" PRId64 " (epoch %" PRIu64
                    "): the loss is not finite; the last checkpoint is from before it. Lower "
                    "train.schedule.rate or lengthen train.schedule.warmup",
                    state_of(trainer)->step + 1,
                    (uint64_t)cnn_timeline_epoch(&trainer->run->plan.timeline, state_of(trainer)->step + 1));
}

static void report_bad_records(struct trainer *trainer, const struct cnn_step_report *sums) {
    char message[96];
    if (sums->bad_records <= 0)
        return;
    snprintf(message, sizeof message, "%.0f record%s could not be used and %s replaced", sums->bad_records,
             sums->bad_records == 1 ? "" : "s", sums->bad_records == 1 ? "was" : "were");
    emit_note(trainer, "bad_records", message, true);
}

static void report_overflow(struct trainer *trainer, const struct cnn_step_report *sums) {
    char message[128];
    if (sums->overflow <= 0)
        return;
    snprintf(message, sizeof message,
             "the gradients overflowed: the step changed nothing, and the loss scale is %g from now on",
             state_of(trainer)->loss_scale);
    emit_note(trainer, "overflow", message, false);
}

// A rank's loader knows its own failures only; the limit is for all of them.
static enum cnn_status check_bad_records(struct trainer *trainer, const struct cnn_step_report *sums) {
    const struct cnn_config *config = &trainer->run->config;
    trainer->epoch_bad += sums->bad_records;
    if (sums->bad_records <= 0 || trainer->epoch_bad <= (double)config->data.max_bad)
        return CNN_OK;
    return cnn_fail(CNN_ERR_FAILED,
                    "step %" PRId64 ": %.0f records of epoch %" PRIu64
                    " could not be used, more than data.max_bad %" PRId64
                    " allows; the log names them, `cnn_dist dataset verify %s` finds all, a higher "
                    "data.max_bad goes on without them",
                    state_of(trainer)->step, trainer->epoch_bad, current_epoch(trainer->run),
                    config->data.max_bad, config->data.train);
}

// What was folded decides what all ranks do now. Collective.
static enum cnn_status act(struct trainer *trainer, const struct cnn_directive *directive) {
    bool interrupted = false;
    if (directive->end_epoch)
        end_epoch(trainer);
    if (directive->evaluate)
        CNN_TRY(evaluate(trainer, &interrupted));
    if (directive->evaluation_due)
        state_of(trainer)->evaluation_due = 1;
    if (directive->stop || interrupted)
        return stop(trainer);
    if (directive->checkpoint)
        start_save(trainer);
    return CNN_OK;
}

static void emit_phase(struct trainer *trainer) {
    char message[256];
    cnn_phase_describe(trainer->run, trainer->run->phase, message, sizeof message);
    emit(trainer, cnn_phase_event(trainer->run, message));
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
    emit_phase(trainer);
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
    if (mine == CNN_OK && trainer->trouble.status != CNN_OK)
        mine = cnn_error_give(&trainer->trouble);
    report.errors = mine != CNN_OK;
    report.stop_requests =
        run->options->stop_requested && run->options->stop_requested(run->options->stop_context);
    CNN_TRY(cnn_coordinator_fold(&report, run->comm));

    struct cnn_directive directive =
        cnn_coordinator_decide(&run->coordinator, run->record.state.step + 1, &report);
    if (directive.fail)
        return fail_step(trainer, &report, mine);
    count_step(trainer, &report, cnn_clock_s() - start_s);
    collect_save(trainer, false);
    emit_step(trainer, &report, lr, directive.log);
    report_bad_records(trainer, &report);
    report_overflow(trainer, &report);
    CNN_TRY(check_bad_records(trainer, &report));
    return act(trainer, &directive);
}

// A run that was stopped before an evaluation makes up for it.
static enum cnn_status catch_up(struct trainer *trainer) {
    bool interrupted = false;
    if (!state_of(trainer)->evaluation_due || !trainer->run->evaluator)
        return CNN_OK;
    CNN_TRY(evaluate(trainer, &interrupted));
    if (interrupted)
        return stop(trainer);
    start_save(trainer); // the same step again: now it is known how good it is
    return CNN_OK;
}

static enum cnn_status train(struct trainer *trainer) {
    const struct cnn_run *run = trainer->run;
    CNN_TRY(catch_up(trainer));
    int64_t total = run->plan.timeline.total_steps;
    if (run->record.state.step >= total)
        cnn_log_info("nothing left to train: all %" PRId64 " steps are done (raise train.epochs to go on)",
                     total);
    while (run->record.state.step < total) {
        CNN_TRY(enter_phase(trainer));
        CNN_TRY(step_once(trainer));
    }
    return finish_saves(trainer);
}

static void emit_end(struct trainer *trainer, enum cnn_status status) {
    struct cnn_error error = {0};
    const struct cnn_run_state *state = state_of(trainer);
    if (status != CNN_OK)
        cnn_error_take(&error, status);
    collect_save(trainer, true);
    emit(trainer, (struct cnn_event){.kind = CNN_EVENT_END,
                                     .end = {.status = status == CNN_OK        ? "done"
                                                       : status == CNN_STOPPED ? "stopped"
                                                                               : "failed",
                                             .message = status == CNN_OK ? NULL : error.message,
                                             .best_top1 = state->best_top1,
                                             .best_step = state->best_step,
                                             .seconds = cnn_clock_s() - trainer->start_s}});
    if (status != CNN_OK)
        (void)!cnn_error_give(&error); // collecting and writing may have set others
}

enum cnn_status cnn_train(const struct cnn_train_options *options) {
    struct trainer trainer = {.start_s = cnn_clock_s()};
    CNN_TRY(cnn_run_create(&trainer.run, options));
    cnn_banner_log(trainer.run);
    emit_start(&trainer);
    enum cnn_status status = train(&trainer);
    emit_end(&trainer, status);
    cnn_run_destroy(trainer.run, status);
    return status;
}
