// The commands of cnn_dist. main.c joins the job, dispatches, prints the error message and turns the status into the exit code.
#ifndef CNN_CLI_COMMANDS_H
#define CNN_CLI_COMMANDS_H
#include "comm/comm.h"
#include <cnn_dist/status.h>

// argv[0] is the command's own name ("dataset"), argv[1 .. argc-1] what the user wrote after it. Results go to stdout
// (rank 0 alone), everything else to stderr through the log. An error is returned, not printed. Collective over `comm`.
enum cnn_status cnn_cmd_dataset(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_bench_loader(int argc, char **argv, struct cnn_comm *comm); // argv[0] is "loader"

#endif
