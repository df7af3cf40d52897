#include "train/schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#ifndef M_PI
#define M_PI 3.14159265358979323846
#endif

static double period_steps(struct cnn_duration duration, int64_t steps_per_epoch) {
    return duration.unit == CNN_NEVER   ? 0
           : duration.unit == CNN_STEPS ? duration.count
                                        : duration.count * (double)steps_per_epoch;
}

bool cnn_schedule_due(struct cnn_duration every, const struct cnn_timeline *timeline, int64_t steps_done) {
    const struct cnn_stretch *stretch = &timeline->stretches[cnn_timeline_stretch(timeline, steps_done)];
    double period = period_steps(every, stretch->steps_per_epoch);
    if (period <= 0 || steps_done < 1)
        return false;
    if (every.unit == CNN_EPOCHS)
        steps_done += cnn_stretch_shift(stretch);
    if (period <= 1)
        return true;
    int64_t k = llround((double)steps_done / period);
    return k >= 1 && llround((double)k * period) == steps_done;
}

// The step of the run at which a time stated in the config has passed; 0 for zero and never.
static int64_t run_steps(struct cnn_duration duration, const struct cnn_timeline *timeline) {
    if (duration.unit != CNN_EPOCHS)
        return cnn_duration_steps(duration, 1);
    int64_t steps = cnn_timeline_steps(timeline, duration.count);
    return duration.count > 0 && steps < 1 ? 1 : steps;
}

// The same, counted as if all epochs were like those of `stretch`.
static int64_t as_if_steps(struct cnn_duration duration, const struct cnn_stretch *stretch) {
    int64_t steps = cnn_duration_steps(duration, stretch->steps_per_epoch);
    return duration.unit == CNN_STEPS ? steps + cnn_stretch_shift(stretch) : steps;
}

// Where the warm-up ends, as if all epochs were like those of `stretch`.
static double as_if_warmup_end(struct cnn_duration warmup, const struct cnn_timeline *timeline, int stretch) {
    const struct cnn_stretch *own = &timeline->stretches[stretch];
    int64_t steps = run_steps(warmup, timeline);
    if (warmup.unit != CNN_STEPS || cnn_timeline_stretch(timeline, steps) == stretch)
        return (double)as_if_steps(warmup, own);
    return cnn_timeline_epochs(timeline, steps) * (double)own->steps_per_epoch;
}

enum cnn_status cnn_schedule_init(struct cnn_schedule *out, const struct cnn_config *config,
                                  const struct cnn_timeline *timeline, int stretch) {
    const __typeof__(config->train.schedule) *from = &config->train.schedule;
    const struct cnn_stretch *own = &timeline->stretches[stretch];
    int64_t steps_per_epoch = own->steps_per_epoch, shift = cnn_stretch_shift(own);
    bool is_last = stretch == timeline->n - 1;
    struct cnn_schedule schedule = {
        .kind = from->name,
        .written = from->rate,
        .rate = from->per_batch ? from->rate * config->train.batch.global / from->per_batch : from->rate,
        .global = config->train.batch.global,
        .per_batch = from->per_batch,
        .warmup_from = from->warmup_from,
        .factor = from->factor,
        .power = from->power,
        .final_rate = from->final_rate,
        .timeline = *timeline,
        .steps_per_epoch = steps_per_epoch,
        .shift = shift,
        .total =
            is_last ? timeline->total_steps + shift : llround(timeline->epochs * (double)steps_per_epoch),
        .warmup = cnn_duration_steps(from->warmup, steps_per_epoch),
        .warmup_end = as_if_warmup_end(from->warmup, timeline, stretch),
        .warmup_in_steps = from->warmup.unit == CNN_STEPS,
        .warmup_steps = run_steps(from->warmup, timeline),
        .by_epoch = from->by_epoch,
        .every = period_steps(from->every, steps_per_epoch),
        .every_in_steps = from->every.unit == CNN_STEPS,
        .n_milestones = from->n_milestones,
        .first_milestone = run_steps(from->milestones[0], timeline),
    };
    for (int i = 0; i < from->n_milestones; i++)
        schedule.milestones[i] = as_if_steps(from->milestones[i], own);
    if (schedule.warmup_steps > 0 && schedule.warmup_steps >= timeline->total_steps)
        return cnn_fail(
            CNN_ERR_INPUT,
            "train.schedule.warmup: the warm-up (%lld steps) must be shorter than the run (%lld steps); "
            "shorten it or train longer (train.epochs)",
            (long long)schedule.warmup_steps, (long long)timeline->total_steps);
    if (schedule.kind == CNN_SCHEDULE_STEP && schedule.every <= 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "train.schedule.every: schedule `step` needs a time above 0, such as '30 epochs'");
    if (schedule.kind == CNN_SCHEDULE_MULTISTEP && schedule.n_milestones == 0)
        return cnn_fail(CNN_ERR_INPUT, "train.schedule.milestones: schedule `multistep` needs at least one, "
                                       "such as [30 epochs, 60 epochs]");
    *out = schedule;
    return CNN_OK;
}

