// Everything slow and everything that can be wrong, before step 0: what a run needs, created in the order in
// which mistakes of the user are cheapest to find, and destroyed in reverse.
#ifndef CNN_TRAIN_SETUP_H
#define CNN_TRAIN_SETUP_H
#include "train/coordinator.h"
#include "train/evaluate.h"
#include "train/inputs.h"
#include "train/metrics.h"
#include "train/network.h"
#include "train/plan.h"
#include "train/resume.h"
#include "train/run_folder.h"
#include "train/saver.h"
#include "train/schedule.h"
#include "train/trainer.h"
#include "train/worker.h"

// What rank 0 writes; NULL on the others.
struct cnn_outputs {
    struct cnn_run_folder folder;
    struct cnn_metrics_file *metrics;
    struct cnn_saver *saver;
    bool unended; // the job before this one left no `end` in metrics.jsonl
};

struct cnn_run {
    const struct cnn_train_options *options;
    struct cnn_comm *comm;
    struct cnn_config config; // resolved: micro, classes and statistics are numbers
    struct cnn_place place;
    struct cnn_inputs inputs;
    struct cnn_plan plan;
    struct cnn_thread_plan threads;
    int phase; // the present one, by its number in the plan
    struct cnn_schedule schedules[CNN_MAX_PHASES + 1];
    struct cnn_model *models[CNN_MAX_PHASES + 1]; // alike but for the size of their values
    double step_cost[CNN_MAX_PHASES + 1];         // of a step of each phase, relative to the others
    struct cnn_coordinator coordinator;
    struct cnn_backend *backend;
    // Of the present phase (train/phases.h).
    struct cnn_loader *loader;
    const struct cnn_model *model; // one of the models
    struct cnn_worker *worker;
    struct cnn_evaluator *evaluator; // NULL without data.val
    struct cnn_outputs outputs;
    struct cnn_run_record record; // what it is, and where it stands
    bool resumed;
    char host_ranks[2048]; // rank 0: who runs where (comm.h)
};

// The loader has started at the run's place in the data when this returns, unless a phase begins there: that
// is entered by the first step. All ranks succeed or fail together. Collective.
enum cnn_status cnn_run_create(struct cnn_run **out, const struct cnn_train_options *options) CNN_MUST_CHECK;
// CNN_STOPPED, with the signal in the message, if a stop was requested on any rank. Collective.
enum cnn_status cnn_run_check_stop(const struct cnn_run *run) CNN_MUST_CHECK;
// `status`: how the run ended. Collective, unless that is CNN_ERR_COMM: then what other ranks may still touch
// is left for the end of the process to take along.
void cnn_run_destroy(struct cnn_run *run, enum cnn_status status);

#endif
