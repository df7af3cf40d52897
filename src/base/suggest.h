// "Did you mean": the nearest of a list of names.
#ifndef CNN_BASE_SUGGEST_H
#define CNN_BASE_SUGGEST_H
#include <stddef.h>

// The name nearest to `word` by Damerau-Levenshtein distance, or NULL when none is near enough to be worth
// saying.
const char *cnn_suggest(const char *word, const char *const *names, size_t n);

#endif
