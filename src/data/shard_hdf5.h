// Reading what a shard needs of an HDF5 file that may be damaged or hostile: nothing is believed before it is
// compared with the size of the file, and every complaint names the file. Private to data/shard.c.
#ifndef CNN_DATA_SHARD_HDF5_H
#define CNN_DATA_SHARD_HDF5_H
#include "base/library.h"
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void cnn_hdf5_library(struct cnn_libraries *list); // its versions

struct cnn_hdf5 {
    const char *path; // borrowed
    uint64_t bytes;   // of the file, as the system says
    int64_t id;       // HDF5's
};

enum cnn_hdf5_type { CNN_HDF5_U8, CNN_HDF5_I32, CNN_HDF5_U32, CNN_HDF5_U64 };

enum cnn_status cnn_hdf5_open(struct cnn_hdf5 *out, const char *path, uint64_t bytes) CNN_MUST_CHECK;
void cnn_hdf5_close(struct cnn_hdf5 *file);

// A root attribute with one integer of any width, within least..most.
enum cnn_status cnn_hdf5_integer(const struct cnn_hdf5 *file, const char *name, int64_t least, int64_t most,
                                 int64_t *out) CNN_MUST_CHECK;
bool cnn_hdf5_has_attribute(const struct cnn_hdf5 *file, const char *name);
// A root attribute with strings of fixed or variable length. *out: n strings, *out_stride bytes apart, freed
// by the caller; NULL and n = 0 where there is no such attribute.
enum cnn_status cnn_hdf5_strings(const struct cnn_hdf5 *file, const char *name, char **out, size_t *out_n,
                                 size_t *out_stride) CNN_MUST_CHECK;

// A one-dimensional, contiguous, unfiltered dataset of integers as wide as `type`: how long it is and where
// it lies.
enum cnn_status cnn_hdf5_find(const struct cnn_hdf5 *file, const char *name, enum cnn_hdf5_type type,
                              uint64_t *out_n, uint64_t *out_at) CNN_MUST_CHECK;
// Reads all `n` elements of one that must have so many; *out_pointer is allocated and freed by the caller.
enum cnn_status cnn_hdf5_list(const struct cnn_hdf5 *file, const char *name, enum cnn_hdf5_type type,
                              uint64_t n, void *out_pointer) CNN_MUST_CHECK;

#endif
