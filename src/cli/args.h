// Long options of a command, from one table that parses, checks and prints the help.
#ifndef CNN_CLI_ARGS_H
#define CNN_CLI_ARGS_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum cnn_flag_type {
    CNN_FLAG_BOOL,   // bool: --strict
    CNN_FLAG_INT,    // int64_t: --count 1000, within least..most
    CNN_FLAG_STRING, // const char *: --out DIR, points into argv
    CNN_FLAG_LIST,   // struct cnn_strings: may be given again and again, --set a=1 --set b=2
};

#define CNN_ARGS_MAX_STRINGS 64

struct cnn_strings {
    const char *items[CNN_ARGS_MAX_STRINGS]; // into argv
    int n;
};

struct cnn_flag {
    const char *name; // without the dashes
    enum cnn_flag_type type;
    void *value;          // where it goes; what is there before parsing is the default
    const char *argument; // what the help calls the value: "DIR"; NULL for a bool
    const char *doc;      // one line
    int64_t least, most;  // of a CNN_FLAG_INT; both 0: any
    bool required;
};

// How a table names its flags; `value` is checked by the compiler to be of the right kind.
#define CNN_BOOL_FLAG(flag, bool_pointer, text)                                                              \
    { .name = flag, .type = CNN_FLAG_BOOL, .value = 1 ? (bool_pointer) : (bool *)0, .doc = text }
#define CNN_INT_FLAG(flag, int64_pointer, word, lo, hi, text)                                                \
    {                                                                                                        \
        .name = flag, .type = CNN_FLAG_INT, .value = 1 ? (int64_pointer) : (int64_t *)0, .argument = word,   \
        .least = lo, .most = hi, .doc = text                                                                 \
    }
#define CNN_STRING_FLAG(flag, string_pointer, word, text)                                                    \
    {                                                                                                        \
        .name = flag, .type = CNN_FLAG_STRING, .value = 1 ? (string_pointer) : (const char **)0,             \
        .argument = word, .doc = text                                                                        \
    }
#define CNN_REQUIRED_FLAG(flag, string_pointer, word, text)                                                  \
    {                                                                                                        \
        .name = flag, .type = CNN_FLAG_STRING, .value = 1 ? (string_pointer) : (const char **)0,             \
        .argument = word, .doc = text, .required = true                                                      \
    }
#define CNN_LIST_FLAG(flag, strings_pointer, word, text)                                                     \
    {                                                                                                        \
        .name = flag, .type = CNN_FLAG_LIST, .value = 1 ? (strings_pointer) : (struct cnn_strings *)0,       \
        .argument = word, .doc = text                                                                        \
    }

struct cnn_args {
    const char *usage;            // "cnn_dist dataset synth --out DIR [options]"
    const char *summary;          // a paragraph for the help, without the last newline
    const struct cnn_flag *flags; // --help is understood without standing here
    int n_flags;
    int least_positional, most_positional; // words without dashes that must and may be given
};

// What was given beside the flags. `help` true: --help was among them, nothing else was checked.
struct cnn_args_given {
    struct cnn_strings positional;
    char **more; // positional words past the first CNN_ARGS_MAX_STRINGS: they move to the front of argv
    int n_more;
    bool help;
};

// Parses argv[1 .. argc-1]: `--name value`, `--name=value`, `--` before words that begin with dashes.
// Everything wrong is CNN_ERR_INPUT with the flag, the nearest right name where there is one, and how to get
// the help. Not collective.
enum cnn_status cnn_args_parse(struct cnn_args_given *out, const struct cnn_args *args, int argc,
                               char **argv) CNN_MUST_CHECK;

// The same for a command that several ranks run: where help is asked for, rank 0 prints it to stdout, and all
// that is left to do is to return. Not collective.
struct cnn_comm;
enum cnn_status cnn_args_take(struct cnn_args_given *out, const struct cnn_args *args, int argc, char **argv,
                              struct cnn_comm *comm) CNN_MUST_CHECK;

// Usage, summary and the table of flags with their defaults: call before parsing, while the values are the
// defaults.
void cnn_args_help(FILE *to, const struct cnn_args *args);

#endif
