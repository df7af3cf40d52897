// The learning rate as a pure function of the step, and the clocks that say when something is due.
// Steps are counted from 0: cnn_schedule_rate(s, 0) is the rate of the first update.
#ifndef CNN_TRAIN_SCHEDULE_H
#define CNN_TRAIN_SCHEDULE_H
#include "config/config.h"
#include "train/timeline.h"
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cnn_schedule {
    enum cnn_schedule_kind kind;
    double written, rate; // as in the config, and after linear scaling with the global batch
    int global, per_batch;
    double warmup_from, factor, power, final_rate;
    struct cnn_timeline timeline;
    // From here on steps are counted as if all epochs were like those of this stretch (cnn_stretch_shift),
    // but for what the config states in steps.
    int64_t steps_per_epoch, shift, total; // total: steps of the whole run
    int64_t warmup;                        // steps
    double warmup_end;                     // where it ends, may be fractional
    bool warmup_in_steps, by_epoch, every_in_steps;
    double every; // steps between drops, may be fractional
    int64_t milestones[CNN_MAX_MILESTONES];
    int n_milestones;
    int64_t first_milestone, warmup_steps; // of the run, for cnn_schedule_describe
};

// The rates within one stretch of the timeline; `config`: that stretch's (cnn_config_for_phase). Fails where
// the schedule cannot be meant so: a warm-up longer than the run, or steps of no length. Not collective.
enum cnn_status cnn_schedule_init(struct cnn_schedule *out, const struct cnn_config *config,
                                  const struct cnn_timeline *timeline, int stretch) CNN_MUST_CHECK;

// The rate of step `step`, one of the stretch's, w warm-up steps, T steps in all, u = (step - w) / (T - w),
// where times stated in epochs, and u, go by epochs even if these differ in length:
//   constant    rate
//   step        rate * factor ^ floor(step / every)
//   multistep   rate * factor ^ (milestones at or before step)
//   cosine      final + (rate - final) * (1 + cos(pi u)) / 2     (Loshchilov and Hutter 2017, one cycle)
//   polynomial  final + (rate - final) * (1 - u) ^ power
// times warmup_from + (1 - warmup_from) * step / w during warm-up (Goyal et al. 2017). Drops count from the
// start of the run. by_epoch: `step` is first taken back to the start of its epoch, except in a warm-up
// stated in steps.
double cnn_schedule_rate(const struct cnn_schedule *schedule, int64_t step);

// One sentence for the log: how the rate was derived and how it goes on.
void cnn_schedule_describe(const struct cnn_schedule *schedule, char *out, size_t out_bytes);

// Whether something that happens every `every` is due when `steps_done` steps (>= 1) are done: at the k-th
// multiple, rounded to a whole step, so that fractions of an epoch do not drift. Never due for CNN_NEVER and
// 0.
bool cnn_schedule_due(struct cnn_duration every, const struct cnn_timeline *timeline, int64_t steps_done);

#endif
