#include "train/timeline.h"

#include <math.h>

static int64_t at_least_one(int64_t steps) { return steps < 1 ? 1 : steps; }

int64_t cnn_stretch_shift(const struct cnn_stretch *stretch) {
    return stretch->first_epoch * stretch->steps_per_epoch - stretch->first_step;
}

void cnn_timeline_init(struct cnn_timeline *out, int n, const int64_t *steps_per_epoch, const int64_t *until,
                       double epochs) {
    struct cnn_timeline timeline = {.n = n, .epochs = epochs};
    struct cnn_stretch *stretch = timeline.stretches;
    stretch->steps_per_epoch = steps_per_epoch[0];
    for (int i = 1; i < n; i++) {
        const struct cnn_stretch *before = stretch++;
        stretch->first_epoch = until[i - 1];
        stretch->first_step =
            before->first_step + (until[i - 1] - before->first_epoch) * before->steps_per_epoch;
        stretch->steps_per_epoch = steps_per_epoch[i];
    }
    timeline.total_steps = at_least_one(cnn_timeline_steps(&timeline, epochs));
    *out = timeline;
}

struct cnn_timeline cnn_timeline_uniform(int64_t steps_per_epoch, int64_t total_steps) {
    return (struct cnn_timeline){
        .n = 1,
        .stretches = {{.steps_per_epoch = steps_per_epoch}},
        .epochs = (double)total_steps / (double)steps_per_epoch,
        .total_steps = total_steps,
    };
}

int cnn_timeline_stretch(const struct cnn_timeline *timeline, int64_t steps_done) {
    int i = 0;
    while (i + 1 < timeline->n && timeline->stretches[i + 1].first_step < steps_done)
        i++;
    return i;
}

int cnn_timeline_stretch_of_epoch(const struct cnn_timeline *timeline, int64_t epoch) {
    int i = 0;
    while (i + 1 < timeline->n && timeline->stretches[i + 1].first_epoch <= epoch)
        i++;
    return i;
}

int64_t cnn_timeline_steps(const struct cnn_timeline *timeline, double epochs) {
    int i = cnn_timeline_stretch_of_epoch(timeline, (int64_t)floor(epochs));
    const struct cnn_stretch *stretch = &timeline->stretches[i];
    return llround(epochs * (double)stretch->steps_per_epoch) - cnn_stretch_shift(stretch);
}

static const struct cnn_stretch *stretch_at(const struct cnn_timeline *timeline, int64_t steps_done) {
    return &timeline->stretches[cnn_timeline_stretch(timeline, steps_done)];
}

double cnn_timeline_epochs(const struct cnn_timeline *timeline, int64_t steps_done) {
    const struct cnn_stretch *stretch = stretch_at(timeline, steps_done);
    return (double)(steps_done + cnn_stretch_shift(stretch)) / (double)stretch->steps_per_epoch;
}

int64_t cnn_timeline_epoch(const struct cnn_timeline *timeline, int64_t steps_done) {
    const struct cnn_stretch *stretch = stretch_at(timeline, steps_done);
    int64_t as_if = steps_done + cnn_stretch_shift(stretch);
    return (as_if + stretch->steps_per_epoch - 1) / stretch->steps_per_epoch;
}

bool cnn_timeline_ends_epoch(const struct cnn_timeline *timeline, int64_t steps_done) {
    const struct cnn_stretch *stretch = stretch_at(timeline, steps_done);
    return (steps_done + cnn_stretch_shift(stretch)) % stretch->steps_per_epoch == 0;
}

int64_t cnn_timeline_place(const struct cnn_timeline *timeline, int64_t epoch, int64_t step_of_epoch) {
    const struct cnn_stretch *stretch = &timeline->stretches[cnn_timeline_stretch_of_epoch(timeline, epoch)];
    return epoch * stretch->steps_per_epoch - cnn_stretch_shift(stretch) + step_of_epoch;
}

bool cnn_timeline_is_at(const struct cnn_timeline *timeline, int64_t steps_done, int64_t epoch,
                        int64_t step_of_epoch) {
    const struct cnn_stretch *stretch = &timeline->stretches[cnn_timeline_stretch_of_epoch(timeline, epoch)];
    return step_of_epoch < stretch->steps_per_epoch &&
           cnn_timeline_place(timeline, epoch, step_of_epoch) == steps_done;
}
