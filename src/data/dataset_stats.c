// The half of dataset.h that looks at pixels.
#include "data/dataset.h"

#include "base/memory.h"
#include "data/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sums { // one a thread, each in cache lines of its own
    _Alignas(CNN_ALIGN) uint64_t pixels, values[3], squares[3];
};

static void convert_raw(uint8_t *out, const uint8_t *in, size_t pixels, int from) {
    for (size_t i = 0; i < pixels; i++) {
        if (from == 1)
            out[3 * i] = out[3 * i + 1] = out[3 * i + 2] = in[i];
        else // 0.299, 0.587, 0.114 in 16-bit fixed point, rounded, as PIL does
            out[i] =
                (uint8_t)((19595u * in[3 * i] + 38470u * in[3 * i + 1] + 7471u * in[3 * i + 2] + 32768u) >>
                          16);
    }
}

enum cnn_status cnn_dataset_decode(const struct cnn_dataset *dataset, uint8_t **out,
                                   struct cnn_image_info *out_info, const void *data, size_t bytes,
                                   int channels) {
    const struct cnn_shard_header *header = cnn_dataset_header(dataset);
    uint8_t *pixels;
    if (header->encoding != CNN_ENCODING_RAW)
        return cnn_image_decode(out, out_info, data, bytes, channels);
    size_t n = (size_t)header->h * (size_t)header->w;
    CNN_TRY(cnn_malloc(&pixels, n, (size_t)channels));
    if (header->c == channels)
        memcpy(pixels, data, n * (size_t)channels);
    else
        convert_raw(pixels, data, n, header->c);
    *out = pixels;
    *out_info =
        (struct cnn_image_info){.encoding = CNN_ENCODING_RAW, .h = header->h, .w = header->w, .c = header->c};
    return CNN_OK;
}

static void add(struct sums *sums, const uint8_t *pixels, size_t n, int channels) {
    for (size_t i = 0; i < n; i++) {
        for (int c = 0; c < channels; c++) {
            unsigned value = pixels[i * (size_t)channels + (size_t)c];
            sums->values[c] += value;
            sums->squares[c] += value * value;
        }
    }
    sums->pixels += n;
}

// CNN_ERR_INPUT: this record is bad.
static enum cnn_status add_record(struct sums *sums, const struct cnn_dataset *dataset, uint64_t i,
                                  int channels) {
    struct cnn_image_info info;
    uint8_t *data, *pixels = NULL;
    size_t bytes = cnn_dataset_record(dataset, i).bytes;
    CNN_TRY(cnn_malloc(&data, bytes, 1));
    enum cnn_status status = cnn_dataset_read(dataset, i, data);
    if (status == CNN_OK)
        status = cnn_dataset_decode(dataset, &pixels, &info, data, bytes, channels);
    if (status == CNN_OK)
        add(sums, pixels, (size_t)info.h * (size_t)info.w, channels);
    free(pixels);
    free(data);
    return status;
}

struct stats {
    const struct cnn_dataset *dataset;
    int channels;
    uint64_t n;        // records looked at
    struct sums *sums; // one a thread
};

static enum cnn_status visit(void *context, int thread, uint64_t k) {
    const struct stats *stats = context;
    uint64_t count = cnn_dataset_count(stats->dataset), n = stats->n;
    uint64_t i = count / n * k + count % n * k / n; // count * k / n without overflow
    enum cnn_status status = add_record(&stats->sums[thread], stats->dataset, i, stats->channels);
    return status == CNN_ERR_INPUT ? CNN_OK : status;
}

// Whole numbers, so that the order of addition does not matter.
static struct sums sum_threads(const struct sums *sums, int threads) {
    struct sums all = {0};
    for (int t = 0; t < threads; t++) {
        all.pixels += sums[t].pixels;
        for (int c = 0; c < 3; c++) {
            all.values[c] += sums[t].values[c];
            all.squares[c] += sums[t].squares[c];
        }
    }
    return all;
}

enum cnn_status cnn_dataset_stats(const struct cnn_dataset *dataset, int channels, uint64_t limit,
                                  int threads, double mean[3], double std[3]) {
    uint64_t count = cnn_dataset_count(dataset);
    struct stats stats = {.dataset = dataset, .channels = channels, .n = limit < count ? limit : count};
    if ((channels != 1 && channels != 3) || stats.n == 0)
        return cnn_fail(CNN_ERR_INPUT, "statistics of %d channels over %llu records", channels,
                        (unsigned long long)stats.n);
    CNN_TRY(cnn_calloc(&stats.sums, (size_t)threads, sizeof *stats.sums));
    enum cnn_status status = cnn_sweep(0, stats.n, threads, visit, &stats);
    struct sums sums = sum_threads(stats.sums, threads);
    free(stats.sums);
    if (status != CNN_OK)
        return status;
    if (sums.pixels == 0)
        return cnn_fail_in(CNN_ERR_INPUT, "%s: no image can be read", cnn_dataset_path(dataset));
    for (int c = 0; c < channels; c++) {
        double average = (double)sums.values[c] / (double)sums.pixels;
        double variance = (double)sums.squares[c] / (double)sums.pixels - average * average;
        mean[c] = average / 255;
        std[c] = fmax(sqrt(fmax(variance, 0)), 1) / 255;
    }
    for (int c = channels; c < 3; c++) {
        mean[c] = mean[0];
        std[c] = std[0];
    }
    return CNN_OK;
}
