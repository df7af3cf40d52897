// What training, evaluation and prediction share: the device of this rank, loaders into its memory, and the
// graph that fits their pictures.
#ifndef CNN_TRAIN_NETWORK_H
#define CNN_TRAIN_NETWORK_H
#include "backend/backend.h"
#include "comm/comm.h"
#include "config/config.h"
#include "data/loader.h"
#include "model/model.h"

// The backend the config asks for, with `threads` compute threads. Not collective.
enum cnn_status cnn_network_backend(struct cnn_backend **out, const struct cnn_config *config, int threads,
                                    int local_rank, int local_size) CNN_MUST_CHECK;

// The config's architecture for pictures of this shape. Not collective.
enum cnn_status cnn_network_model(struct cnn_model **out, const struct cnn_config *config,
                                  struct cnn_shape input, int classes) CNN_MUST_CHECK;

// Whether every batch norm sees more than one value of each channel when it trains on micro-batches of
// `micro`; of a single value the variance is 0 and the output is the shift, whatever the input (PyTorch
// refuses it as well). `ranks`: those whose statistics are summed, 1 without train.sync_batch_norm.
// CNN_ERR_INPUT names the layer. Not collective.
enum cnn_status cnn_network_check_norms(const struct cnn_model *model, int micro, int ranks) CNN_MUST_CHECK;

// The batch to evaluate or predict with where `wanted` is asked for: at least 2. A linear layer adds up in
// another order for a single picture; from 2 on a picture's logits are the same in every batch, bit for bit
// (tests/unit/replica/test_batch.c).
int cnn_network_inference_batch(int wanted);

// Loaders whose batches lie in memory the backend (borrowed) copies fast from. one_host: all ranks are on
// this one. Not collective.
enum cnn_status cnn_network_train_loader(struct cnn_loader **out, const struct cnn_config *config,
                                         struct cnn_backend *backend, const struct cnn_dataset *dataset,
                                         int channels, int threads, const struct cnn_sampler *sampler,
                                         bool one_host) CNN_MUST_CHECK;
enum cnn_status cnn_network_eval_loader(struct cnn_loader **out, const struct cnn_config *config,
                                        const struct cnn_augment_list *augment, struct cnn_backend *backend,
                                        const struct cnn_dataset *dataset, int channels, int threads,
                                        int batch, struct cnn_comm *comm) CNN_MUST_CHECK;

#endif
