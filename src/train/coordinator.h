// At every step boundary all ranks bring what only they may have seen, and all leave with the same directive.
#ifndef CNN_TRAIN_COORDINATOR_H
#define CNN_TRAIN_COORDINATOR_H
#include "comm/comm.h"
#include "config/config.h"
#include "train/timeline.h"
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stdint.h>

// One rank's part of a step; after cnn_coordinator_fold the sums over ranks. Doubles only: it travels as an
// array.
struct cnn_step_report {
    double loss, top1, top5, n;               // sums over the samples of the step
    double seconds, data_wait_s, comm_wait_s; // the waits are parts of the seconds
    double stop_requests, not_finite, errors, bad_records;
    double overflow; // ranks whose gradients were not finite: none or all
};
#define CNN_STEP_REPORT_FIELDS (sizeof(struct cnn_step_report) / sizeof(double))

// Sums the reports of all ranks, with the same bits on every rank. Collective.
enum cnn_status cnn_coordinator_fold(struct cnn_step_report *report, struct cnn_comm *comm) CNN_MUST_CHECK;

// When things are due. Pure data, the same on every rank.
struct cnn_coordinator {
    struct cnn_timeline timeline;
    struct cnn_duration eval_every, checkpoint_every;
    int log_every;
    bool has_val;
};
void cnn_coordinator_init(struct cnn_coordinator *out, const struct cnn_config *config,
                          const struct cnn_timeline *timeline, bool has_val);

// What to do after a step, in this order. `fail`: nothing else is done. `stop` with an evaluation due puts
// that off (evaluation_due), as a job that is told to leave may have little time.
struct cnn_directive {
    bool fail;
    bool log, end_epoch, evaluate, evaluation_due, checkpoint;
    bool stop; // on request
    bool done; // the last step
};
struct cnn_directive cnn_coordinator_decide(const struct cnn_coordinator *coordinator, int64_t steps_done,
                                            const struct cnn_step_report *sums);

#endif
