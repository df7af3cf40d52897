// `cnn_dist model`: which of its commands is meant.
#include "cli/model.h"
#include "cli/commands.h"

static const struct cnn_command_entry commands[] = {
    {"list", "[--json]", "list the architectures", cnn_cmd_model_list},
    {"summary", "ARCH_OR_CONFIG [--backend NAME] [--json]", "print layers, parameters, FLOPs and memory",
     cnn_cmd_model_summary},
    {"export", "RUN_OR_CHECKPOINT --out FILE", "write weights for other programs", cnn_cmd_model_export},
};

enum cnn_status cnn_cmd_model(int argc, char **argv, struct cnn_comm *comm) {
    return cnn_dispatch("cnn_dist model", commands, sizeof commands / sizeof *commands, argc, argv, comm);
}
