// `dataset synth`: a dataset that needs no download.
#include "base/memory.h"
#include "data/import/import.h"
#include "data/import/shapes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MIN_SIDE 16
#define MAX_SIDE 1024

struct synth {
    const struct cnn_synth_options *options;
    uint8_t *pixels, *encoded;
};

static enum cnn_status get(void *context, uint64_t i, struct cnn_import_record *out) {
    struct synth *synth = context;
    const struct cnn_synth_options *options = synth->options;
    uint64_t id = options->first + i;
    free(synth->encoded);
    synth->encoded = NULL;
    cnn_shape_draw(synth->pixels, options->side, options->seed, id);
    CNN_TRY(cnn_image_encode_jpeg(&synth->encoded, &out->bytes, synth->pixels, options->side, options->side,
                                  3, options->quality));
    out->data = synth->encoded;
    out->label = (int)(id % CNN_N_SHAPES);
    out->id = id;
    out->h = out->w = options->side;
    return CNN_OK;
}

static enum cnn_status check(const struct cnn_synth_options *options) {
    if (options->side < MIN_SIDE || options->side > MAX_SIDE)
        return cnn_fail(CNN_ERR_INPUT, "side %d: allowed are %d to %d", options->side, MIN_SIDE, MAX_SIDE);
    if (options->quality < 1 || options->quality > 100)
        return cnn_fail(CNN_ERR_INPUT, "quality %d: allowed are 1 to 100", options->quality);
    if (options->count < 1 || options->count > UINT64_C(1) << 40 || options->first > UINT64_C(1) << 60)
        return cnn_fail(CNN_ERR_INPUT,
                        "%" PRIu64 " pictures from id %" PRIu64 " on: at least 1, at most 2^40",
                        options->count, options->first);
    return CNN_OK;
}

enum cnn_status cnn_import_synth(struct cnn_import_result *out, const struct cnn_synth_options *synth,
                                 const struct cnn_import_options *options) {
    struct synth source = {.options = synth};
    char text[200];
    CNN_TRY(check(synth));
    CNN_TRY(cnn_malloc(&source.pixels, (size_t)synth->side * (size_t)synth->side, 3));
    snprintf(text, sizeof text,
             "synth shapes=1 count=%" PRIu64 " seed=%" PRIu64 " first=%" PRIu64 " side=%d quality=%d",
             synth->count, synth->seed, synth->first, synth->side, synth->quality);
    struct cnn_import_plan plan = {
        .header = {.encoding = CNN_ENCODING_JPEG,
                   .n_classes = CNN_N_SHAPES,
                   .records_total = synth->count,
                   .source = text},
        .class_names = cnn_shape_names,
        .bytes = synth->count * (uint64_t)synth->side * (uint64_t)synth->side, // a generous guess
        .get = get,
        .context = &source,
    };
    enum cnn_status status = cnn_import_run(out, &plan, options);
    free(source.encoded);
    free(source.pixels);
    return status;
}
