#include "base/suggest.h"
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#define MAX_COMMANDS 32

static void print_table(FILE *to, const char *name, const struct cnn_command_entry *table, size_t n) {
    fprintf(to, "usage: %s COMMAND [arguments]\n\ncommands:\n", name);
    for (size_t i = 0; i < n; i++)
        fprintf(to, "  %-10s %-42s %s\n", table[i].name, table[i].usage, table[i].doc);
    fprintf(to, "\nSee `%s COMMAND --help` for details.\n", name);
}

static enum cnn_status fail_unknown(const char *name, const struct cnn_command_entry *table, size_t n,
                                    const char *word) {
    const char *names[MAX_COMMANDS];
    for (size_t i = 0; i < n; i++)
        names[i] = table[i].name;
    const char *near = cnn_suggest(word, names, n);
    if (near)
        return cnn_fail(CNN_ERR_INPUT, "unknown command '%s %s'; did you mean '%s'?", name, word, near);
    return cnn_fail(CNN_ERR_INPUT, "unknown command '%s %s'; see %s --help", name, word, name);
}

enum cnn_status cnn_dispatch(const char *name, const struct cnn_command_entry *table, size_t n, int argc,
                             char **argv, struct cnn_comm *comm) {
    bool speaks = cnn_comm_rank(comm) == 0;
    if (argc < 2) {
        if (speaks)
            print_table(stderr, name, table, n);
        return cnn_fail(CNN_ERR_INPUT, "missing command; see %s --help", name);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        if (speaks)
            print_table(stdout, name, table, n);
        return CNN_OK;
    }
    for (size_t i = 0; i < n; i++)
        if (strcmp(argv[1], table[i].name) == 0)
            return table[i].run(argc - 1, argv + 1, comm);
    return fail_unknown(name, table, n, argv[1]);
}
