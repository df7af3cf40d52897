// The parts of `cnn_dist dataset`; each as cnn_cmd_dataset, argv[0] being the last word of the command.
#ifndef CNN_CLI_DATASET_H
#define CNN_CLI_DATASET_H
#include "comm/comm.h"
#include <cnn_dist/status.h>

enum cnn_status cnn_cmd_dataset_import(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_import_cifar10(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_import_cifar100(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_import_idx(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_dataset_synth(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_dataset_info(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_dataset_stats(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_dataset_show(int argc, char **argv, struct cnn_comm *comm);
enum cnn_status cnn_cmd_dataset_verify(int argc, char **argv, struct cnn_comm *comm);

#endif
