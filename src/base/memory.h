// Host memory: overflow-checked, 64-byte aligned allocations, and byte-count arithmetic.
#ifndef CNN_BASE_MEMORY_H
#define CNN_BASE_MEMORY_H
#include <cnn_dist/status.h>
#include <stddef.h>
#include <stdint.h>

#define CNN_ALIGN 64

// *out = n zeroed elements of `element_bytes`, 64-byte aligned; freed with free(). n = 0 gives a valid
// pointer.
enum cnn_status cnn_calloc(void *out_pointer, size_t n, size_t element_bytes) CNN_MUST_CHECK;
// The same without zeroing.
enum cnn_status cnn_malloc(void *out_pointer, size_t n, size_t element_bytes) CNN_MUST_CHECK;
// Room for one more element: where *room of them are there and n are in use, *array (NULL at first) moves to
// twice as many. On failure nothing has changed.
enum cnn_status cnn_make_room(void *array_pointer, size_t *room, size_t n,
                              size_t element_bytes) CNN_MUST_CHECK;
// *out = malloc'ed copy of a string.
enum cnn_status cnn_strdup(char **out, const char *text) CNN_MUST_CHECK;

// a * b into *out, or CNN_ERR_INPUT when it does not fit.
enum cnn_status cnn_multiply(size_t *out, size_t a, size_t b) CNN_MUST_CHECK;

static inline size_t cnn_align_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

#endif
