#include "train/resume_changes.h"

#include "base/log.h"
#include "base/memory.h"
#include "train/plan.h"
#include "train/schedule.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void report_option(void *context, const char *path, const char *was, const char *is,
                          const char *what_follows) {
    if (what_follows)
        cnn_log_warn("resuming with another setting: %s was %s and is %s now: %s", path, was, is,
                     what_follows);
    else
        cnn_log_info("resuming with another setting: %s was %s and is %s now", path, was, is);
}

// ---- the learning rate ----

static enum cnn_status make_timeline(struct cnn_timeline *out, const struct cnn_config *config,
                                     int64_t records) {
    struct cnn_plan *plan = NULL;
    const struct cnn_place alone = {.size = 1, .local_size = 1};
    CNN_TRY(cnn_malloc(&plan, 1, sizeof *plan));
    enum cnn_status status =
        cnn_plan_make(plan, config, alone, (uint64_t)records, (struct cnn_earlier_cut){0});
    if (status == CNN_OK)
        *out = plan->timeline;
    free(plan);
    return status;
}

// The rate of a step, counted from 0. `own`: room for a config.
static enum cnn_status find_rate(double *out, const struct cnn_config *config,
                                 const struct cnn_timeline *timeline, int64_t step, struct cnn_config *own) {
    struct cnn_schedule schedule;
    int stretch = cnn_timeline_stretch(timeline, step + 1);
    *own = *config;
    CNN_TRY(cnn_config_for_phase(own, stretch));
    CNN_TRY(cnn_schedule_init(&schedule, own, timeline, stretch));
    *out = cnn_schedule_rate(&schedule, step);
    return CNN_OK;
}

// What the old settings had done: the last step's rate, and the next one's if there was one.
struct rates {
    double last, next, now;
    bool had_next;
};

static enum cnn_status find_rates(struct rates *out, const struct cnn_config *was,
                                  const struct cnn_config *is, int64_t records, int64_t step,
                                  struct cnn_config *own) {
    struct cnn_timeline before, now;
    CNN_TRY(make_timeline(&before, was, records));
    CNN_TRY(make_timeline(&now, is, records));
    if (step < 1 || step >= now.total_steps)
        return CNN_OK; // nothing to compare: *out is as it was
    out->had_next = step < before.total_steps;
    CNN_TRY(find_rate(&out->last, was, &before, step - 1, own));
    CNN_TRY(find_rate(&out->now, is, &now, step, own));
    out->next = out->last;
    return out->had_next ? find_rate(&out->next, was, &before, step, own) : CNN_OK;
}

static enum cnn_status report_rate(const struct cnn_config *was, const struct cnn_config *is, int64_t records,
                                   int64_t step) {
    struct rates rates = {0};
    struct cnn_config *own = NULL; // large
    CNN_TRY(cnn_malloc(&own, 1, sizeof *own));
    enum cnn_status status = find_rates(&rates, was, is, records, step, own);
    free(own);
    CNN_TRY(status);
    if (fabs(rates.now - rates.next) <= 1e-9 * rates.now)
        return CNN_OK;
    if (rates.had_next)
        cnn_log_warn("the learning rate goes from %.4g in step %" PRId64 " to %.4g in step %" PRId64
                     "; with the settings of the checkpoint it would be %.4g",
                     rates.last, step, rates.now, step + 1, rates.next);
    else
        cnn_log_warn("the learning rate jumps from %.4g in step %" PRId64
                     ", with which the run had ended, to %.4g in step %" PRId64,
                     rates.last, step, rates.now, step + 1);
    return CNN_OK;
}

// ---- all of it ----

static void report_data(const char *option, const char *was, const char *is, const char *what_follows) {
    if (was[0] != '\0' && is[0] != '\0' && strcmp(was, is) != 0)
        cnn_log_warn("resuming on other data: %s had fingerprint %s and has %s now: %s", option, was, is,
                     what_follows);
}

static enum cnn_status report_settings(const struct cnn_resume *resume, const struct cnn_config *config) {
    const char *path = cnn_checkpoint_path(resume->checkpoint),
               *text = cnn_checkpoint_config(resume->checkpoint);
    struct cnn_config *was = NULL;
    CNN_TRY(cnn_calloc(&was, 1, sizeof *was));
    enum cnn_status status = cnn_config_parse(was, path, text, strlen(text), NULL, 0);
    if (status == CNN_OK)
        status = cnn_config_compare(was, config, report_option, NULL);
    if (status == CNN_OK)
        status = report_rate(was, config, resume->record.facts.records, resume->record.state.step);
    free(was);
    return status;
}

void cnn_resume_report_changes(const struct cnn_resume *resume, const struct cnn_config *config,
                               const struct cnn_run_facts *facts) {
    if (!resume->checkpoint)
        return;
    const struct cnn_run_facts *was = &resume->record.facts;
    if (report_settings(resume, config) != CNN_OK)
        cnn_log_warn("the settings of the checkpoint could not be compared with those of this run: %s",
                     cnn_error_message());
    report_data("data.train", was->train_fingerprint, facts->train_fingerprint,
                "the rest of the epoch consists of other records than those the run would have used");
    report_data("data.val", was->val_fingerprint, facts->val_fingerprint,
                "evaluations, and the best one so far, are not comparable with earlier ones");
    if (was->height != facts->height || was->width != facts->width)
        cnn_log_warn("training images were %" PRId64 " x %" PRId64 " and are %" PRId64 " x %" PRId64 " now",
                     was->height, was->width, facts->height, facts->width);
}
