// A set of strings, each with a number: 0, 1, 2 ... in the order in which they came.
#ifndef CNN_DATA_IMPORT_NAMES_H
#define CNN_DATA_IMPORT_NAMES_H
#include <cnn_dist/status.h>
#include <stddef.h>
#include <stdint.h>

// Zero-initialise; finish frees.
struct cnn_names {
    char **items;
    int n;
    size_t room;
    int *slots; // a hash table of numbers + 1
    size_t n_slots;
};
// *out: the number of the string of `length` bytes, which is added where it is new.
enum cnn_status cnn_names_add(int *out, struct cnn_names *names, const char *text,
                              size_t length) CNN_MUST_CHECK;
// The same for a name that is kept in UTF-8: other bytes become \xHH (base/utf8.h).
enum cnn_status cnn_names_add_utf8(int *out, struct cnn_names *names, const char *text,
                                   size_t length) CNN_MUST_CHECK;
int cnn_names_find(const struct cnn_names *names, const char *text, size_t length); // -1: not there
void cnn_names_finish(struct cnn_names *names);

#endif
