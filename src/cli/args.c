#include "cli/args.h"

#include "base/suggest.h"
#include "comm/comm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FLAGS 64

static const struct cnn_flag *find(const struct cnn_args *args, const char *name, size_t length) {
    for (int i = 0; i < args->n_flags; i++)
        if (strlen(args->flags[i].name) == length && strncmp(args->flags[i].name, name, length) == 0)
            return &args->flags[i];
    return NULL;
}

static enum cnn_status fail_unknown(const struct cnn_args *args, const char *word, size_t length) {
    const char *names[MAX_FLAGS + 1];
    char name[64];
    size_t n = 0;
    for (; n < (size_t)args->n_flags && n < MAX_FLAGS; n++)
        names[n] = args->flags[n].name;
    names[n++] = "help";
    snprintf(name, sizeof name, "%.*s", (int)(length < 63 ? length : 63), word);
    const char *near = cnn_suggest(name, names, n);
    if (near)
        return cnn_fail(CNN_ERR_INPUT, "unknown option --%s: did you mean --%s? (usage: %s)", name, near,
                        args->usage);
    return cnn_fail(CNN_ERR_INPUT, "unknown option --%s; see --help (usage: %s)", name, args->usage);
}

static enum cnn_status store_int(const struct cnn_flag *flag, const char *text) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool ranged = flag->least != 0 || flag->most != 0;
    if (end == text || *end != '\0')
        return cnn_fail(CNN_ERR_INPUT, "--%s: expected a whole number, found '%s'", flag->name, text);
    if (errno == ERANGE || (ranged && (value < flag->least || value > flag->most))) {
        if (flag->most == INT64_MAX)
            return cnn_fail(CNN_ERR_INPUT, "--%s: %s is out of range; it must be at least %" PRId64,
                            flag->name, text, flag->least);
        return cnn_fail(CNN_ERR_INPUT, "--%s: %s is out of range; allowed: %" PRId64 " to %" PRId64,
                        flag->name, text, flag->least, flag->most);
    }
    *(int64_t *)flag->value = value;
    return CNN_OK;
}

static enum cnn_status store(const struct cnn_flag *flag, const char *text) {
    struct cnn_strings *list = flag->value;
    switch (flag->type) {
    case CNN_FLAG_INT:
        return store_int(flag, text);
    case CNN_FLAG_STRING:
        *(const char **)flag->value = text;
        return CNN_OK;
    case CNN_FLAG_LIST:
        if (list->n == CNN_ARGS_MAX_STRINGS)
            return cnn_fail(CNN_ERR_INPUT, "--%s: given more than %d times", flag->name,
                            CNN_ARGS_MAX_STRINGS);
        list->items[list->n++] = text;
        return CNN_OK;
    default:
        return cnn_fail(CNN_ERR_FAILED, "--%s has no kind", flag->name);
    }
}

// argv[*at] is "--name" or "--name=value"; *at moves past what belongs to it. `seen` gets a bit for the flag.
static enum cnn_status parse_flag(const struct cnn_args *args, int argc, char **argv, int *at,
                                  uint64_t *seen) {
    const char *word = argv[(*at)++] + 2;
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const struct cnn_flag *flag = find(args, word, length);
    if (!flag)
        return fail_unknown(args, word, length);
    *seen |= 1ull << (flag - args->flags);
    if (flag->type == CNN_FLAG_BOOL) {
        if (equals)
            return cnn_fail(CNN_ERR_INPUT, "option --%s takes no value, found '%s'", flag->name, equals + 1);
        *(bool *)flag->value = true;
        return CNN_OK;
    }
    if (equals)
        return store(flag, equals + 1);
    if (*at == argc || strncmp(argv[*at], "--", 2) == 0)
        return cnn_fail(CNN_ERR_INPUT, "missing value of option --%s: write --%s %s", flag->name, flag->name,
                        flag->argument);
    return store(flag, argv[(*at)++]);
}

static enum cnn_status parse_word(struct cnn_args_given *out, const struct cnn_args *args, char *word) {
    struct cnn_strings *words = &out->positional;
    if (words->n + out->n_more == args->most_positional)
        return cnn_fail(CNN_ERR_INPUT, "unexpected argument '%s' (usage: %s)", word, args->usage);
    if (words->n < CNN_ARGS_MAX_STRINGS)
        words->items[words->n++] = word;
    else
        out->more[out->n_more++] = word;
    return CNN_OK;
}

static bool asks_for_help(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static enum cnn_status check_complete(const struct cnn_args_given *given, const struct cnn_args *args,
                                      uint64_t seen) {
    if (given->positional.n < args->least_positional)
        return cnn_fail(CNN_ERR_INPUT, "missing argument (usage: %s)", args->usage);
    for (int i = 0; i < args->n_flags; i++)
        if (args->flags[i].required && !(seen >> i & 1))
            return cnn_fail(CNN_ERR_INPUT, "missing option --%s %s (usage: %s)", args->flags[i].name,
                            args->flags[i].argument ? args->flags[i].argument : "", args->usage);
    return CNN_OK;
}

enum cnn_status cnn_args_parse(struct cnn_args_given *out, const struct cnn_args *args, int argc,
                               char **argv) {
    *out = (struct cnn_args_given){.more = argv + 1};
    uint64_t seen = 0;
    bool only_words = false;
    if (args->n_flags > MAX_FLAGS)
        return cnn_fail(CNN_ERR_FAILED, "a command has more than %d options", MAX_FLAGS);
    if (asks_for_help(argc, argv)) {
        out->help = true;
        return CNN_OK;
    }
    for (int at = 1; at < argc;) {
        char *word = argv[at];
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
            at++;
        } else if (!only_words && strncmp(word, "--", 2) == 0) {
            CNN_TRY(parse_flag(args, argc, argv, &at, &seen));
        } else if (!only_words && word[0] == '-' && word[1] != '\0') {
            return cnn_fail(CNN_ERR_INPUT, "unknown option %s: options start with two dashes (usage: %s)",
                            word, args->usage);
        } else {
            CNN_TRY(parse_word(out, args, word));
            at++;
        }
    }
    return check_complete(out, args, seen);
}

static void print_default(FILE *to, const struct cnn_flag *flag) {
    if (flag->required)
        fputs(" (required)", to);
    else if (flag->type == CNN_FLAG_INT)
        fprintf(to, " (default %" PRId64 ")", *(const int64_t *)flag->value);
    else if (flag->type == CNN_FLAG_STRING && *(const char *const *)flag->value)
        fprintf(to, " (default %s)", *(const char *const *)flag->value);
}

void cnn_args_help(FILE *to, const struct cnn_args *args) {
    fprintf(to, "usage: %s\n\n%s\n\noptions:\n", args->usage, args->summary);
    for (int i = 0; i < args->n_flags; i++) {
        const struct cnn_flag *flag = &args->flags[i];
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", flag->name, flag->argument ? " " : "",
                 flag->argument ? flag->argument : "");
        fprintf(to, "  %-24s %s", left, flag->doc);
        print_default(to, flag);
        fputc('\n', to);
    }
    fprintf(to, "  %-24s %s\n", "--help", "show this help");
}

enum cnn_status cnn_args_take(struct cnn_args_given *out, const struct cnn_args *args, int argc, char **argv,
                              struct cnn_comm *comm) {
    CNN_TRY(cnn_args_parse(out, args, argc, argv));
    if (out->help && cnn_comm_rank(comm) == 0)
        cnn_args_help(stdout, args);
    return CNN_OK;
}
