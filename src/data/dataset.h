// A dataset: a folder of shards NAME-00000-of-00016.h5 seen as one list of records 0..count-1.
#ifndef CNN_DATA_DATASET_H
#define CNN_DATA_DATASET_H
#include "data/class_map.h"
#include "data/shard.h"

struct cnn_dataset;
// Opens the shards of `path`: missing ones, mixed sets, disagreeing headers and an empty dataset are
// CNN_ERR_INPUT naming the file, the datasets in the folder or the way to make one. One thread at a time
// (HDF5). Not collective: every rank opens for itself.
enum cnn_status cnn_dataset_open(struct cnn_dataset **out, const char *path) CNN_MUST_CHECK;
void cnn_dataset_close(struct cnn_dataset *dataset);
const struct cnn_shard_header *cnn_dataset_header(const struct cnn_dataset *dataset);
const char *cnn_dataset_path(const struct cnn_dataset *dataset);
uint64_t cnn_dataset_count(const struct cnn_dataset *dataset);
int cnn_dataset_channels(const struct cnn_dataset *dataset); // 1 or 3: raw records' own; 3 for JPEG and PNG
const char *cnn_dataset_class_name(const struct cnn_dataset *dataset, int label); // NULL: unnamed
// Puts the dataset into the numbering of a network with `n_classes` classes: from here on labels of records,
// n_classes of the header and class names are the network's; a class that the dataset lacks has no name. Call
// it before other threads read.
enum cnn_status cnn_dataset_renumber(struct cnn_dataset *dataset, const struct cnn_class_map *map,
                                     int n_classes) CNN_MUST_CHECK;
// Tells datasets apart: a hash of everything in the shards but the source they were made from, with the
// checksums of the records in place of their bytes. The same import gives the same number. A renumbered
// dataset keeps its own.
uint64_t cnn_dataset_fingerprint(const struct cnn_dataset *dataset);
const char *cnn_dataset_file(const struct cnn_dataset *dataset,
                             uint64_t i); // path of the shard that holds record i
// Lookups without I/O; i < cnn_dataset_count.
struct cnn_record cnn_dataset_record(const struct cnn_dataset *dataset, uint64_t i);
enum cnn_status cnn_dataset_read(const struct cnn_dataset *dataset, uint64_t i,
                                 void *data) CNN_MUST_CHECK; // thread-safe
// Tells the system that records i .. i+n-1 will be read soon. Does not wait for them; no error: it is a hint.
void cnn_dataset_expect(const struct cnn_dataset *dataset, uint64_t i, uint64_t n); // thread-safe
// Where the shards begin: element s is the first record of shard s, the last one the number of records.
const uint64_t *cnn_dataset_shards(const struct cnn_dataset *dataset, int *out_n);
// Decodes bytes read from record i into `channels` (1 or 3) bytes a pixel, raw records included: gray is
// replicated, colour becomes luma (ITU-R 601). *out is malloc'ed, *out_info says its size. Thread-safe.
enum cnn_status cnn_dataset_decode(const struct cnn_dataset *dataset, uint8_t **out,
                                   struct cnn_image_info *out_info, const void *data, size_t bytes,
                                   int channels) CNN_MUST_CHECK;
// Per-channel mean and deviation of pixels scaled to 0..1, over at most `limit` records evenly spaced; the
// same for any number of threads. Records that do not read or decode are left out; CNN_ERR_INPUT when none is
// left. A deviation is at least 1/255.
enum cnn_status cnn_dataset_stats(const struct cnn_dataset *dataset, int channels, uint64_t limit,
                                  int threads, double mean[3], double std[3]) CNN_MUST_CHECK;

#endif
