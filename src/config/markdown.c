// docs/config.md, made from the tables.
#include "config/options.h"
#include "config/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "# Options\n"
    "\n"
    "<!-- Made from the table in src/config/options.c. Do not edit: change the table, then run the tests "
    "once with\n"
    "     CNN_WRITE_DOCS=1 set, and this file is written anew. -->\n"
    "\n"
    "A config is a YAML file. Every key may be left out and then has its default. What is written is checked "
    "before\n"
    "anything starts: an unknown key, a wrong type or a value out of range is an error that names the file, "
    "the line\n"
    "and what is allowed.\n"
    "\n"
    "    cnn_dist config check FILE    checks a config without running it\n"
    "    cnn_dist config show FILE     prints it with every default filled in\n"
    "    cnn_dist config schema        prints this reference as JSON\n"
    "\n"
    "**One value changed for one run.** `--set PATH=VALUE` after any command, as often as needed; the last "
    "one counts.\n"
    "The value is read as YAML: `--set train.epochs=5`, `--set data.mean='[0.5, 0.5, 0.5]'`,\n"
    "`--set augment.train='[flip_horizontal]'`. A whole section may be given too:\n"
    "`--set train.batch='{global: 64, micro: 32}'`.\n"
    "\n"
    "**`auto`** leaves the choice to the program; the start of the log says what it chose.\n"
    "\n"
    "**Times** have a unit: `5 epochs`, `1 epoch`, `0.5 epochs`, `500 steps`. `0` is none at all, and "
    "`never` says the same.\n"
    "\n"
    "**Anchors** (`&name`, `*name`) of YAML work; tags (`!!int`) and a second document in the file do not.\n";

// A `|` would end the cell of the table.
static void write_cell(FILE *file, const char *text) {
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', file);
        fputc(*text, file);
    }
}

static void write_option(FILE *file, const struct cnn_option *option) {
    char allowed[320];
    cnn_option_expected(allowed, sizeof allowed, option);
    fprintf(file, "| `%s` | ", option->path);
    if (*option->fallback)
        fprintf(file, "`%s`", option->fallback);
    else
        fputs("none", file);
    fputs(" | ", file);
    write_cell(file,
               option->type == CNN_OPTION_AUGMENTS ? "a list of [augmentations](#augmentations)" : allowed);
    if (option->unit)
        fprintf(file, " (%s)", option->unit);
    fputs(" | ", file);
    write_cell(file, option->doc);
    fputs(" |\n", file);
}

static void write_section(FILE *file, const char *name, const char *doc) {
    size_t bytes = strlen(name);
    fprintf(file, "\n## %s\n\n%s\n\n| Option | Default | Allowed | What it does |\n|---|---|---|---|\n", name,
            doc);
    for (size_t i = 0; i < CNN_N_OPTIONS; i++) {
        const char *path = cnn_option_table[i].path;
        if (strncmp(path, name, bytes) == 0 && (path[bytes] == '.' || path[bytes] == '\0'))
            write_option(file, &cnn_option_table[i]);
    }
}

static void write_arg(FILE *file, const struct cnn_augment_arg *arg) {
    char allowed[CNN_EXPECTED_BYTES];
    cnn_augment_expected(allowed, arg);
    fprintf(file, "| `%s` | ", arg->name);
    if (isnan(arg->fallback[0])) {
        fputs("must be given", file);
    } else if (arg->type == CNN_ARG_WEIGHTS) {
        fputs("none", file);
    } else {
        fputc('`', file);
        cnn_augment_write_value(file, arg, arg->fallback);
        fputc('`', file);
    }
    fprintf(file, " | %s | %s |\n", allowed, arg->doc);
}

static void write_augmentation(FILE *file, const struct cnn_augment_info *info) {
    struct cnn_augment usual = cnn_augment_default((enum cnn_augment_kind)(info - cnn_augment_table));
    bool has_p = cnn_augment_arg_index(usual.kind, "p") >= 0;
    fprintf(file, "\n### %s\n\n%c%s.", info->name, info->doc[0] - 'a' + 'A', info->doc + 1);
    if (info->is_random)
        fputs(" Random: for `augment.train` only.", file);
    else if (has_p)
        fputs(" In `augment.eval` with `p: 1` and single values only.", file);
    if (info->peer)
        fprintf(file, " In torchvision: `%s`.", info->peer);
    fputs("\n\n| Argument | Default | Allowed | What it is |\n|---|---|---|---|\n", file);
    for (int a = 0; a < info->n_args; a++)
        write_arg(file, &info->args[a]);
}

static void write_augmentations(FILE *file) {
    fputs(
        "\n## Augmentations\n\n"
        "Entries of `augment.train` and `augment.eval`, applied in the order written: a bare name\n"
        "(`- flip_horizontal`), a name with its arguments (`- random_crop: {size: 32, padding: 4}`), or, "
        "where all "
        "arguments\n"
        "but the first only say how, a name with the first one's value (`- resize: 256`, `- rotation: 15`). "
        "Recipes, and what\n"
        "each does to pixels exactly: [augmentation.md](augmentation.md).\n",
        file);
    for (int i = 0; i < CNN_N_AUGMENTS; i++)
        write_augmentation(file, &cnn_augment_table[i]);
}

enum cnn_status cnn_config_schema_markdown(char **out) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    if (!file)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot write the reference");
    fputs(intro, file);
    for (size_t i = 0; i < CNN_N_SECTIONS; i++)
        write_section(file, cnn_option_sections[i].name, cnn_option_sections[i].doc);
    write_section(file, "backend", "One key, not a section.");
    write_augmentations(file);
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed) {
        free(text);
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot write the reference");
    }
    *out = text;
    return CNN_OK;
}
