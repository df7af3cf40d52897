// A range of numbers, each visited once by one of several threads: for work on all records of a dataset.
#ifndef CNN_DATA_SWEEP_H
#define CNN_DATA_SWEEP_H
#include <cnn_dist/status.h>
#include <stdint.h>

// `thread` is 0..threads-1, so that each may have memory of its own. Visits of one thread are in rising
// order.
typedef enum cnn_status (*cnn_sweep_visit)(void *context, int thread, uint64_t i);
// Visits begin..end-1 with `threads` >= 1 threads, the caller's among them. The first error of a visit ends
// the sweep and is returned; some later numbers may have been visited by then.
enum cnn_status cnn_sweep(uint64_t begin, uint64_t end, int threads, cnn_sweep_visit visit,
                          void *context) CNN_MUST_CHECK;

#endif
