// docs/config.md, made from the tables.
#include "config/options.h"
#include "config/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "# Options\n"
    "\n"
    "<!-- Generated from the table in src/config/options.c. Do not edit: change the table, then run the "
    "tests\n"
    "     once with CNN_WRITE_DOCS=1 set, which writes this file again. -->\n"
    "\n"
    "A config is a YAML file. Every key is optional and has a default. The config is checked before "
    "anything\n"
    "starts: an unknown key, a wrong type or a value out of range is an error that gives the file, the line "
    "and\n"
    "what is allowed.\n"
    "\n"
    "    cnn_dist config check FILE    checks a config without running it\n"
    "    cnn_dist config show FILE     prints a config with all defaults\n"
    "    cnn_dist config schema        prints this reference as JSON\n"
    "\n"
    "**Overrides.** `--set PATH=VALUE` changes one value for one run. It may be repeated; the last one "
    "wins.\n"
    "The value is parsed as YAML: `--set train.epochs=5`, `--set data.mean='[0.5, 0.5, 0.5]'`,\n"
    "`--set augment.train='[flip_horizontal]'`. It may also set a whole section:\n"
    "`--set train.batch='{global: 64, micro: 32}'`.\n"
    "\n"
    "**`auto`** lets the program choose; the choice is logged at the start.\n"
    "\n"
    "**Times** have a unit: `5 epochs`, `1 epoch`, `0.5 epochs`, `500 steps`. `0` and `never` both mean "
    "never.\n"
    "\n"
    "**YAML features.** Anchors (`&name`, `*name`) work; tags (`!!int`) and a second document in the file "
    "are\n"
    "errors.\n";

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
    fprintf(file, "\n## %s\n\n%s\n\n| Option | Default | Allowed | Description |\n|---|---|---|---|\n", name,
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
        fputs("required", file);
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
    fputs("\n\n| Argument | Default | Allowed | Description |\n|---|---|---|---|\n", file);
    for (int a = 0; a < info->n_args; a++)
        write_arg(file, &info->args[a]);
}

static void write_augmentations(FILE *file) {
    fputs("\n## Augmentations\n\n"
          "Entries of `augment.train` and `augment.eval`, applied in the order written. An entry is a name\n"
          "(`- flip_horizontal`), a name with arguments (`- random_crop: {size: 32, padding: 4}`), or, for "
          "operations\n"
          "with one main argument, a name with its value (`- resize: 256`, `- rotation: 15`).\n"
          "[augmentation.md](augmentation.md) has recipes and the exact definition of each operation.\n",
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
