// `cnn_dist dataset`: which of its commands is meant.
#include "cli/commands.h"
#include "cli/dataset.h"

#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *doc;
    enum cnn_status (*run)(int argc, char **argv, struct cnn_comm *comm);
} commands[] = {
    {"import", "make shards from folders of pictures, idx files or CIFAR-10", cnn_cmd_dataset_import},
    {"synth", "draw a labelled dataset of ten shapes", cnn_cmd_dataset_synth},
    {"info", "what a dataset holds", cnn_cmd_dataset_info},
    {"verify", "read all of a dataset and name what is wrong with it", cnn_cmd_dataset_verify},
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static void print_help(void) {
    printf("usage: cnn_dist dataset COMMAND ...\n\ncommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].doc);
    printf("\n`cnn_dist dataset COMMAND --help` lists the options of one.\n");
}

enum cnn_status cnn_cmd_dataset(int argc, char **argv, struct cnn_comm *comm) {
    const char *names[N_COMMANDS];
    if (argc < 2)
        return cnn_fail(CNN_ERR_INPUT, "dataset needs a command: import, synth, info or verify");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        if (cnn_comm_rank(comm) == 0)
            print_help();
        return CNN_OK;
    }
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1, comm);
        names[i] = commands[i].name;
    }
    const char *near = cnn_suggest(argv[1], names, N_COMMANDS);
    if (near)
        return cnn_fail(CNN_ERR_INPUT, "unknown command 'dataset %s': did you mean 'dataset %s'?", argv[1], near);
    return cnn_fail(CNN_ERR_INPUT, "unknown command 'dataset %s': there are import, synth, info and verify", argv[1]);
}
