// Saves checkpoints behind the back of training: the snapshot is taken at the step boundary, a thread writes
// it. Rank 0 alone has one.
#ifndef CNN_TRAIN_SAVER_H
#define CNN_TRAIN_SAVER_H
#include "base/error.h"
#include "train/store.h"

struct cnn_saver_options {
    const char *folder;                 // the run's checkpoints/, which exists
    const struct cnn_model *model;      // borrowed
    int keep;                           // newest checkpoints that stay
    struct cnn_best best;               // of the run so far that is in the folder; it stays as well
    struct cnn_checkpoint_texts texts;  // copied
    void (*on_progress)(void *context); // on the thread, now and then while it saves; may be NULL
    void *context;
};
// How a save ended.
struct cnn_save_result {
    int64_t step, epoch; // epoch: counted from 1, the one that ended or runs
    char file[CNN_STORE_NAME_BYTES];
    uint64_t bytes;
    double seconds;
    bool best;
    struct cnn_error error; // status CNN_OK: it is on disk
    double retry_s;         // after an error: when the thread tries again; 0: it does not
};

struct cnn_saver;
enum cnn_status cnn_saver_create(struct cnn_saver **out,
                                 const struct cnn_saver_options *options) CNN_MUST_CHECK;
void cnn_saver_destroy(struct cnn_saver *saver); // waits for a save in progress

// The memory the next checkpoint is taken into. Waits while a save still reads it; one that failed is given
// up.
struct cnn_snapshot *cnn_saver_snapshot(struct cnn_saver *saver);
// Hands the filled snapshot to the thread, which writes step-N, then `latest`, then `best` where this is the
// best one so far, and deletes what is too old. A save that fails is tried again by the thread, after 2 s, 4
// s, 8 s and so on, at most a minute apart, until the memory is needed for the next one. A run folder that
// belongs to another process by now (CNN_ERR_FAILED) is not tried again. Collect the result of the save
// before this one first.
void cnn_saver_start(struct cnn_saver *saver, const struct cnn_run_record *record, bool best);
// A save failed and its snapshot is still there; `only_best`: and it was the best one so far.
bool cnn_saver_has_failed(struct cnn_saver *saver, bool only_best);
// Tries it again now; collect the result. False where there is none.
bool cnn_saver_retry(struct cnn_saver *saver);
// The best checkpoint on disk; and whether this accuracy is better than that and the one being saved.
struct cnn_best cnn_saver_best(struct cnn_saver *saver);
bool cnn_saver_is_better(struct cnn_saver *saver, double top1);
// Whether a save has ended since the last call; then *out says how. `wait`: waits for one in progress.
bool cnn_saver_collect(struct cnn_saver *saver, bool wait, struct cnn_save_result *out);

#endif
