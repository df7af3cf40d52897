// What the backend made of each step, in words.
#include "replica/private.h"
#include <stdio.h>
#include <stdlib.h>

const char *cnn_kernel_name(enum cnn_kernel kernel) {
    static const char *const names[CNN_N_KERNELS] = {
        "conv", "norm", "max_pool", "avg_pool", "adaptive_avg_pool", "linear", "add", "relu", "dropout"};
    return names[kernel];
}

int cnn_replica_n_forms(const struct cnn_replica *r) { return r->graph.n_steps; }

struct cnn_replica_form cnn_replica_form(const struct cnn_replica *r, int i) {
    const struct cnn_step *step = &r->graph.steps[i];
    return (struct cnn_replica_form){step->desc.node->name, cnn_kernel_name(step->desc.kernel),
                                     step->plan->implementation};
}

enum cnn_status cnn_replica_forms_text(const struct cnn_replica *r, char **out) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory");
    for (int i = 0; i < cnn_replica_n_forms(r); i++) {
        const struct cnn_replica_form form = cnn_replica_form(r, i);
        fprintf(stream, "%-32s %-18s %s\n", form.layer, form.kernel, form.implementation);
    }
    if (fclose(stream) != 0) {
        free(text);
        return cnn_fail(CNN_ERR_MEMORY, "out of memory");
    }
    *out = text;
    return CNN_OK;
}
