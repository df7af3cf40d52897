// UTF-8: which bytes are, and a readable form of those that are not.
#ifndef CNN_BASE_UTF8_H
#define CNN_BASE_UTF8_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of the character at `text` (1 to 4), or 0 where the bytes are not UTF-8; overlong forms and
// surrogates are not (RFC 3629). `left` bytes are there, CNN_UTF8_STRING: up to a NUL, itself a character of
// one byte.
size_t cnn_utf8_character(const char *text, size_t left);
#define CNN_UTF8_STRING SIZE_MAX
bool cnn_utf8_is_valid(const char *text);

// `text` in UTF-8: each byte that is not part of a UTF-8 character becomes four characters, \xHH, as Python's
// error handler "backslashreplace" writes it ("caf\xe9.png"). Names that differ stay different, unless one of
// them contains such four characters itself. *out is malloc'ed.
enum cnn_status cnn_utf8_escape(char **out, const char *text) CNN_MUST_CHECK;

#endif
