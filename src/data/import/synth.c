// `dataset synth`: a dataset that needs no download.
#include "base/memory.h"
#include "data/import/shapes.h"
#include "data/import/source.h"
#include "image/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MIN_SIDE 16
#define MAX_SIDE 1024

static enum cnn_status read_drawn(void *context, uint64_t i, struct cnn_bytes *to) {
    const struct cnn_synth_options *synth = *(const struct cnn_synth_options **)context;
    uint8_t *pixels, *encoded;
    size_t bytes;
    CNN_TRY(cnn_malloc(&pixels, (size_t)synth->side * (size_t)synth->side, 3));
    cnn_shape_draw(pixels, synth->side, synth->seed, synth->first + i);
    enum cnn_status status =
        cnn_image_encode_jpeg(&encoded, &bytes, pixels, synth->side, synth->side, 3, synth->quality);
    free(pixels);
    if (status != CNN_OK)
        return status;
    status = cnn_bytes_add(to, encoded, bytes);
    free(encoded);
    return status;
}

static int label_of(const void *context, uint64_t i) {
    const struct cnn_synth_options *synth = *(const struct cnn_synth_options *const *)context;
    return (int)((synth->first + i) % CNN_N_SHAPES);
}

static enum cnn_status check(const struct cnn_synth_options *options) {
    if (options->side < MIN_SIDE || options->side > MAX_SIDE)
        return cnn_fail(CNN_ERR_INPUT, "--side %d is out of range; allowed: %d to %d", options->side,
                        MIN_SIDE, MAX_SIDE);
    if (options->quality < 1 || options->quality > 100)
        return cnn_fail(CNN_ERR_INPUT, "--quality %d is out of range; allowed: 1 to 100", options->quality);
    if (options->count < 1 || options->count > UINT64_C(1) << 40 || options->first > UINT64_C(1) << 60)
        return cnn_fail(CNN_ERR_INPUT, "%" PRIu64 " images from id %" PRIu64 "; allowed: 1 to 2^40",
                        options->count, options->first);
    return CNN_OK;
}

enum cnn_status cnn_import_synth(struct cnn_import_result *out, const struct cnn_synth_options *synth,
                                 const struct cnn_import_options *options) {
    char text[200];
    CNN_TRY(check(synth));
    snprintf(text, sizeof text,
             "synth shapes=1 count=%" PRIu64 " seed=%" PRIu64 " first=%" PRIu64 " side=%d quality=%d",
             synth->count, synth->seed, synth->first, synth->side, synth->quality);
    const struct cnn_import_source source = {
        .identity = text,
        .n = synth->count,
        .bytes = synth->count * (uint64_t)synth->side * (uint64_t)synth->side, // a generous guess
        .first_id = synth->first,
        .classes = cnn_shape_names,
        .n_classes = CNN_N_SHAPES,
        .label = label_of,
        .read = read_drawn,
        .context = &synth,
    };
    return cnn_import_run(out, &source, options);
}
