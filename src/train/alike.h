// Whether all ranks compute the same: what each finds on its host may differ, and a sum over ranks would hide
// it.
#ifndef CNN_TRAIN_ALIKE_H
#define CNN_TRAIN_ALIKE_H
#include "comm/comm.h"
#include "config/config.h"
#include "data/dataset.h"
#include "replica/replica.h"

// Every rank has the config of rank 0: each reads the file on its own host. CNN_ERR_INPUT names the rank, its
// host, the first option that differs, and both values. Collective.
enum cnn_status cnn_check_configs_alike(struct cnn_comm *comm,
                                        const struct cnn_config *config) CNN_MUST_CHECK;

// Every rank opened the same data: the `n` <= 2 datasets (NULL: none) called `options` have the same number
// of records and the same fingerprint as on rank 0. CNN_ERR_INPUT names the first rank that differs, its
// host, and the difference. Collective.
enum cnn_status cnn_check_datasets_alike(struct cnn_comm *comm, int n, const char *const options[],
                                         const struct cnn_dataset *const datasets[]) CNN_MUST_CHECK;

// All on GPUs or none, and in the same type. CNN_ERR_INPUT on all ranks where not. Collective.
enum cnn_status cnn_check_backends_alike(struct cnn_comm *comm, struct cnn_backend *backend) CNN_MUST_CHECK;

// Gradients are summed as they lie in memory, and how that is depends on the processor. Writes over the
// replica's parameters. CNN_ERR_INPUT on all ranks where they lie differently. Collective.
enum cnn_status cnn_check_layouts_alike(struct cnn_comm *comm, struct cnn_backend *backend,
                                        struct cnn_replica *replica) CNN_MUST_CHECK;

#endif
