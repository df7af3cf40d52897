// One YAML scalar -> one value. No place in a file is known here: the caller puts FILE:LINE:COLUMN: key in
// front of the message ("found `x`; allowed: ...") that these leave behind.
#ifndef CNN_CONFIG_VALUE_H
#define CNN_CONFIG_VALUE_H
#include "config/config.h"
#include "config/options.h"

struct cnn_scalar {
    const char *text; // NUL after the last byte, but NULs may be inside too
    size_t bytes;
    bool quoted; // a quoted scalar is text and never a number, `true` or empty
};

// An empty place, `~` or `null`.
bool cnn_scalar_is_null(const struct cnn_scalar *scalar);
bool cnn_scalar_is(const struct cnn_scalar *scalar, const char *word);

// Reads the scalar into the option's field. Options that are lists take `auto` here where they allow it.
enum cnn_status cnn_value_read(struct cnn_config *config, const struct cnn_option *option,
                               const struct cnn_scalar *scalar) CNN_MUST_CHECK;

// A number within bounds, whole or not. `kind` is what the message calls it ("a whole number").
enum cnn_status cnn_value_number(double *out, const struct cnn_scalar *scalar, bool whole,
                                 struct cnn_bounds bounds) CNN_MUST_CHECK;
// A time. Zero and `never` become {0, CNN_NEVER}.
enum cnn_status cnn_value_duration(struct cnn_duration *out, const struct cnn_scalar *scalar,
                                   const char *allowed) CNN_MUST_CHECK;

// Sets the message "found `x`; allowed: ALLOWED".
enum cnn_status cnn_value_refuse(const struct cnn_scalar *scalar, const char *allowed);

#endif
