// The one table of all options: what the YAML may hold, where each value goes in struct cnn_config, what it
// may be. Parsing, --set, defaults, the resolved dump, the JSON schema and docs/config.md all read this table
// and nothing else.
#ifndef CNN_CONFIG_OPTIONS_H
#define CNN_CONFIG_OPTIONS_H
#include "config/config.h"

enum cnn_option_type {
    CNN_OPTION_TEXT,      // char[bytes]
    CNN_OPTION_INT,       // int
    CNN_OPTION_LONG,      // int64_t, or uint64_t within the same range
    CNN_OPTION_REAL,      // double
    CNN_OPTION_BOOL,      // bool
    CNN_OPTION_CHOICE,    // an enum, or an int, of the values in `choices`
    CNN_OPTION_DURATION,  // struct cnn_duration
    CNN_OPTION_DURATIONS, // struct cnn_duration[CNN_MAX_MILESTONES], their count at `count_offset`
    CNN_OPTION_STATS,     // double[3], one value per channel; `auto` is data.has_stats == false
    CNN_OPTION_AUGMENTS,  // struct cnn_augment_list
    CNN_OPTION_PHASES, // struct cnn_phase[CNN_MAX_PHASES], their count at `count_offset`; not written where
                       // empty
};

struct cnn_choice {
    const char *word; // NULL ends a list of choices
    int value;
};

struct cnn_bounds {
    double least, most;
    bool above, below; // the bound itself is not allowed
};

struct cnn_option {
    const char *path; // "train.batch.micro"
    enum cnn_option_type type;
    size_t offset, bytes; // of the field
    size_t count_offset;
    const char *fallback; // the default, written as in YAML
    struct cnn_bounds bounds;
    bool has_auto; // the word `auto` is allowed and stands for auto_value
    double auto_value;
    bool required; // text that may not be empty
    bool repeats;  // a duration between repetitions: zero is written `never`
    const struct cnn_choice *choices;
    const char *unit; // NULL where the number has none
    const char *doc;  // one line
    const char
        *resumed; // what follows where a run resumes with another value; NULL: nothing that is not obvious
};

#define CNN_N_OPTIONS 65
extern const struct cnn_option cnn_option_table[CNN_N_OPTIONS];

#define CNN_MAX_EPOCHS 1e6 // of a duration
#define CNN_MAX_STEPS 1e12

// A top-level group of options and the sentence that introduces it in docs/config.md.
struct cnn_option_section {
    const char *name, *doc;
};
#define CNN_N_SECTIONS 9
extern const struct cnn_option_section cnn_option_sections[CNN_N_SECTIONS];

// The option of that path, or NULL.
const struct cnn_option *cnn_option_find(const char *path);
// True when `path` is a group of options ("train", "train.batch"); "" is the whole file.
bool cnn_option_is_section(const char *path);

// Names of the keys directly inside a section, each once, in table order, cut at `capacity`. The strings are
// not terminated at their ends: each is a (start, bytes) pair inside the table's paths.
struct cnn_key {
    const char *start;
    size_t bytes;
};
size_t cnn_option_keys(const char *section, struct cnn_key *out, size_t capacity);

// What the option may be, in words for error messages and the reference page:
// "a whole number from 1 to 1024, or `auto`". Always terminated.
void cnn_option_expected(char *out, size_t out_bytes, const struct cnn_option *option);

// Writes the value as one line of YAML.
void cnn_option_write(FILE *file, const struct cnn_config *config, const struct cnn_option *option);

static inline void *cnn_option_field(struct cnn_config *config, const struct cnn_option *option) {
    return (char *)config + option->offset;
}
static inline const void *cnn_option_value(const struct cnn_config *config, const struct cnn_option *option) {
    return (const char *)config + option->offset;
}

#endif
