#include "train/coordinator.h"

#include "train/schedule.h"

enum cnn_status cnn_coordinator_fold(struct cnn_step_report *report, struct cnn_comm *comm) {
    return cnn_comm_allreduce(comm, report, CNN_STEP_REPORT_FIELDS, CNN_COMM_F64, CNN_REDUCE_SUM);
}

void cnn_coordinator_init(struct cnn_coordinator *out, const struct cnn_config *config,
                          const struct cnn_timeline *timeline, bool has_val) {
    *out = (struct cnn_coordinator){
        .timeline = *timeline,
        .eval_every = config->eval.every,
        .checkpoint_every = config->checkpoint.every,
        .log_every = config->log.every,
        .has_val = has_val,
    };
}

struct cnn_directive cnn_coordinator_decide(const struct cnn_coordinator *coordinator, int64_t steps_done,
                                            const struct cnn_step_report *sums) {
    struct cnn_directive directive = {0};
    if (sums->errors > 0 || sums->not_finite > 0) {
        directive.fail = true;
        return directive;
    }
    const struct cnn_timeline *timeline = &coordinator->timeline;
    bool last = steps_done >= timeline->total_steps;
    bool evaluate =
        coordinator->has_val && (last || cnn_schedule_due(coordinator->eval_every, timeline, steps_done));
    directive.log = last || steps_done == 1 || steps_done % coordinator->log_every == 0;
    directive.end_epoch = last || cnn_timeline_ends_epoch(timeline, steps_done);
    // A request that comes with the very last step, when nothing is left to do, is no reason to say "not
    // finished".
    directive.stop = sums->stop_requests > 0 && (!last || evaluate);
    directive.evaluate = evaluate && !directive.stop;
    directive.evaluation_due = evaluate && directive.stop;
    directive.checkpoint =
        last || directive.stop || cnn_schedule_due(coordinator->checkpoint_every, timeline, steps_done);
    directive.done = last && !directive.stop;
    return directive;
}
