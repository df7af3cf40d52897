// Going on where a run stopped: which checkpoint, whether it fits, and its way onto every rank.
#ifndef CNN_TRAIN_RESUME_H
#define CNN_TRAIN_RESUME_H
#include "comm/comm.h"
#include "train/checkpoint.h"
#include "train/timeline.h"
#include "train/worker.h"

struct cnn_resume {
    struct cnn_checkpoint *checkpoint; // rank 0 alone has it open
    bool resumed;                      // false: the run starts anew, and the record is empty
    struct cnn_run_record record;
};

// `mode`: "auto" goes on from the newest whole checkpoint in `folder` if there is one; "none" refuses a
// folder that has any; else the path of a checkpoint. Only reads. Collective.
enum cnn_status cnn_resume_choose(struct cnn_resume *out, const char *mode, const char *folder,
                                  struct cnn_comm *comm) CNN_MUST_CHECK;
void cnn_resume_finish(struct cnn_resume *resume);

// Whether this run may go on from it: same data, global batch, seed, shapes and phases so far; `facts` are
// those of the phase of its last step. What cannot be continued is CNN_ERR_INPUT naming the option. Not
// collective; the other ranks see a run that starts anew.
enum cnn_status cnn_resume_check(const struct cnn_resume *resume, const struct cnn_model *model,
                                 const struct cnn_run_facts *facts,
                                 const struct cnn_timeline *timeline) CNN_MUST_CHECK;

// Parameters and velocity of the checkpoint, or fresh ones from `seed`, into the replicas of all ranks.
// Collective.
enum cnn_status cnn_resume_restore(const struct cnn_resume *resume, struct cnn_comm *comm,
                                   const struct cnn_model *model, uint64_t seed,
                                   struct cnn_worker *worker) CNN_MUST_CHECK;

// Parameters alone, for evaluation and prediction.. Not collective.
enum cnn_status cnn_resume_parameters(const struct cnn_checkpoint *checkpoint, const struct cnn_model *model,
                                      struct cnn_replica *replica) CNN_MUST_CHECK;

#endif
