// The same thing said the same way everywhere: numbers, durations, choices and ranges in words.
#ifndef CNN_CONFIG_WORDS_H
#define CNN_CONFIG_WORDS_H
#include "config/config.h"
#include "config/options.h"

#define CNN_NUMBER_BYTES 32
#define CNN_DURATION_BYTES 48
#define CNN_FOUND_BYTES 72

// The shortest decimal that reads back to exactly `value`; whole numbers without an exponent.
void cnn_format_real(char out[CNN_NUMBER_BYTES], double value);
// "5 epochs", "1 step", and `zero` for no time at all.
void cnn_format_duration_words(char out[CNN_DURATION_BYTES], struct cnn_duration duration, const char *zero);
// A word of the user's for a message: in back quotes, cut when long, and on one line.
void cnn_format_found(char out[CNN_FOUND_BYTES], const char *text, size_t bytes);

// "from 1 to 10", "above 0, up to 1". `kind` stands in front: "a number from 1 to 10".
void cnn_format_bounds(char *out, size_t out_bytes, const char *kind, struct cnn_bounds bounds);
// The word of a choice, or NULL when no choice has that value.
const char *cnn_choice_word(const struct cnn_choice *choices, int value);

#define CNN_EXPECTED_BYTES 320
// What is allowed for an argument of an augmentation.
void cnn_augment_expected(char out[CNN_EXPECTED_BYTES], const struct cnn_augment_arg *arg);
// The word of `config schema` for a kind of argument.
const char *cnn_augment_arg_word(enum cnn_augment_arg_type type);
// One argument's value as YAML (not CNN_ARG_OPS, CNN_ARG_WEIGHTS); a whole entry with those inside it,
// "name: {argument: value, ...}".
void cnn_augment_write_value(FILE *file, const struct cnn_augment_arg *arg, const double value[3]);
void cnn_augment_write(FILE *file, const struct cnn_augment *op);

// Appends to a bounded string; what does not fit is cut.
void cnn_append(char *out, size_t out_bytes, const char *format, ...) CNN_PRINTF(3, 4);

#endif
