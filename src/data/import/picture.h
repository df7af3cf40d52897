// One picture on its way in: is it one that training can use, and in what form is it kept?
#ifndef CNN_DATA_IMPORT_PICTURE_H
#define CNN_DATA_IMPORT_PICTURE_H
#include "data/import/source.h"
#include "image/image.h"

// Checks, and where options ask for it re-encodes, the file that stands in `bytes` from `at` on; what is kept
// stands there afterwards. *out: its encoding and size upright; h = w = 0 with CNN_CHECK_NONE. CNN_ERR_INPUT
// or CNN_ERR_UNSUPPORTED: it cannot be used, and why. Thread-safe.
enum cnn_status cnn_import_picture(struct cnn_image_info *out, struct cnn_bytes *bytes, size_t at,
                                   const struct cnn_import_options *options) CNN_MUST_CHECK;

#endif
