// cnn_dist: trains and uses convolutional networks. Joins the job, finds the command, prints what went wrong.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/signals.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct cnn_command_entry commands[] = {
    {"train", "CONFIG [--resume auto|none|FILE]", "train a network, alone or under mpirun", cnn_cmd_train},
    {"eval", "RUN_OR_CHECKPOINT [--data DIR]", "evaluate a trained network on a dataset", cnn_cmd_eval},
    {"predict", "RUN_OR_CHECKPOINT IMAGE...", "classify images", cnn_cmd_predict},
    {"dataset", "import|synth|info|show|verify ...", "make and inspect datasets", cnn_cmd_dataset},
    {"model", "list|summary|export ...", "list architectures; print their layers and cost; export weights",
     cnn_cmd_model},
    {"config", "check|show|schema ...", "check and print config files", cnn_cmd_config},
    {"bench", "step|loader|allreduce ...", "measure the speed of parts of training", cnn_cmd_bench},
    {"doctor", "[--dir DIR]", "check the installation and the machine", cnn_cmd_doctor},
    {"version", "", "print the version of the program and of its libraries", cnn_cmd_version},
};

// All ranks come here with what they have; rank 0 speaks for the job.
static enum cnn_status report(struct cnn_comm *comm, enum cnn_status status) {
    if (status != CNN_ERR_COMM)
        status = cnn_comm_agree(comm, status);
    if (status == CNN_ERR_COMM) {
        if (!cnn_comm_was_told(comm)) // by the rank that reports it
            cnn_console_error(cnn_error_message());
        cnn_comm_abort(comm, cnn_status_exit_code(status)); // the others may wait for ever
    }
    if (status != CNN_OK && status != CNN_STOPPED && cnn_comm_rank(comm) == 0) // a stop has told of itself
        cnn_console_error(cnn_error_message());
    return status;
}

int main(int argc, char **argv) {
    // First, as joining the job takes time. Other commands have nothing to save: a signal ends them as usual.
    if (argc > 1 && strcmp(argv[1], "train") == 0)
        cnn_signals_install();
    struct cnn_comm *comm = NULL;
    enum cnn_status status = cnn_console_begin();
    if (status == CNN_OK)
        status = cnn_comm_start(&comm);
    if (status != CNN_OK) {
        cnn_console_error(cnn_error_message());
        return cnn_status_exit_code(status);
    }
    status = cnn_console_open(cnn_comm_rank(comm), cnn_comm_size(comm));
    if (argc > 1 && strcmp(argv[1], "train") != 0) { // which says more
        cnn_comm_set_stage(comm, CNN_STAGE_COMMAND, -1);
        cnn_comm_set_task(comm, "running the command");
    }
    if (status == CNN_OK)
        status = cnn_dispatch("cnn_dist", commands, sizeof commands / sizeof *commands, argc, argv, comm);
    // Before ranks leave: a launcher ends those that remain when one leaves with an error.
    const bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (status == CNN_OK && !written)
        status = cnn_fail(CNN_ERR_IO, "cannot write the result to standard output");
    status = report(comm, status);
    cnn_comm_finish(comm, cnn_status_exit_code(status));
    cnn_console_close();
    return cnn_status_exit_code(status);
}
