// `cnn_dist dataset`: which of its commands is meant.
#include "cli/dataset.h"
#include "cli/commands.h"

static const struct cnn_command_entry commands[] = {
    {"import", "folder|tar|list|... SRC --out DIR", "make a dataset from images", cnn_cmd_dataset_import},
    {"synth", "--out DIR", "draw a synthetic dataset of ten shapes", cnn_cmd_dataset_synth},
    {"info", "DIR [--json]", "print what a dataset contains", cnn_cmd_dataset_info},
    {"stats", "DIR", "measure mean and standard deviation per channel", cnn_cmd_dataset_stats},
    {"show", "[DIR] --out FILE.png [--config CONFIG]", "write a contact sheet", cnn_cmd_dataset_show},
    {"verify", "DIR [--json]", "check every record of a dataset", cnn_cmd_dataset_verify},
};

enum cnn_status cnn_cmd_dataset(int argc, char **argv, struct cnn_comm *comm) {
    return cnn_dispatch("cnn_dist dataset", commands, sizeof commands / sizeof *commands, argc, argv, comm);
}
