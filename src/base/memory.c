#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum cnn_status cnn_multiply(size_t *out, size_t a, size_t b) {
    if (__builtin_mul_overflow(a, b, out))
        return cnn_fail(CNN_ERR_INPUT, "a size of %zu x %zu is too large for this machine's integers", a, b);
    return CNN_OK;
}

enum cnn_status cnn_malloc(void *out_pointer, size_t n, size_t element_bytes) {
    size_t bytes = 0;
    CNN_TRY(cnn_multiply(&bytes, n, element_bytes));
    void *memory = NULL;
    // Whole cache lines, so that vector code may touch the last one.
    if (bytes <= SIZE_MAX - CNN_ALIGN)
        memory = aligned_alloc(CNN_ALIGN, bytes ? cnn_align_up(bytes, CNN_ALIGN) : CNN_ALIGN);
    if (!memory)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot allocate %zu bytes", bytes);
    memcpy(out_pointer, &memory, sizeof memory);
    return CNN_OK;
}

enum cnn_status cnn_calloc(void *out_pointer, size_t n, size_t element_bytes) {
    CNN_TRY(cnn_malloc(out_pointer, n, element_bytes));
    void *memory;
    memcpy(&memory, out_pointer, sizeof memory);
    memset(memory, 0, n * element_bytes);
    return CNN_OK;
}

enum cnn_status cnn_make_room(void *array_pointer, size_t *room, size_t n, size_t element_bytes) {
    const size_t wanted = *room ? 2 * *room : 16;
    void *old, *larger = NULL;
    if (n < *room)
        return CNN_OK;
    CNN_TRY(cnn_malloc(&larger, wanted, element_bytes));
    memcpy(&old, array_pointer, sizeof old);
    if (n)
        memcpy(larger, old, n * element_bytes);
    free(old);
    memcpy(array_pointer, &larger, sizeof larger);
    *room = wanted;
    return CNN_OK;
}

enum cnn_status cnn_strdup(char **out, const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    if (!copy)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot copy a string of %zu bytes", bytes);
    memcpy(copy, text, bytes);
    *out = copy;
    return CNN_OK;
}