static int64_t epoch_start(const struct cnn_schedule *schedule, int64_t step) {
    return step / schedule->steps_per_epoch * schedule->steps_per_epoch;
}

static double warmup_factor(const struct cnn_schedule *schedule, int64_t step) {
    if (schedule->warmup_in_steps)
        step -= schedule->shift;
    else if (schedule->by_epoch)
        step = epoch_start(schedule, step);
    if (step >= schedule->warmup)
        return 1;
    return schedule->warmup_from + (1 - schedule->warmup_from) * (double)step / (double)schedule->warmup;
}

static int passed_milestones(const struct cnn_schedule *schedule, int64_t step) {
    int n = 0;
    for (int i = 0; i < schedule->n_milestones; i++)
        n += schedule->milestones[i] <= step;
    return n;
}

// Drops stated in fractions of an epoch fall on the nearest step.
static int64_t passed_drops(const struct cnn_schedule *schedule, int64_t step) {
    if (schedule->every_in_steps)
        step -= schedule->shift;
    int64_t k = (int64_t)(((double)step + 0.5) / schedule->every);
    return k > 0 && llround((double)k * schedule->every) > step ? k - 1 : k;
}

// How far the part after warm-up has come, 0..1.
static double progress(const struct cnn_schedule *schedule, int64_t step) {
    if ((double)step <= schedule->warmup_end)
        return 0;
    double done = ((double)step - schedule->warmup_end) / ((double)schedule->total - schedule->warmup_end);
    return done > 1 ? 1 : done;
}

double cnn_schedule_rate(const struct cnn_schedule *schedule, int64_t step) {
    step += schedule->shift;
    double warm = warmup_factor(schedule, step), rate = schedule->rate, final_rate = schedule->final_rate;
    if (schedule->by_epoch)
        step = epoch_start(schedule, step);
    switch (schedule->kind) {
    case CNN_SCHEDULE_CONSTANT:
        break;
    case CNN_SCHEDULE_STEP:
        rate *= pow(schedule->factor, (double)passed_drops(schedule, step));
        break;
    case CNN_SCHEDULE_MULTISTEP:
        rate *= pow(schedule->factor, passed_milestones(schedule, step));
        break;
    case CNN_SCHEDULE_COSINE:
        rate = final_rate + (rate - final_rate) * (1 + cos(M_PI * progress(schedule, step))) / 2;
        break;
    case CNN_SCHEDULE_POLYNOMIAL:
        rate = final_rate + (rate - final_rate) * pow(1 - progress(schedule, step), schedule->power);
        break;
    }
    return rate * warm;
}

static void describe_curve(const struct cnn_schedule *schedule, char *out, size_t out_bytes) {
    switch (schedule->kind) {
    case CNN_SCHEDULE_CONSTANT:
        snprintf(out, out_bytes, "constant");
        return;
    case CNN_SCHEDULE_STEP:
        if (schedule->timeline.n > 1 && !schedule->every_in_steps)
            snprintf(out, out_bytes, "x %g every %g epochs", schedule->factor,
                     schedule->every / (double)schedule->steps_per_epoch);
        else
            snprintf(out, out_bytes, "x %g every %g steps", schedule->factor, schedule->every);
        return;
    case CNN_SCHEDULE_MULTISTEP:
        snprintf(out, out_bytes, "x %g at %d milestone%s, the first at step %lld", schedule->factor,
                 schedule->n_milestones, schedule->n_milestones == 1 ? "" : "s",
                 (long long)schedule->first_milestone);
        return;
    case CNN_SCHEDULE_COSINE:
        snprintf(out, out_bytes, "cosine to %g at step %lld", schedule->final_rate,
                 (long long)schedule->timeline.total_steps);
        return;
    case CNN_SCHEDULE_POLYNOMIAL:
        snprintf(out, out_bytes, "polynomial of power %g to %g at step %lld", schedule->power,
                 schedule->final_rate, (long long)schedule->timeline.total_steps);
        return;
    }
}

void cnn_schedule_describe(const struct cnn_schedule *schedule, char *out, size_t out_bytes) {
    char curve[128] = "", derivation[160], warmup[160] = "";
    describe_curve(schedule, curve, sizeof curve);
    if (schedule->per_batch)
        snprintf(derivation, sizeof derivation, "%g = rate %g x global batch %d / per_batch %d",
                 schedule->rate, schedule->written, schedule->global, schedule->per_batch);
    else
        snprintf(derivation, sizeof derivation,
                 "%g as written (per_batch 0: not scaled with the global batch %d)", schedule->rate,
                 schedule->global);
    if (schedule->warmup_steps)
        snprintf(warmup, sizeof warmup, ", linear warm-up from %g over %lld steps",
                 schedule->rate * schedule->warmup_from, (long long)schedule->warmup_steps);
    snprintf(out, out_bytes, "learning rate %s%s, then %s%s", derivation, warmup, curve,
             schedule->by_epoch ? ", updated only between epochs" : "");
}
