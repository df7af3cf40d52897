// The folder of a run's checkpoints: step-NNNNNNNN.safetensors, and the text files `latest` and `best` that
// name one. Rank 0 alone works on it.
#ifndef CNN_TRAIN_STORE_H
#define CNN_TRAIN_STORE_H
#include "train/checkpoint.h"
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CNN_STORE_NAME_BYTES 64
void cnn_store_name(char out[CNN_STORE_NAME_BYTES], int64_t step); // "step-00000042.safetensors"
enum cnn_status cnn_store_path(char *out, size_t out_bytes, const char *folder, int64_t step) CNN_MUST_CHECK;

// The steps there are checkpoints of, ascending; none for a folder that does not exist. *out is malloc'ed.
enum cnn_status cnn_store_steps(int64_t **out, size_t *out_n, const char *folder) CNN_MUST_CHECK;

// Makes `pointer` ("latest" or "best") name the checkpoint of `step`, atomically; and reads it: -1 where it
// names none.
enum cnn_status cnn_store_point(const char *folder, const char *pointer, int64_t step) CNN_MUST_CHECK;
int64_t cnn_store_pointed(const char *folder, const char *pointer);

// Deletes all but the newest `keep` checkpoints and the one of `best_step`.
enum cnn_status cnn_store_prune(const char *folder, int keep, int64_t best_step) CNN_MUST_CHECK;

// Opens the newest checkpoint that is whole. Those that are not are named in the log, with the reason, and
// passed over; where none is left that is an error. *out is NULL where there is no checkpoint at all.
enum cnn_status cnn_store_open_newest(struct cnn_checkpoint **out, const char *folder) CNN_MUST_CHECK;

// A checkpoint and the accuracy it was evaluated at, in percent. step -1: none.
struct cnn_best {
    int64_t step;
    double top1;
};
// Before a run resumes from the checkpoint file `source` with this state (NULL, NULL: a new run begins):
// renames later checkpoints to NAME.set-aside, so that they are never taken for this run's, and makes
// `latest` and `best` name checkpoints that are there. Files set aside earlier are deleted, except for
// `source` itself, so that they do not pile up. *out_best: what `best` names now: the checkpoint of
// state->best_step where it is in the folder, otherwise the one that was evaluated best of those that are
// (the earlier of equals).
enum cnn_status cnn_store_rewind(struct cnn_best *out_best, const char *folder,
                                 const struct cnn_run_state *state, const char *source) CNN_MUST_CHECK;

// The checkpoint that RUN_OR_CHECKPOINT means: a file itself; of a run folder the one that `best` names,
// or the newest where there is none or `latest` asks for it.
enum cnn_status cnn_store_find(char *out, size_t out_bytes, const char *run_or_checkpoint,
                               bool latest) CNN_MUST_CHECK;

#endif
