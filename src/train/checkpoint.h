// A checkpoint: one safetensors file with the model in its plain layouts under torchvision's names, the
// optimizer's velocity, and in the metadata what the run is and where it stands. It does not depend on the
// number of ranks.
#ifndef CNN_TRAIN_CHECKPOINT_H
#define CNN_TRAIN_CHECKPOINT_H
#include "format/safetensors.h"
#include "model/model.h"
#include "replica/replica.h"
#include "train/record.h"
#include <stdbool.h>

#define CNN_VELOCITY_PREFIX "optimizer.velocity."

// Host memory for one checkpoint, taken once and filled at step boundaries.
struct cnn_snapshot;
// `velocity`: with the optimizer's state. The model is borrowed.
enum cnn_status cnn_snapshot_create(struct cnn_snapshot **out, const struct cnn_model *model,
                                    bool velocity) CNN_MUST_CHECK;
void cnn_snapshot_destroy(struct cnn_snapshot *snapshot);
// Copies parameters, and the velocity arena unless NULL, out of the device. Not collective.
enum cnn_status cnn_snapshot_take(struct cnn_snapshot *snapshot, struct cnn_replica *replica,
                                  const float *velocity) CNN_MUST_CHECK;
// The values of one parameter in its plain layout, and of its velocity (NULL for statistics and without an
// optimizer).
float *cnn_snapshot_parameter(struct cnn_snapshot *snapshot, int param);
float *cnn_snapshot_velocity(struct cnn_snapshot *snapshot, int param);
// CNN_ERR_FAILED naming the first parameter that holds a value that is not finite.
enum cnn_status cnn_snapshot_check_finite(const struct cnn_snapshot *snapshot) CNN_MUST_CHECK;

// The words that go with it; all borrowed.
struct cnn_checkpoint_texts {
    const char *config;      // the resolved config, YAML
    const char *class_names; // JSON list, "[]" where the dataset names none
    const char *version;     // of the program
};

// Writes atomically. num_batches_tracked (PyTorch's counter beside BN statistics) is added for weights
// without velocity, which other programs read. Not collective; call it on rank 0.
enum cnn_status cnn_checkpoint_write(const char *path, const struct cnn_snapshot *snapshot,
                                     const struct cnn_run_record *record,
                                     const struct cnn_checkpoint_texts *texts) CNN_MUST_CHECK;

struct cnn_checkpoint;
// Opens and checks the file (its checksums too). CNN_ERR_INPUT names the file and the fault. Not collective.
enum cnn_status cnn_checkpoint_open(struct cnn_checkpoint **out, const char *path) CNN_MUST_CHECK;
void cnn_checkpoint_close(struct cnn_checkpoint *checkpoint);
const char *cnn_checkpoint_path(const struct cnn_checkpoint *checkpoint);
const struct cnn_run_record *cnn_checkpoint_record(const struct cnn_checkpoint *checkpoint);
const char *cnn_checkpoint_config(const struct cnn_checkpoint *checkpoint);
const char *cnn_checkpoint_class_names(const struct cnn_checkpoint *checkpoint);
// Checks that every parameter of the model is there with its shape (and its velocity); says what differs and
// which option to look at.
enum cnn_status cnn_checkpoint_check(const struct cnn_checkpoint *checkpoint, const struct cnn_model *model,
                                     bool velocity) CNN_MUST_CHECK;
// cnn_param_count floats, not aligned to more than 4 bytes; call check first. Valid until close.
const float *cnn_checkpoint_parameter(const struct cnn_checkpoint *checkpoint, const struct cnn_param *param);
const float *cnn_checkpoint_velocity(const struct cnn_checkpoint *checkpoint, const struct cnn_param *param);

#endif
