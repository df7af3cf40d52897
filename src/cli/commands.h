// The commands of cnn_dist. main.c joins the job, dispatches, prints the error message and turns the status
// into the exit code.
#ifndef CNN_CLI_COMMANDS_H
#define CNN_CLI_COMMANDS_H
#include "comm/comm.h"
#include <cnn_dist/status.h>

// argv[0] is the command's own name ("dataset"), argv[1 .. argc-1] what the user wrote after it. Results go
// to stdout (rank 0 alone), everything else to stderr through the log. An error is returned, not printed, and
// all ranks return together. Collective over `comm`.
typedef enum cnn_status (*cnn_command)(int argc, char **argv, struct cnn_comm *comm);

enum cnn_status cnn_cmd_train(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_eval(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_predict(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_dataset(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_model(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_config(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_bench(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_doctor(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_version(int argc, char **argv, struct cnn_comm *comm);

// Commands within bench: argv[0] is "step", "loader", ...
enum cnn_status cnn_cmd_bench_step(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_bench_loader(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_bench_allreduce(int argc, char **argv, struct cnn_comm *comm);

// A table of commands, and the one that argv[1] names: runs it with argv[0] = its own name. --help, or no
// word at all, prints the table. `name` is what stands before the words ("cnn_dist bench").
struct cnn_command_entry {
    const char *name, *usage, *doc; // usage: what follows the name
    cnn_command run;
};
enum cnn_status cnn_dispatch(const char *name, const struct cnn_command_entry *table, size_t n, int argc,
                             char **argv, struct cnn_comm *comm) CNN_MUST_CHECK;

#endif
