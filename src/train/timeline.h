// Which step belongs to which epoch, where epochs of different phases have different numbers of steps. Steps
// and epochs are counted from 0; "n steps done" is the boundary before step n.
#ifndef CNN_TRAIN_TIMELINE_H
#define CNN_TRAIN_TIMELINE_H
#include "config/config.h"
#include <stdbool.h>
#include <stdint.h>

// Epochs of equal length, up to the next stretch or the end of the run.
struct cnn_stretch {
    int64_t first_epoch, first_step;
    int64_t steps_per_epoch; // >= 1
};
struct cnn_timeline {
    int n; // stretches, >= 1: one for each phase that comes
    struct cnn_stretch stretches[CNN_MAX_PHASES + 1];
    double epochs;
    int64_t total_steps; // of the whole run, >= 1
};

// `steps_per_epoch`: of each of the n stretches; until[i]: epochs done when stretch i < n - 1 ends,
// increasing and below `epochs`.
void cnn_timeline_init(struct cnn_timeline *out, int n, const int64_t *steps_per_epoch, const int64_t *until,
                       double epochs);
// A run whose epochs are all alike.
struct cnn_timeline cnn_timeline_uniform(int64_t steps_per_epoch, int64_t total_steps);

// The stretch that the last of `steps_done` steps belongs to; 0 before the first step.
int cnn_timeline_stretch(const struct cnn_timeline *timeline, int64_t steps_done);
// The stretch of an epoch; the last one for what lies behind the end.
int cnn_timeline_stretch_of_epoch(const struct cnn_timeline *timeline, int64_t epoch);

// Steps done at a time counted from the start, rounded to the nearest step; epochs may be fractional.
int64_t cnn_timeline_steps(const struct cnn_timeline *timeline, double epochs);
// Epochs done after so many steps.
double cnn_timeline_epochs(const struct cnn_timeline *timeline, int64_t steps_done);
// The epoch, counted from 1, that the last of `steps_done` steps belongs to; 0 before the first step.
int64_t cnn_timeline_epoch(const struct cnn_timeline *timeline, int64_t steps_done);
bool cnn_timeline_ends_epoch(const struct cnn_timeline *timeline, int64_t steps_done);
// Where step `step_of_epoch` of an epoch stands in the run.
int64_t cnn_timeline_place(const struct cnn_timeline *timeline, int64_t epoch, int64_t step_of_epoch);
// Whether a run that has done `steps_done` steps is in this epoch, before step `step_of_epoch` of it. Takes
// any numbers from 0 to those a checkpoint may hold (train/record.h).
bool cnn_timeline_is_at(const struct cnn_timeline *timeline, int64_t steps_done, int64_t epoch,
                        int64_t step_of_epoch);

// What is added to a step to have its number as it were if all epochs of the run were like those of this
// stretch: what is stated in epochs then falls where it does in a run of equal epochs.
int64_t cnn_stretch_shift(const struct cnn_stretch *stretch);

#endif
