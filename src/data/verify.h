// Reading a whole dataset to find what is wrong with it, and counting what is in it.
#ifndef CNN_DATA_VERIFY_H
#define CNN_DATA_VERIFY_H
#include "data/dataset.h"

struct cnn_verify_result {
    uint64_t records, bytes; // looked at
    uint64_t bad;            // fail their checksum, do not decode, or are not of the size the dataset says
};

// Called for every bad record `i`, by one thread at a time, in any order; the reason names the file and the
// record's id.
typedef void (*cnn_verify_report)(void *context, const struct cnn_dataset *dataset, uint64_t i,
                                  const char *reason);

// Reads and decodes, with `threads` threads, the records of `rank`'s equal share of the dataset. Bad records
// are reported and counted, not an error; the status is an error only when the work cannot go on (memory).
// Not collective: the caller sums the results.
enum cnn_status cnn_dataset_verify(struct cnn_verify_result *out, const struct cnn_dataset *dataset, int rank,
                                   int size, int threads, cnn_verify_report report,
                                   void *context) CNN_MUST_CHECK;

// Opens every shard file of the folder by itself and reports those that cannot be opened: for when
// cnn_dataset_open fails. *out_bad gets their number. Only an unreadable folder is an error.
typedef void (*cnn_verify_file_report)(void *context, const char *reason);
enum cnn_status cnn_dataset_verify_files(int *out_bad, const char *path, cnn_verify_file_report report,
                                         void *context) CNN_MUST_CHECK;

#endif
