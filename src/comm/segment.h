// Private to comm/: memory that the ranks of one host share, and counters in it that ranks wait on asleep.
#ifndef CNN_COMM_SEGMENT_H
#define CNN_COMM_SEGMENT_H
#include "comm/exchange.h"
#include <stdint.h>

// Counts upwards and wraps; written by one rank, waited on by the others. Zeroed when the segment is made.
struct cnn_counter {
    _Alignas(64) _Atomic uint32_t value;
};

// A plain value: one mapping. Made by one rank under a fresh name, mapped by the others of its host, then
// unlinked by the maker, so that nothing stays behind whatever happens to the job.
struct cnn_segment_map {
    void *memory; // NULL: none
    size_t bytes;
};
#define CNN_SEGMENT_NAME_BYTES 64

// Reserves the memory for good: a /dev/shm that is too small fails here and not at a later touch. `name` is
// filled. Not collective.
enum cnn_status cnn_segment_make(struct cnn_segment_map *out, char name[CNN_SEGMENT_NAME_BYTES],
                                 size_t bytes) CNN_MUST_CHECK;
enum cnn_status cnn_segment_open(struct cnn_segment_map *out, const char *name, size_t bytes) CNN_MUST_CHECK;
void cnn_segment_unlink(const char *name);
void cnn_segment_close(struct cnn_segment_map *map); // accepts an empty one

// Sets the counter and wakes who waits; everything written before is seen by them.
void cnn_counter_post(struct cnn_counter *counter, uint32_t value);
// Waits until the counter has reached `value`; false when patience was over first.
bool cnn_counter_wait(struct cnn_counter *counter, uint32_t value, const struct cnn_patience *patience);

#endif
