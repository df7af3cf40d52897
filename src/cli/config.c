// `config`: checks a config, shows it with everything filled in, and prints the table of all options.
#include "config/config.h"

#include "base/memory.h"
#include "cli/args.h"
#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>

static enum cnn_status read_config(struct cnn_config **out, int argc, char **argv, const char *usage,
                                   const char *summary, bool *help, const char **path,
                                   struct cnn_comm *comm) {
    struct cnn_strings set = {0};
    const struct cnn_flag flags[] = {
        CNN_LIST_FLAG("set", &set, "KEY=VALUE", "override a value of the config, such as train.epochs=5"),
    };
    const struct cnn_args args = {.usage = usage,
                                  .summary = summary,
                                  .flags = flags,
                                  .n_flags = 1,
                                  .least_positional = 1,
                                  .most_positional = 1};
    struct cnn_args_given given;
    struct cnn_config *config = NULL;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    *help = given.help;
    if (given.help)
        return CNN_OK;
    *path = given.positional.items[0];
    CNN_TRY(cnn_calloc(&config, 1, sizeof *config));
    enum cnn_status status = cnn_config_read(config, *path, set.items, (size_t)set.n);
    if (status != CNN_OK) {
        free(config);
        return status;
    }
    *out = config;
    return CNN_OK;
}

static enum cnn_status check(int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_config *config = NULL;
    const char *path = NULL;
    bool help;
    CNN_TRY(read_config(&config, argc, argv, "cnn_dist config check CONFIG [--set KEY=VALUE]...",
                        "Checks the keys, types and ranges of a config.", &help, &path, comm));
    if (!help && cnn_comm_rank(comm) == 0)
        printf("%s is valid\n", path);
    free(config);
    return CNN_OK;
}

static enum cnn_status show(int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_config *config = NULL;
    const char *path = NULL;
    char *text = NULL;
    bool help;
    CNN_TRY(read_config(&config, argc, argv, "cnn_dist config show CONFIG [--set KEY=VALUE]...",
                        "Prints the complete config as YAML, including defaults and overrides.", &help, &path,
                        comm));
    enum cnn_status status = help ? CNN_OK : cnn_config_format(&text, config);
    if (status == CNN_OK && text && cnn_comm_rank(comm) == 0)
        fputs(text, stdout);
    free(text);
    free(config);
    return status;
}

static enum cnn_status schema(int argc, char **argv, struct cnn_comm *comm) {
    bool markdown = false;
    const struct cnn_flag flags[] = {
        CNN_BOOL_FLAG("markdown", &markdown, "print the reference page docs/config.md instead of JSON"),
    };
    const struct cnn_args args = {
        .usage = "cnn_dist config schema [--markdown]",
        .summary = "Prints all options with their type, default, range, unit and description.",
        .flags = flags,
        .n_flags = 1};
    struct cnn_args_given given;
    char *text = NULL;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help || cnn_comm_rank(comm) != 0)
        return CNN_OK;
    CNN_TRY(markdown ? cnn_config_schema_markdown(&text) : cnn_config_schema_json(&text));
    fputs(text, stdout);
    free(text);
    return CNN_OK;
}

enum cnn_status cnn_cmd_config(int argc, char **argv, struct cnn_comm *comm) {
    static const struct cnn_command_entry commands[] = {
        {"check", "CONFIG [--set KEY=VALUE]...", "check a config", check},
        {"show", "CONFIG [--set KEY=VALUE]...", "print a config with all defaults", show},
        {"schema", "[--markdown]", "print all options", schema},
    };
    return cnn_dispatch("cnn_dist config", commands, sizeof commands / sizeof *commands, argc, argv, comm);
}
