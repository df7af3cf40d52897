// Where the time of a replica goes, as a table.
#include "base/clock.h"
#include "replica/private.h"
#include <stdio.h>
#include <stdlib.h>

void cnn_replica_profile(struct cnn_replica *r, bool on) {
    r->profiling = on;
    r->profiled = 0;
    r->input_s = r->recompute_s = 0;
    for (int i = 0; i < r->graph.n_steps; i++)
        r->graph.steps[i].forward_s = r->graph.steps[i].backward_s = 0;
}

bool cnn_replica_is_profiled(const struct cnn_replica *r) { return r->profiling; }

static double flops_of(const struct cnn_replica *r, const struct cnn_step *step) {
    return cnn_node_flops(r->model, (int)(step->desc.node - r->model->nodes)) * r->options.micro_batch;
}

static void print_kernels(FILE *out, const struct cnn_replica *r) {
    const double passes = r->profiled ? (double)r->profiled : 1;
    fprintf(out, "\n%-20s %10s %10s\n", "kernel", "forward", "backward");
    for (int k = 0; k < CNN_N_KERNELS; k++) {
        double forward = 0, backward = 0;
        for (int i = 0; i < r->graph.n_steps; i++)
            if ((int)r->graph.steps[i].desc.kernel == k) {
                forward += r->graph.steps[i].forward_s;
                backward += r->graph.steps[i].backward_s;
            }
        if (forward + backward > 0)
            fprintf(out, "%-20s %8.2fms %8.2fms\n", cnn_kernel_name((enum cnn_kernel)k),
                    1e3 * forward / passes, 1e3 * backward / passes);
    }
    fprintf(out, "%-20s %8.2fms\n%-20s %10s %8.2fms\n", "input", 1e3 * r->input_s / passes, "recomputation",
            "", 1e3 * r->recompute_s / passes);
}

enum cnn_status cnn_replica_profile_text(const struct cnn_replica *r, char **out) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory");
    const double passes = r->profiled ? (double)r->profiled : 1;
    fprintf(stream, "%-32s %-18s %10s %10s %8s %8s\n", "layer", "implementation", "forward", "backward",
            "GFLOP/s", "GFLOP/s");
    for (int i = 0; i < r->graph.n_steps; i++) {
        const struct cnn_step *step = &r->graph.steps[i];
        const double flops = flops_of(r, step) * passes, back = flops * (step->desc.from_pixels ? 1 : 2);
        fprintf(stream, "%-32s %-18s %8.2fms %8.2fms %8.0f %8.0f%s\n", step->desc.node->name,
                step->plan->implementation, 1e3 * step->forward_s / passes, 1e3 * step->backward_s / passes,
                step->forward_s > 0 ? flops / step->forward_s * 1e-9 : 0,
                step->backward_s > 0 ? back / step->backward_s * 1e-9 : 0,
                step->recompute ? "  recomputed" : "");
    }
    print_kernels(stream, r);
    if (fclose(stream) != 0) {
        free(text);
        return cnn_fail(CNN_ERR_MEMORY, "out of memory");
    }
    *out = text;
    return CNN_OK;
}
