// The resolved config as YAML: every option in table order (train.phases only where there are any), in a form
// that reads back to the same values.
#include "config/reader.h"

#include <stdlib.h>
#include <string.h>

// Bare where YAML and this program would read the same text back; quoted otherwise.
static bool is_plain(const char *text) {
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+";
    struct cnn_scalar scalar = {text, strlen(text), false};
    return text[0] != '-' && strspn(text, safe) == scalar.bytes && !cnn_scalar_is_null(&scalar) &&
           strncmp(text, "...", 3) != 0;
}

static void write_text(FILE *file, const char *text) {
    if (is_plain(text)) {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

static void write_real(FILE *file, double value) {
    char text[CNN_NUMBER_BYTES];
    cnn_format_real(text, value);
    fputs(text, file);
}

static void write_duration(FILE *file, struct cnn_duration duration, const char *zero) {
    char text[CNN_DURATION_BYTES];
    cnn_format_duration_words(text, duration, zero);
    fputs(text, file);
}

static void write_durations(FILE *file, const struct cnn_duration *values, int n) {
    fputc('[', file);
    for (int i = 0; i < n; i++) {
        fputs(i ? ", " : "", file);
        write_duration(file, values[i], "0");
    }
    fputc(']', file);
}

static void write_phases(FILE *file, const struct cnn_phase *phases, int n) {
    fputc('[', file);
    for (const struct cnn_phase *phase = phases; phase < phases + n; phase++) {
        fprintf(file, "%s{until: %d epoch%s", phase == phases ? "" : ", ", phase->until,
                phase->until == 1 ? "" : "s");
        if (phase->height > 0 && phase->height == phase->width)
            fprintf(file, ", size: %d", phase->height);
        else if (phase->height > 0)
            fprintf(file, ", size: [%d, %d]", phase->height, phase->width);
        if (phase->batch > 0)
            fprintf(file, ", batch: %d", phase->batch);
        if (phase->micro > 0)
            fprintf(file, ", micro: %d", phase->micro);
        else if (phase->micro == CNN_PHASE_MICRO_AUTO)
            fputs(", micro: auto", file);
        fputc('}', file);
    }
    fputc(']', file);
}

static void write_augments(FILE *file, const struct cnn_augment_list *list, int indent) {
    if (list->n == 0)
        fputs(" []", file);
    for (int i = 0; i < list->n; i += 1 + cnn_augment_span(&list->ops[i])) {
        fprintf(file, "\n%*s- ", indent, "");
        cnn_augment_write(file, &list->ops[i]);
    }
}

static void write_augments_inline(FILE *file, const struct cnn_augment_list *list) {
    fputc('[', file);
    for (int i = 0; i < list->n; i += 1 + cnn_augment_span(&list->ops[i])) {
        fputs(i ? ", " : "", file);
        cnn_augment_write(file, &list->ops[i]);
    }
    fputc(']', file);
}

static void write_number(FILE *file, const struct cnn_option *option, double value) {
    if (option->has_auto && value == option->auto_value)
        fputs("auto", file);
    else
        write_real(file, value);
}

static void write_stats(FILE *file, const double values[3], bool given) {
    if (!given) {
        fputs("auto", file);
        return;
    }
    for (int i = 0; i < 3; i++) {
        fputs(i ? ", " : "[", file);
        write_real(file, values[i]);
    }
    fputc(']', file);
}

void cnn_option_write(FILE *file, const struct cnn_config *config, const struct cnn_option *option) {
    const void *field = cnn_option_value(config, option);
    switch (option->type) {
    case CNN_OPTION_TEXT:
        write_text(file, field);
        break;
    case CNN_OPTION_INT:
        write_number(file, option, *(const int *)field);
        break;
    case CNN_OPTION_LONG:
        write_number(file, option, (double)*(const int64_t *)field);
        break;
    case CNN_OPTION_REAL:
        write_number(file, option, *(const double *)field);
        break;
    case CNN_OPTION_BOOL:
        fputs(*(const bool *)field ? "true" : "false", file);
        break;
    case CNN_OPTION_CHOICE: {
        const char *word = cnn_choice_word(option->choices, *(const int *)field);
        fputs(word ? word : "unknown", file);
        break;
    }
    case CNN_OPTION_DURATION:
        write_duration(file, *(const struct cnn_duration *)field, option->repeats ? "never" : "0");
        break;
    case CNN_OPTION_DURATIONS:
        write_durations(file, field, *(const int *)((const char *)config + option->count_offset));
        break;
    case CNN_OPTION_STATS:
        write_stats(file, field, config->data.has_stats);
        break;
    case CNN_OPTION_PHASES:
        write_phases(file, field, *(const int *)((const char *)config + option->count_offset));
        break;
    case CNN_OPTION_AUGMENTS:
        write_augments_inline(file, field);
        break;
    }
}

// Opens the sections of `path` that the previous path was not in. Returns the depth of its last name.
static int write_sections(FILE *file, const char *path, const char *previous) {
    int depth = 0;
    bool same = true;
    for (const char *name = path, *dot; (dot = strchr(name, '.')); name = dot + 1, depth++) {
        size_t until = (size_t)(dot - path) + 1;
        same = same && strncmp(path, previous, until) == 0;
        if (!same)
            fprintf(file, "%*s%.*s:\n", 2 * depth, "", (int)(dot - name), name);
    }
    return depth;
}

static void write_option(FILE *file, const struct cnn_config *config, const struct cnn_option *option,
                         const char *previous) {
    int depth = write_sections(file, option->path, previous);
    const char *dot = strrchr(option->path, '.');
    fprintf(file, "%*s%s:", 2 * depth, "", dot ? dot + 1 : option->path);
    if (option->type == CNN_OPTION_AUGMENTS) {
        write_augments(file, cnn_option_value(config, option), 2 * depth + 2);
    } else {
        fputc(' ', file);
        cnn_option_write(file, config, option);
    }
    fputc('\n', file);
}

enum cnn_status cnn_config_format(char **out, const struct cnn_config *config) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    if (!file)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot write the config");
    const char *previous = "";
    for (size_t i = 0; i < CNN_N_OPTIONS; i++) {
        // A run without phases keeps the checkpoints it had before there were any.
        if (cnn_option_table[i].type == CNN_OPTION_PHASES && config->train.n_phases == 0)
            continue;
        write_option(file, config, &cnn_option_table[i], previous);
        previous = cnn_option_table[i].path;
    }
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed) {
        free(text);
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot write the config");
    }
    *out = text;
    return CNN_OK;
}
