// What a run tells of itself: events for metrics.jsonl, the log and whoever listens, out of what the trainer
// did. Only rank 0 tells; all ranks count alike. Not collective.
#ifndef CNN_TRAIN_STORY_H
#define CNN_TRAIN_STORY_H
#include "base/error.h"
#include "train/coordinator.h"
#include "train/evaluate.h"
#include "train/saver.h"
#include "train/setup.h"

#include <pthread.h>

// Times and counts of some steps; waiting is the mean over ranks.
struct cnn_tally {
    double seconds, images;                  // by rank 0's clock
    double step_s, data_wait_s, comm_wait_s; // inside the steps, means over ranks
    double cost;                             // in the unit of cnn_run.step_cost
    int64_t steps;
};

// Nothing of it outlives the process. Begin with {.start_s = now, .lock = PTHREAD_MUTEX_INITIALIZER}, then
// set run.
struct cnn_story {
    struct cnn_run *run; // borrowed
    double start_s;
    struct cnn_tally window, epoch,
        whole; // since the last logged step, of the running epoch, of this process
    double
        epoch_bad; // records of the running epoch that failed, on all ranks, since the start of this process
    // Rank 0: what went wrong beside the step itself, as a lost run folder; the trainer tells all at the next
    // boundary.
    struct cnn_error trouble;
    bool metrics_warned, log_warned; // that metrics.jsonl, log.txt cannot be written
    // Guards what follows and metrics.jsonl: cnn_story_lost is another thread's.
    pthread_mutex_t lock;
    bool begun, ended;
    struct cnn_event last; // the end of this process if it is the next event
};

// Keeps the first trouble only; CNN_OK is none.
void cnn_story_trouble(struct cnn_story *story, enum cnn_status status);

// "start", or that the run goes on.
void cnn_story_start(struct cnn_story *story);
// A step of `seconds` at rate `lr`, already counted in the run's state. `logged`: one for metrics.jsonl.
void cnn_story_step(struct cnn_story *story, const struct cnn_step_report *sums, double lr, double seconds,
                    bool logged);
// The means of the running epoch, if it had steps; what is counted of epochs begins anew.
void cnn_story_epoch(struct cnn_story *story);
void cnn_story_phase(struct cnn_story *story);
void cnn_story_evaluation(struct cnn_story *story, const struct cnn_evaluation *result, bool best);
// How a save ended, well or not.
void cnn_story_save(struct cnn_story *story, const struct cnn_save_result *result);
void cnn_story_note(struct cnn_story *story, const char *name, const char *message, bool warning);
// From any thread, at any time: the job ends or may end at any moment, and the thread that trains waits for
// other ranks. "end" is written now; what that thread writes later takes its place.
void cnn_story_lost(struct cnn_story *story, const char *reason);
// "end": done, stopped or failed, and with what message.
void cnn_story_end(struct cnn_story *story, const struct cnn_error *how);

#endif
