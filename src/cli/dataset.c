// `cnn_dist dataset`: which of its commands is meant.
#include "cli/dataset.h"
#include "cli/commands.h"

static const struct cnn_command_entry commands[] = {
    {"import", "folder|tar|list|... SRC --out DIR", "make shards from pictures", cnn_cmd_dataset_import},
    {"synth", "--out DIR", "draw a labelled dataset of ten shapes", cnn_cmd_dataset_synth},
    {"info", "DIR [--json]", "what a dataset holds", cnn_cmd_dataset_info},
    {"stats", "DIR", "mean and deviation of the channels, for a config", cnn_cmd_dataset_stats},
    {"show", "[DIR] --out FILE.png [--config CONFIG]", "draw a contact sheet", cnn_cmd_dataset_show},
    {"verify", "DIR [--json]", "read all of a dataset and name what is wrong", cnn_cmd_dataset_verify},
};

enum cnn_status cnn_cmd_dataset(int argc, char **argv, struct cnn_comm *comm) {
    return cnn_dispatch("cnn_dist dataset", commands, sizeof commands / sizeof *commands, argc, argv, comm);
}
