// What stands at the two ends of a network: pixels in, softmax cross-entropy out.
#include "backend/cpu/cpu.h"
#include <limits.h>
#include <math.h>
#include <string.h>

// One channel: every step-th element of `out` from every c-th byte of `pixels`.
static void normalize_floats(void *out, size_t step, const uint8_t *pixels, size_t c, size_t n, float scale,
                             float shift) {
    float *into = out;
    for (size_t i = 0; i < n; i++)
        into[i * step] = (float)pixels[i * c] * scale + shift;
}

static void normalize_bf16(void *out, size_t step, const uint8_t *pixels, size_t c, size_t n, float scale,
                           float shift) {
    uint16_t *into = out;
    for (size_t i = 0; i < n; i++)
        into[i * step] = cnn_bf16_from_float((float)pixels[i * c] * scale + shift);
}

enum cnn_status cnn_cpu_normalize(struct cnn_backend *backend, void *out, const struct cnn_tensor *to,
                                  const uint8_t *pixels, int n, const float mean[3], const float std[3]) {
    const size_t area = cnn_cpu_pixels(to), c = (size_t)to->c, sample = area * cnn_tensor_channels(to);
    float scale[3], shift[3];
    (void)backend;
    for (int i = 0; i < to->c; i++) {
        scale[i] = 1.0f / (255.0f * std[i]);
        shift[i] = -mean[i] / std[i];
    }
#pragma omp parallel for schedule(static)
    for (int s = 0; s < to->n; s++) {
        void *into = cnn_cpu_to(out, to->type, (size_t)s * sample);
        if (s >= n || to->block != 1)
            memset(into, 0, sample * cnn_type_bytes(to->type));
        if (s >= n)
            continue;
        const uint8_t *from = pixels + (size_t)s * area * c;
        // the picture's 1 or 3 channels lie in one block, or in planes of their own
        const size_t step = to->block == 1 ? 1 : (size_t)to->block, plane = to->block == 1 ? area : 1;
        for (size_t k = 0; k < c; k++)
            (to->type == CNN_TYPE_F32 ? normalize_floats : normalize_bf16)(
                cnn_cpu_to(into, to->type, k * plane), step, from + k, c, area, scale[k], shift[k]);
    }
    return CNN_OK;
}

// How many classes the label's logit loses to; ties go to the lower class. A NaN loses to all.
static int rank_of(const float *logits, int classes, int label) {
    int rank = 0;
    if (isnan(logits[label]))
        return INT_MAX;
    for (int j = 0; j < classes; j++)
        rank += logits[j] > logits[label] || (j < label && logits[j] == logits[label]);
    return rank;
}

// What a sample ought to be: `label`, and where two are mixed, `partner` with weight 1 - weight.
struct target {
    int label, partner;
    float weight;
};

static enum cnn_status check_label(int label, int classes) {
    if (label >= 0 && label < classes)
        return CNN_OK;
    return cnn_fail(CNN_ERR_INPUT, "a record has label %d, the model has classes 0 to %d", label,
                    classes - 1);
}

// The weightier label comes first.
static enum cnn_status target_of(struct target *out, const struct cnn_loss_args *args, int i) {
    *out = (struct target){args->labels[i], args->labels[i], 1};
    if (args->partners && args->weights[i] >= 0.5f)
        *out = (struct target){args->labels[i], args->partners[i], args->weights[i]};
    else if (args->partners)
        *out = (struct target){args->partners[i], args->labels[i], 1 - args->weights[i]};
    CNN_TRY(check_label(out->label, args->classes));
    return check_label(out->partner, args->classes);
}

// loss = -sum_j q_j log p_j with q = (1 - s) (w onehot(label) + (1 - w) onehot(partner)) + s / classes
// (Szegedy et al. 2016, Zhang et al. 2018); d = (p - q) * scale.
static double cross_entropy(const struct cnn_loss_args *args, const float *logits, float *d_logits,
                            const struct target *target) {
    const int classes = args->classes;
    const float off = args->smoothing / (float)classes, on = 1.0f - args->smoothing,
                rest = 1 - target->weight, scale = args->scale * args->control->loss_scale;
    float most = logits[0];
    double sum = 0, smooth = 0;
    for (int j = 1; j < classes; j++)
        most = logits[j] > most ? logits[j] : most;
    for (int j = 0; j < classes; j++) {
        sum += exp((double)(logits[j] - most));
        smooth += (double)(logits[j] - most);
    }
    const double log_sum = log(sum);
    for (int j = 0; d_logits && j < classes; j++) {
        const float hot = (j == target->label ? target->weight : 0) + (j == target->partner ? rest : 0);
        d_logits[j] = ((float)exp((double)(logits[j] - most) - log_sum) - (on * hot + off)) * scale;
    }
    const double wanted = (double)target->weight * (double)(logits[target->label] - most) +
                          (double)rest * (double)(logits[target->partner] - most);
    return (1.0 - (double)args->smoothing) * (log_sum - wanted) + (double)off * (classes * log_sum - smooth);
}

enum cnn_status cnn_cpu_loss(struct cnn_backend *backend, const struct cnn_loss_args *args) {
    (void)backend;
    for (int i = 0; i < args->n; i++) {
        const float *logits = args->logits + (size_t)i * (size_t)args->classes;
        float *d = args->d_logits ? args->d_logits + (size_t)i * (size_t)args->classes : NULL;
        struct target target;
        CNN_TRY(target_of(&target, args, i));
        const int rank = rank_of(logits, args->classes, target.label);
        double *sums = args->control->sums;
        sums[0] += cross_entropy(args, logits, d, &target);
        sums[1] += rank < 1;
        sums[2] += rank < 5;
        sums[3] += 1;
    }
    if (args->d_logits && args->n < args->rows)
        memset(args->d_logits + (size_t)args->n * (size_t)args->classes, 0,
               (size_t)(args->rows - args->n) * (size_t)args->classes * sizeof(float));
    return CNN_OK;
}
