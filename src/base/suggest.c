#include "base/suggest.h"

#include <ctype.h>
#include <string.h>

#define LONGEST 64

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static size_t cost(char a, char b) { return tolower((unsigned char)a) != tolower((unsigned char)b); }

// Damerau-Levenshtein distance with adjacent transpositions, keeping three rows.
static size_t distance(const char *a, size_t a_n, const char *b, size_t b_n) {
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_n; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_n; j++) {
            row[j] = least(least(last[j] + 1, row[j - 1] + 1), last[j - 1] + cost(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && !cost(a[i - 1], b[j - 2]) && !cost(a[i - 2], b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_n];
}

const char *cnn_suggest(const char *word, const char *const *names, size_t n) {
    size_t word_n = strlen(word);
    const char *nearest = NULL;
    size_t nearest_distance = 0;
    if (word_n == 0 || word_n > LONGEST)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t name_n = strlen(names[i]);
        if (name_n > LONGEST)
            continue;
        size_t d = distance(word, word_n, names[i], name_n);
        // Up to a third of the longer word may differ; in a short word one letter.
        size_t longer = word_n > name_n ? word_n : name_n;
        size_t allowed = longer < 6 ? 1 : longer / 3;
        if (d <= allowed && d < longer && (!nearest || d < nearest_distance)) {
            nearest = names[i];
            nearest_distance = d;
        }
    }
    return nearest;
}
