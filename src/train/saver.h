// Saves checkpoints behind the back of training: the snapshot is taken at the step boundary, a thread writes
// it. Rank 0 alone has one.
#ifndef CNN_TRAIN_SAVER_H
#define CNN_TRAIN_SAVER_H
#include "base/error.h"
#include "train/store.h"

struct cnn_saver_options {
    const char *folder;                // the run's checkpoints/, which exists
    const struct cnn_model *model;     // borrowed
    int keep;                          // newest checkpoints that stay
    struct cnn_checkpoint_texts texts; // copied
};
// How a save ended.
struct cnn_save_result {
    int64_t step, epoch; // epoch: counted from 1, the one that ended or runs
    char file[CNN_STORE_NAME_BYTES];
    uint64_t bytes;
    double seconds;
    bool best;
    struct cnn_error error; // status CNN_OK: it is on disk
};

struct cnn_saver;
enum cnn_status cnn_saver_create(struct cnn_saver **out,
                                 const struct cnn_saver_options *options) CNN_MUST_CHECK;
void cnn_saver_destroy(struct cnn_saver *saver); // waits for a save in progress

// The memory the next checkpoint is taken into. Waits while a save still reads it.
struct cnn_snapshot *cnn_saver_snapshot(struct cnn_saver *saver);
// Hands the filled snapshot to the thread, which writes step-N, then `latest`, then `best` where this is the
// best one, and deletes what is too old. Collect the result of the save before this one first.
void cnn_saver_start(struct cnn_saver *saver, const struct cnn_run_record *record);
// Whether a save has ended since the last call; then *out says how. `wait`: waits for one in progress.
bool cnn_saver_collect(struct cnn_saver *saver, bool wait, struct cnn_save_result *out);

#endif
