// Evaluation: every record exactly once, for any number of ranks and any batch size.
#ifndef CNN_TRAIN_EVALUATE_H
#define CNN_TRAIN_EVALUATE_H
#include "comm/comm.h"
#include "config/config.h"
#include "data/dataset.h"
#include "replica/replica.h"
#include "train/observer.h"
#include "train/preparation.h"
#include "train/views.h"
#include <stdbool.h>

struct cnn_evaluator_options {
    const struct cnn_config *config; // borrowed during create
    struct cnn_comm *comm;           // these borrowed
    struct cnn_backend *backend;
    const struct cnn_dataset *dataset;
    struct cnn_replica
        *of; // the training replica whose parameters are evaluated; NULL: parameters of its own
    const struct cnn_preparation *preparation; // borrowed during create
    int classes, batch;
    int threads; // of the loader
    double mean[3], std[3];
    enum cnn_tta tta;
    const struct cnn_observer *observer; // borrowed; NULL: single records are not looked at
};
struct cnn_evaluation {
    double loss, top1, top5; // mean over samples; percentages
    uint64_t n;
    double seconds;
    bool interrupted; // the numbers mean nothing
};

struct cnn_evaluator;
// All ranks succeed or fail together. Collective.
enum cnn_status cnn_evaluator_create(struct cnn_evaluator **out,
                                     const struct cnn_evaluator_options *options) CNN_MUST_CHECK;
void cnn_evaluator_destroy(struct cnn_evaluator *evaluator); // not collective

// For evaluators without a training replica: where a checkpoint's parameters go.
struct cnn_replica *cnn_evaluator_replica(struct cnn_evaluator *evaluator);
const struct cnn_model *cnn_evaluator_model(const struct cnn_evaluator *evaluator);

// One pass over the dataset with the present parameters. `stop` (may be NULL) is asked now and then; when it
// says so on any rank, all leave early. Collective.
enum cnn_status cnn_evaluator_run(struct cnn_evaluator *evaluator, const char *(*stop)(void *context),
                                  void *context, struct cnn_evaluation *out) CNN_MUST_CHECK;

#endif
