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

int64_t cnn_schedule_total_steps(double epochs, int64_t steps_per_epoch) {
    int64_t steps = llround(epochs * (double)steps_per_epoch);
    return steps < 1 ? 1 : steps;
}

bool cnn_schedule_due(struct cnn_duration every, int64_t steps_per_epoch, int64_t steps_done) {
    double period = period_steps(every, steps_per_epoch);
    if (period <= 0 || steps_done < 1)
        return false;
    if (period <= 1)
        return true;
    int64_t k = llround((double)steps_done / period);
    return k >= 1 && llround((double)k * period) == steps_done;
}

enum cnn_status cnn_schedule_init(struct cnn_schedule *out, const struct cnn_config *config,
                                  int64_t steps_per_epoch, int64_t total_steps) {
    const __typeof__(config->train.schedule) *from = &config->train.schedule;
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
        .steps_per_epoch = steps_per_epoch,
        .total = total_steps,
        .warmup = cnn_duration_steps(from->warmup, steps_per_epoch),
        .warmup_by_epoch = from->by_epoch && from->warmup.unit == CNN_EPOCHS,
        .by_epoch = from->by_epoch,
        .every = period_steps(from->every, steps_per_epoch),
        .n_milestones = from->n_milestones,
    };
    for (int i = 0; i < from->n_milestones; i++)
        schedule.milestones[i] = cnn_duration_steps(from->milestones[i], steps_per_epoch);
    if (schedule.warmup > 0 && schedule.warmup >= total_steps)
        return cnn_fail(
            CNN_ERR_INPUT,
            "train.schedule.warmup: %lld steps of warm-up leave nothing of a run of %lld steps; shorten the "
            "warm-up or train longer (train.epochs)",
            (long long)schedule.warmup, (long long)total_steps);
    if (schedule.kind == CNN_SCHEDULE_STEP && schedule.every <= 0)
        return cnn_fail(
            CNN_ERR_INPUT,
            "train.schedule.every: the step schedule needs a time between two drops, such as '30 epochs'");
    if (schedule.kind == CNN_SCHEDULE_MULTISTEP && schedule.n_milestones == 0)
        return cnn_fail(CNN_ERR_INPUT, "train.schedule.milestones: the multistep schedule needs at least "
                                       "one, such as [30 epochs, 60 epochs]");
    *out = schedule;
    return CNN_OK;
}

static int64_t epoch_start(const struct cnn_schedule *schedule, int64_t step) {
    return step / schedule->steps_per_epoch * schedule->steps_per_epoch;
}

static double warmup_factor(const struct cnn_schedule *schedule, int64_t step) {
    if (schedule->warmup_by_epoch)
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
    int64_t k = (int64_t)(((double)step + 0.5) / schedule->every);
    return k > 0 && llround((double)k * schedule->every) > step ? k - 1 : k;
}

// How far the part after warm-up has come, 0..1.
static double progress(const struct cnn_schedule *schedule, int64_t step) {
    if (step <= schedule->warmup)
        return 0;
    double done = (double)(step - schedule->warmup) / (double)(schedule->total - schedule->warmup);
    return done > 1 ? 1 : done;
}

double cnn_schedule_rate(const struct cnn_schedule *schedule, int64_t step) {
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
        snprintf(out, out_bytes, "x %g every %g steps", schedule->factor, schedule->every);
        return;
    case CNN_SCHEDULE_MULTISTEP:
        snprintf(out, out_bytes, "x %g at %d milestone%s, the first at step %lld", schedule->factor,
                 schedule->n_milestones, schedule->n_milestones == 1 ? "" : "s",
                 (long long)schedule->milestones[0]);
        return;
    case CNN_SCHEDULE_COSINE:
        snprintf(out, out_bytes, "cosine to %g at step %lld", schedule->final_rate,
                 (long long)schedule->total);
        return;
    case CNN_SCHEDULE_POLYNOMIAL:
        snprintf(out, out_bytes, "polynomial of power %g to %g at step %lld", schedule->power,
                 schedule->final_rate, (long long)schedule->total);
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
    if (schedule->warmup)
        snprintf(warmup, sizeof warmup, ", linear warm-up from %g over %lld steps",
                 schedule->rate * schedule->warmup_from, (long long)schedule->warmup);
    snprintf(out, out_bytes, "learning rate %s%s, then %s%s", derivation, warmup, curve,
             schedule->by_epoch ? ", changing between epochs only" : "");
}
