// An augmentation's arguments in words and as YAML.
#include "config/words.h"

#include <string.h>

const char *cnn_augment_arg_word(enum cnn_augment_arg_type type) {
    static const char *const words[] = {
        [CNN_ARG_INT] = "integer",   [CNN_ARG_REAL] = "number",       [CNN_ARG_RANGE] = "range",
        [CNN_ARG_PAIR] = "pair",     [CNN_ARG_SIZE] = "size",         [CNN_ARG_COLOR] = "color",
        [CNN_ARG_CHOICE] = "choice", [CNN_ARG_OPS] = "augmentations", [CNN_ARG_WEIGHTS] = "numbers",
    };
    return words[type];
}

static const char *kind_of(const struct cnn_augment_arg *arg) {
    switch (arg->type) {
    case CNN_ARG_RANGE:
        return "a range [low, high]";
    case CNN_ARG_PAIR:
        return arg->whole ? "a whole number, or [horizontal, vertical],"
                          : "a number, or [horizontal, vertical],";
    case CNN_ARG_SIZE:
        return "a whole number, or [height, width],";
    case CNN_ARG_COLOR:
        return "a level, or [red, green, blue],";
    case CNN_ARG_WEIGHTS:
        return "a list of numbers";
    default:
        return arg->odd ? "an odd number" : arg->whole ? "a whole number" : "a number";
    }
}

void cnn_augment_expected(char out[CNN_EXPECTED_BYTES], const struct cnn_augment_arg *arg) {
    static const char *const spreads[] = {
        [CNN_SPREAD_NONE] = "",
        [CNN_SPREAD_POINT] = ", or a single number x for [x, x]",
        [CNN_SPREAD_ZERO] = ", or a single number x for [-x, x]",
        [CNN_SPREAD_ONE] = ", or a single number x for [1 - x, 1 + x]",
    };
    if (arg->type == CNN_ARG_OPS) {
        snprintf(out, CNN_EXPECTED_BYTES, "a list of augmentations");
        return;
    }
    if (arg->type == CNN_ARG_CHOICE) {
        out[0] = '\0';
        for (int i = 0; arg->words[i]; i++)
            cnn_append(out, CNN_EXPECTED_BYTES, "%s`%s`", i ? ", " : "", arg->words[i]);
        return;
    }
    cnn_format_bounds(out, CNN_EXPECTED_BYTES, kind_of(arg),
                      (struct cnn_bounds){arg->least, arg->most, false, false});
    if (arg->type == CNN_ARG_RANGE)
        cnn_append(out, CNN_EXPECTED_BYTES, "%s", spreads[arg->spread]);
}

static void write_numbers(FILE *file, const double *values, int n) {
    bool same = true;
    for (int i = 1; i < n; i++)
        same = same && values[i] == values[0];
    n = same ? 1 : n;
    for (int i = 0; i < n; i++) {
        char text[CNN_NUMBER_BYTES];
        cnn_format_real(text, values[i]);
        fprintf(file, "%s%s", i ? ", " : n > 1 ? "[" : "", text);
    }
    fputs(n > 1 ? "]" : "", file);
}

void cnn_augment_write_value(FILE *file, const struct cnn_augment_arg *arg, const double value[3]) {
    char text[2][CNN_NUMBER_BYTES];
    switch (arg->type) {
    case CNN_ARG_RANGE:
        cnn_format_real(text[0], value[0]);
        cnn_format_real(text[1], value[1]);
        fprintf(file, "[%s, %s]", text[0], text[1]);
        break;
    case CNN_ARG_PAIR:
        write_numbers(file, value, 2);
        break;
    case CNN_ARG_SIZE:
        write_numbers(file, value, value[1] == 0 ? 1 : 2);
        break;
    case CNN_ARG_COLOR:
        write_numbers(file, value, 3);
        break;
    case CNN_ARG_CHOICE:
        fputs(arg->words[(int)value[0]], file);
        break;
    default:
        write_numbers(file, value, 1);
    }
}

// Whether the weights of `op` are all in its transforms.
static bool is_written(const struct cnn_augment_arg *arg, const double value[3]) {
    return arg->type != CNN_ARG_WEIGHTS || value[0] != 0;
}

static void write_weights(FILE *file, const struct cnn_augment *op) {
    const char *before = "[";
    for (const struct cnn_augment *in = op + 1; in <= op + cnn_augment_span(op);
         in += 1 + cnn_augment_span(in)) {
        fputs(before, file);
        write_numbers(file, &in->weight, 1);
        before = ", ";
    }
    fputs("]", file);
}

// Goes as deep as the lists do, which is CNN_AUGMENT_MAX_DEPTH at most.
void cnn_augment_write(FILE *file, const struct cnn_augment *op) {
    const struct cnn_augment_info *info = &cnn_augment_table[op->kind];
    fprintf(file, "%s: {", info->name);
    for (int a = 0; a < info->n_args; a++) {
        const struct cnn_augment_arg *arg = &info->args[a];
        if (!is_written(arg, op->args[a]))
            continue;
        fprintf(file, "%s%s: ", a ? ", " : "", arg->name);
        if (arg->type == CNN_ARG_WEIGHTS) {
            write_weights(file, op);
        } else if (arg->type == CNN_ARG_OPS) {
            const char *before = "[";
            for (const struct cnn_augment *in = op + 1; in <= op + cnn_augment_span(op);
                 in += 1 + cnn_augment_span(in)) {
                fputs(before, file);
                cnn_augment_write(file, in);
                before = ", ";
            }
            fputs("]", file);
        } else {
            cnn_augment_write_value(file, arg, op->args[a]);
        }
    }
    fputc('}', file);
}
