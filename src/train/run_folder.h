// The folder of a run, RUN.DIR/RUN.NAME: its paths, its making, and log.txt. Rank 0 alone works on it.
#ifndef CNN_TRAIN_RUN_FOLDER_H
#define CNN_TRAIN_RUN_FOLDER_H
#include "config/config.h"
#include <cnn_dist/status.h>
#include <stdio.h>

struct cnn_run_folder {
    char path[4200], checkpoints[4300], config[4300], metrics[4300], log[4300];
    FILE *log_file; // NULL: not open
};
// Fills in the paths; touches nothing.
enum cnn_status cnn_run_folder_init(struct cnn_run_folder *out,
                                    const struct cnn_config *config) CNN_MUST_CHECK;
// Whether it exists or could be made: CNN_ERR_INPUT names what is in the way. Changes nothing.
enum cnn_status cnn_run_folder_check(const struct cnn_run_folder *folder) CNN_MUST_CHECK;
enum cnn_status cnn_run_folder_create(const struct cnn_run_folder *folder) CNN_MUST_CHECK;
// From here on log lines also go, with the time, to the end of log.txt. No-op when it is open.
enum cnn_status cnn_run_folder_open_log(struct cnn_run_folder *folder) CNN_MUST_CHECK;
void cnn_run_folder_finish(struct cnn_run_folder *folder);

#endif
