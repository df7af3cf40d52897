// The parts of `cnn_dist model`; each as cnn_cmd_model, argv[0] being the last word of the command.
#ifndef CNN_CLI_MODEL_H
#define CNN_CLI_MODEL_H
#include "comm/comm.h"
#include <cnn_dist/status.h>

enum cnn_status cnn_cmd_model_list(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_model_summary(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_model_export(int argc, char **argv, struct cnn_comm *comm);

#endif
