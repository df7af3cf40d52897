#include "base/utf8.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#define ESCAPE_BYTES 4 // \xHH

size_t cnn_utf8_character(const char *text, size_t left) {
    const unsigned char *at = (const unsigned char *)text;
    // The second byte's range excludes overlong forms, surrogates and what is above U+10FFFF.
    unsigned char least = 0x80, most = 0xbf;
    size_t n;
    if (at[0] < 0x80)
        return left > 0;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        n = 2;
    else if (at[0] >= 0xe0 && at[0] <= 0xef)
        n = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        n = 4;
    else
        return 0;
    least = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : least;
    most = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : most;
    if (n > left || at[1] < least || at[1] > most)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return n;
}

bool cnn_utf8_is_valid(const char *text) {
    for (size_t n; *text; text += n)
        if ((n = cnn_utf8_character(text, CNN_UTF8_STRING)) == 0)
            return false;
    return true;
}

enum cnn_status cnn_utf8_escape(char **out, const char *text) {
    size_t bytes = 1, at = 0, n;
    for (const char *from = text; *from; from += n ? n : 1)
        bytes += (n = cnn_utf8_character(from, CNN_UTF8_STRING)) ? n : ESCAPE_BYTES;
    char *escaped = NULL;
    CNN_TRY(cnn_malloc(&escaped, bytes, 1));
    for (const char *from = text; *from; from += n ? n : 1) {
        n = cnn_utf8_character(from, CNN_UTF8_STRING);
        if (n > 0)
            memcpy(escaped + at, from, n);
        else
            snprintf(escaped + at, ESCAPE_BYTES + 1, "\\x%02x", (unsigned char)*from);
        at += n ? n : ESCAPE_BYTES;
    }
    escaped[at] = '\0';
    *out = escaped;
    return CNN_OK;
}
