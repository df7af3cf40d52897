#include "train/observer.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

// A batch as it travels: n, then `capacity` rows of struct row and the probabilities behind it.
struct row {
    uint64_t id;
    int32_t label;
};

struct cnn_observed {
    const struct cnn_observer *observer;
    struct cnn_comm *comm;
    int classes, n;
    size_t row_bytes, bytes; // bytes: of a batch
    char *mine, *all;        // all: of every rank, on rank 0
};

#define HEAD_BYTES 8

enum cnn_status cnn_observed_create(struct cnn_observed **out, const struct cnn_observer *observer,
                                    struct cnn_comm *comm, int capacity, int classes) {
    struct cnn_observed *observed = NULL;
    CNN_TRY(cnn_calloc(&observed, 1, sizeof *observed));
    observed->observer = observer;
    observed->comm = comm;
    observed->classes = classes;
    observed->row_bytes = cnn_align_up(sizeof(struct row) + (size_t)classes * sizeof(float), 8);
    enum cnn_status status = cnn_multiply(&observed->bytes, (size_t)capacity, observed->row_bytes);
    observed->bytes += HEAD_BYTES;
    if (status == CNN_OK)
        status = cnn_calloc(&observed->mine, observed->bytes, 1);
    if (status == CNN_OK && cnn_comm_rank(comm) == 0)
        status = cnn_calloc(&observed->all, observed->bytes, (size_t)cnn_comm_size(comm));
    if (status != CNN_OK) {
        cnn_observed_destroy(observed);
        return status;
    }
    *out = observed;
    return CNN_OK;
}

void cnn_observed_destroy(struct cnn_observed *observed) {
    if (!observed)
        return;
    free(observed->mine);
    free(observed->all);
    free(observed);
}

float *cnn_observed_add(struct cnn_observed *observed, uint64_t id, int32_t label) {
    char *at = observed->mine + HEAD_BYTES + (size_t)observed->n++ * observed->row_bytes;
    const struct row row = {id, label};
    memcpy(at, &row, sizeof row);
    return (float *)(void *)(at + sizeof row);
}

static enum cnn_status tell(const struct cnn_observed *observed, const char *batch) {
    int n;
    memcpy(&n, batch, sizeof n);
    for (int i = 0; i < n; i++) {
        const char *at = batch + HEAD_BYTES + (size_t)i * observed->row_bytes;
        struct row row;
        memcpy(&row, at, sizeof row);
        CNN_TRY(observed->observer->record(observed->observer->context, row.id, row.label,
                                           (const float *)(const void *)(at + sizeof row)));
    }
    return CNN_OK;
}

enum cnn_status cnn_observed_share(struct cnn_observed *observed, enum cnn_status *mine) {
    memcpy(observed->mine, &observed->n, sizeof observed->n);
    observed->n = 0;
    CNN_TRY(cnn_comm_gather(observed->comm, observed->mine, observed->bytes, observed->all, 0));
    for (int rank = 0; observed->all && *mine == CNN_OK && rank < cnn_comm_size(observed->comm); rank++)
        *mine = tell(observed, observed->all + (size_t)rank * observed->bytes);
    return CNN_OK;
}
