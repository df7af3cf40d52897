// A dataset: a folder of shards NAME-00000-of-00016.h5 seen as one list of records 0..count-1.
#ifndef CNN_DATA_DATASET_H
#define CNN_DATA_DATASET_H
#include "data/shard.h"

struct cnn_dataset;
// Opens the shards of `path` (missing ones, mixed sets and disagreeing headers are CNN_ERR_INPUT naming the file and the way to make the dataset).
enum cnn_status cnn_dataset_open(struct cnn_dataset **out, const char *path) CNN_MUST_CHECK;
void cnn_dataset_close(struct cnn_dataset *dataset);
const struct cnn_shard_header *cnn_dataset_header(const struct cnn_dataset *dataset);
const char *cnn_dataset_path(const struct cnn_dataset *dataset);
uint64_t cnn_dataset_count(const struct cnn_dataset *dataset);
int cnn_dataset_channels(const struct cnn_dataset *dataset); // 1 or 3: raw records' own; 3 for JPEG and PNG
const char *cnn_dataset_class_name(const struct cnn_dataset *dataset, int label); // NULL: unnamed
struct cnn_record cnn_dataset_record(const struct cnn_dataset *dataset, uint64_t i);
enum cnn_status cnn_dataset_read(const struct cnn_dataset *dataset, uint64_t i, void *data) CNN_MUST_CHECK; // thread-safe
// Per-channel mean and deviation of pixels scaled to 0..1, over at most `limit` records evenly spaced; deterministic.
enum cnn_status cnn_dataset_stats(const struct cnn_dataset *dataset, int channels, uint64_t limit, double mean[3], double std[3]) CNN_MUST_CHECK;

#endif
