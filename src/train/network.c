#include "train/network.h"

enum cnn_status cnn_network_backend(struct cnn_backend **out, const struct cnn_config *config, int threads,
                                    int local_rank, int local_size) {
    struct cnn_backend_options options = {
        .threads = threads,
        .local_rank = local_rank,
        .local_size = local_size,
        .precision = config->train.precision,
        .deterministic = config->train.deterministic,
        .recompute = config->train.recompute,
    };
    return cnn_backend_create(out, config->backend, &options);
}

enum cnn_status cnn_network_model(struct cnn_model **out, const struct cnn_config *config,
                                  struct cnn_shape input, int classes) {
    struct cnn_model_options options = {
        .input = input,
        .n_classes = classes,
        .zero_init_residual = config->model.zero_init_residual,
        .dropout = config->model.dropout,
    };
    return cnn_model_create(out, config->model.arch, &options);
}

enum cnn_status cnn_network_check_norms(const struct cnn_model *model, int micro, int ranks) {
    for (int i = 0; i < model->n_nodes; i++) {
        const struct cnn_node *node = &model->nodes[i];
        if (node->op != CNN_OP_BATCH_NORM || micro > 1 || ranks > 1 || node->shape.h * node->shape.w > 1)
            continue;
        return cnn_fail(
            CNN_ERR_INPUT,
            "%s: batch norm would see a single value for each channel (micro-batch 1, %s's output there is "
            "1 x 1), and nothing can be learned from that; use train.batch.micro of 2 or more, or larger "
            "images",
            node->name, model->arch);
    }
    return CNN_OK;
}

int cnn_network_inference_batch(int wanted) { return wanted < 2 ? 2 : wanted; }

static void *host_alloc(void *context, size_t bytes) {
    void *memory;
    return cnn_backend_alloc_host(context, &memory, bytes) == CNN_OK ? memory : NULL;
}

static void host_free(void *context, void *memory) { cnn_backend_free_host(context, memory); }

enum cnn_status cnn_network_train_loader(struct cnn_loader **out, const struct cnn_config *config,
                                         struct cnn_backend *backend, const struct cnn_dataset *dataset,
                                         int channels, int threads, const struct cnn_sampler *sampler,
                                         bool one_host) {
    if ((config->augment.mixup > 0 || config->augment.cutmix > 0) && sampler->micro < 2)
        return cnn_fail(CNN_ERR_INPUT,
                        "augment.mixup and augment.cutmix mix the images of a micro-batch, but it has only "
                        "one image; use a larger train.batch.micro, or remove them");
    struct cnn_loader_options options = {
        .dataset = dataset,
        .augment = &config->augment.train,
        .channels = channels,
        .threads = threads,
        .ahead = config->data.ahead,
        .max_bad = config->data.max_bad,
        .whole_windows = one_host,
        .mix = {config->augment.mixup, config->augment.cutmix, config->augment.mix_p},
        .sampler = *sampler,
        .alloc = host_alloc,
        .free = host_free,
        .memory_context = backend,
    };
    enum cnn_status status = cnn_loader_create(out, &options);
    return status == CNN_OK ? status : cnn_fail_in(status, "augment.train");
}

enum cnn_status cnn_network_eval_loader(struct cnn_loader **out, const struct cnn_config *config,
                                        const struct cnn_augment_list *augment, struct cnn_backend *backend,
                                        const struct cnn_dataset *dataset, int channels, int threads,
                                        int batch, struct cnn_comm *comm) {
    struct cnn_loader_options options = {
        .dataset = dataset,
        .augment = augment,
        .channels = channels,
        .threads = threads,
        .ahead = config->data.ahead,
        .max_bad = config->data.max_bad,
        .evaluation = true,
        .sampler =
            {
                .n_records = cnn_dataset_count(dataset),
                .global = batch,
                .micro = batch,
                .rank = cnn_comm_rank(comm),
                .size = cnn_comm_size(comm),
            },
        .alloc = host_alloc,
        .free = host_free,
        .memory_context = backend,
    };
    enum cnn_status status = cnn_loader_create(out, &options);
    return status == CNN_OK ? status : cnn_fail_in(status, "augment.eval");
}
