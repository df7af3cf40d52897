// Any bytes either are refused with a message or give tensors whose every byte can be read.
#include "format/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static size_t bytes_of(const struct cnn_tensor *tensor) {
    size_t bytes = cnn_dtype_bytes(tensor->dtype);
    for (int i = 0; i < tensor->n_dims; i++)
        bytes *= (size_t)tensor->dims[i];
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct cnn_safetensors *file = NULL;
    if (cnn_safetensors_parse(&file, "fuzz", bytes, n) != CNN_OK) {
        if (file || cnn_error_message()[0] == '\0')
            abort();
        return 0;
    }
    unsigned sum = 0;
    for (size_t i = 0; i < cnn_safetensors_count(file); i++) {
        const struct cnn_tensor *tensor = cnn_safetensors_at(file, i);
        const unsigned char *data = tensor->data;
        if (cnn_safetensors_find(file, tensor->name) != tensor)
            abort();
        for (size_t j = 0; j < bytes_of(tensor); j++)
            sum += data[j];
    }
    volatile unsigned keep = sum;
    (void)keep;
    cnn_safetensors_close(file);
    return 0;
}
