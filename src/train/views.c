#include "train/views.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"none", "flip", "five_crop", "ten_crop"};

enum cnn_status cnn_tta_parse(enum cnn_tta *out, const char *word) {
    for (int i = 0; i < 4; i++)
        if (strcmp(word, words[i]) == 0) {
            *out = (enum cnn_tta)i;
            return CNN_OK;
        }
    return cnn_fail(CNN_ERR_INPUT, "--tta: found `%.32s`; allowed: none, flip, five_crop, ten_crop", word);
}

int cnn_tta_crops(enum cnn_tta tta) {
    return tta == CNN_TTA_FIVE_CROP || tta == CNN_TTA_TEN_CROP ? CNN_TTA_MOST_CROPS : 1;
}

bool cnn_tta_flips(enum cnn_tta tta) { return tta == CNN_TTA_FLIP || tta == CNN_TTA_TEN_CROP; }

static int last_crop(const struct cnn_augment_list *list) {
    for (int i = list->n - 1; i >= 0; i--)
        if (list->ops[i].kind == CNN_AUGMENT_CENTER_CROP || list->ops[i].kind == CNN_AUGMENT_CROP)
            return i;
    return -1;
}

enum cnn_status cnn_tta_list(struct cnn_augment_list *out, const struct cnn_augment_list *eval,
                             enum cnn_tta tta, int index) {
    static const double corners[CNN_TTA_MOST_CROPS][2] = {{0.5, 0.5}, {0, 0}, {1, 0}, {0, 1}, {1, 1}};
    *out = *eval;
    if (cnn_tta_crops(tta) == 1)
        return CNN_OK;
    const int at = last_crop(out);
    if (at < 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "augment.eval: %s needs a center_crop, which it moves to the corners; add one, such "
                        "as [resize: 256, center_crop: 224], or use flip",
                        words[tta]);
    struct cnn_augment *op = &out->ops[at];
    op->kind = CNN_AUGMENT_CROP; // its size stays
    op->args[1][0] = corners[index][0];
    op->args[1][1] = corners[index][1];
    return CNN_OK;
}

void cnn_views_mirror(uint8_t *pixels, int n, int h, int w, int c) {
    const size_t row = (size_t)w * (size_t)c;
    for (size_t y = 0; y < (size_t)n * (size_t)h; y++)
        for (int x = 0; x < w / 2; x++)
            for (int k = 0; k < c; k++) {
                uint8_t *left = pixels + y * row + (size_t)(x * c + k),
                        *right = pixels + y * row + (size_t)((w - 1 - x) * c + k);
                const uint8_t kept = *left;
                *left = *right;
                *right = kept;
            }
}

void cnn_softmax(float *values, int n) {
    float most = values[0];
    double sum = 0;
    for (int i = 1; i < n; i++)
        most = fmaxf(most, values[i]);
    for (int i = 0; i < n; i++)
        sum += values[i] = expf(values[i] - most);
    for (int i = 0; i < n; i++)
        values[i] = (float)(values[i] / sum);
}

enum cnn_status cnn_view_sums_init(struct cnn_view_sums *out, int capacity, int classes) {
    const size_t n = (size_t)capacity;
    *out = (struct cnn_view_sums){.capacity = capacity, .classes = classes};
    CNN_TRY(cnn_malloc(&out->sums, n * (size_t)classes, sizeof *out->sums));
    CNN_TRY(cnn_malloc(&out->ids, n, sizeof *out->ids));
    CNN_TRY(cnn_malloc(&out->labels, n, sizeof *out->labels));
    CNN_TRY(cnn_malloc(&out->seen, n, sizeof *out->seen));
    return cnn_malloc(&out->last, n, sizeof *out->last);
}

void cnn_view_sums_finish(struct cnn_view_sums *sums) {
    free(sums->sums);
    free(sums->ids);
    free(sums->labels);
    free(sums->seen);
    free(sums->last);
    *sums = (struct cnn_view_sums){0};
}

void cnn_view_sums_start(struct cnn_view_sums *sums) { sums->n = sums->view = 0; }

// The row of a record that is not in this view yet; a new one where no earlier view had it. Views have their
// records in the same order, so the row is mostly the one after `from`.
static int row_of(struct cnn_view_sums *sums, uint64_t id, int32_t label, int from) {
    for (int k = 0; k < sums->n; k++) {
        const int row = (from + k) % sums->n;
        if (sums->ids[row] == id && sums->last[row] != sums->view)
            return row;
    }
    const int row = sums->n++;
    sums->ids[row] = id;
    sums->labels[row] = label;
    sums->seen[row] = 0;
    memset(sums->sums + (size_t)row * (size_t)sums->classes, 0, (size_t)sums->classes * sizeof *sums->sums);
    return row;
}

static void add_softmax(double *sums, const float *logits, int classes) {
    double most = (double)logits[0], total = 0;
    for (int j = 1; j < classes; j++)
        most = fmax(most, (double)logits[j]);
    for (int j = 0; j < classes; j++)
        total += exp((double)logits[j] - most);
    for (int j = 0; j < classes; j++)
        sums[j] += exp((double)logits[j] - most) / total;
}

void cnn_view_sums_add(struct cnn_view_sums *sums, const uint64_t *ids, const int32_t *labels,
                       const float *logits, int n) {
    const size_t classes = (size_t)sums->classes;
    int row = -1;
    sums->view++;
    for (int i = 0; i < n; i++) {
        row = row_of(sums, ids[i], labels[i], row + 1);
        sums->seen[row]++;
        sums->last[row] = sums->view;
        add_softmax(sums->sums + (size_t)row * classes, logits + (size_t)i * classes, sums->classes);
    }
}

void cnn_view_sums_complete(struct cnn_view_sums *sums, int views) {
    const size_t classes = (size_t)sums->classes;
    int kept = 0;
    for (int row = 0; row < sums->n; row++) {
        if (sums->seen[row] < views)
            continue;
        memmove(sums->sums + (size_t)kept * classes, sums->sums + (size_t)row * classes,
                classes * sizeof *sums->sums);
        sums->ids[kept] = sums->ids[row];
        sums->labels[kept] = sums->labels[row];
        kept++;
    }
    sums->n = kept;
}

// How many classes the label loses to; more than all where its probability is not a number.
static int rank_of(const double *sums, int classes, int label) {
    int rank = 0;
    if (isnan(sums[label]))
        return classes + 5;
    for (int j = 0; j < classes; j++)
        rank += sums[j] > sums[label] || (j < label && sums[j] == sums[label]);
    return rank;
}

void cnn_views_score(struct cnn_view_scores *scores, const struct cnn_view_sums *sums, int views) {
    for (int i = 0; i < sums->n; i++) {
        const double *of_record = sums->sums + (size_t)i * (size_t)sums->classes;
        const int rank = rank_of(of_record, sums->classes, sums->labels[i]);
        scores->loss -= log(of_record[sums->labels[i]] / views);
        scores->top1 += rank < 1;
        scores->top5 += rank < 5;
        scores->n += 1;
    }
}
