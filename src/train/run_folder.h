// The folder of a run, RUN.DIR/RUN.NAME: its paths, its making, and log.txt. Rank 0 alone works on it.
#ifndef CNN_TRAIN_RUN_FOLDER_H
#define CNN_TRAIN_RUN_FOLDER_H
#include "base/owner.h"
#include "config/config.h"
#include <cnn_dist/status.h>
#include <stdint.h>

struct cnn_run_folder {
    char path[4200], checkpoints[4300], config[4300], metrics[4300], log[4300];
    struct cnn_owner *owner; // this process, once it may write; NULL before
    int log_fd;              // of log.txt; -1: not open
    int64_t log_lost;        // lines that could not be written to it since the last one that could
    int log_error;           // why, errno; 0: log.txt is complete so far
};
// Fills in the paths; touches nothing.
enum cnn_status cnn_run_folder_init(struct cnn_run_folder *out,
                                    const struct cnn_config *config) CNN_MUST_CHECK;
// Whether it exists or could be made: CNN_ERR_INPUT names what is in the way. Changes nothing.
enum cnn_status cnn_run_folder_check(const struct cnn_run_folder *folder) CNN_MUST_CHECK;
enum cnn_status cnn_run_folder_create(const struct cnn_run_folder *folder) CNN_MUST_CHECK;
// Makes this process the only one that writes to the folder, which exists (base/owner.h), and clears away
// unfinished files of earlier owners. No-op for the owner. Waits where an earlier owner may still be alive.
enum cnn_status cnn_run_folder_own(struct cnn_run_folder *folder) CNN_MUST_CHECK;
// From here on log lines also go, with the time, to the end of log.txt, as long as this process owns the
// folder. Lines that cannot be written are counted, and the gap is marked by the next line that can. No-op
// when it is open.
enum cnn_status cnn_run_folder_open_log(struct cnn_run_folder *folder) CNN_MUST_CHECK;
void cnn_run_folder_finish(struct cnn_run_folder *folder);

#endif
