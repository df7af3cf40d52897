// `bench`: which of its commands is meant.
#include "cli/commands.h"

enum cnn_status cnn_cmd_bench(int argc, char **argv, struct cnn_comm *comm) {
    static const struct cnn_command_entry commands[] = {
        {"step", "CONFIG|ARCH [--batch N]", "measure training steps on random images", cnn_cmd_bench_step},
        {"loader", "CONFIG", "measure reading, decoding and augmenting", cnn_cmd_bench_loader},
        {"allreduce", "[CONFIG|ARCH]", "measure summing gradients over ranks", cnn_cmd_bench_allreduce},
    };
    return cnn_dispatch("cnn_dist bench", commands, sizeof commands / sizeof *commands, argc, argv, comm);
}
