// Pictures: decoding, and the augmentation policy that turns a stored record into the pixels a network sees.
// Pure functions on pixels; 8-bit, interleaved (H x W x C), rows `w * c` bytes apart.
#ifndef CNN_IMAGE_IMAGE_H
#define CNN_IMAGE_IMAGE_H
#include "base/random.h"
#include "config/augment.h"
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cnn_encoding { CNN_ENCODING_JPEG, CNN_ENCODING_PNG, CNN_ENCODING_RAW };
const char *cnn_encoding_name(enum cnn_encoding encoding);

// Pictures past this many pixels are refused before memory is taken for them.
#define CNN_MAX_PIXELS (128u << 20)

struct cnn_image_info {
    enum cnn_encoding encoding;
    int h, w, c; // as decoded after EXIF orientation; c is 1 (gray) or 3
};

// Buffers that grow to the largest picture and are reused: one per thread. Zero-initialise; finish frees.
struct cnn_image_buffer {
    void *data; // 64-byte aligned
    size_t bytes;
};
struct cnn_image_scratch {
    struct cnn_image_buffer pixels, upright; // a record's decoded region; the same turned upright, or as gray
    struct cnn_image_buffer resampled, lanes;  // between the two passes of a resize; its rows side by side
    struct cnn_image_buffer filters;           // the weights of a resize
    struct cnn_image_buffer padded, canvas[2]; // a region with its border; pictures between two resizes
    struct cnn_image_buffer parts[2], spare;   // pictures inside a list; the one that an operation reads
    struct cnn_image_buffer sums;              // one row of a blur
    double decode_s;                           // spent on JPEG and PNG so far, for those who measure
};
void cnn_image_scratch_finish(struct cnn_image_scratch *scratch);

// True for a JPEG or PNG by its first bytes; the first 8 will do.
bool cnn_image_has_signature(const void *data, size_t bytes);

// Reads the header only: kind, size. CNN_ERR_INPUT with the reason for anything that is not a JPEG or PNG we
// decode.
enum cnn_status cnn_image_probe(struct cnn_image_info *out, const void *data, size_t bytes) CNN_MUST_CHECK;

// Decodes a whole JPEG or PNG, to its last byte, into `channels` (1 or 3) bytes a pixel; *out is malloc'ed
// and freed by the caller.
enum cnn_status cnn_image_decode(uint8_t **out, struct cnn_image_info *out_info, const void *data,
                                 size_t bytes, int channels) CNN_MUST_CHECK;

// Encodes h x w x c pixels. *out is malloc'ed.
enum cnn_status cnn_image_encode_jpeg(uint8_t **out, size_t *out_bytes, const uint8_t *pixels, int h, int w,
                                      int c, int quality) CNN_MUST_CHECK;
enum cnn_status cnn_image_encode_png(uint8_t **out, size_t *out_bytes, const uint8_t *pixels, int h, int w,
                                     int c) CNN_MUST_CHECK;

// A checked augmentation list, ready to run: the random numbers of a record are those of `draws`, of which
// every entry of the list has a part of its own, by its position.
struct cnn_policy;
// Fails (CNN_ERR_INPUT) where the list cannot give pictures of one size: `fixed` says all records have size
// stored_h x stored_w.
enum cnn_status cnn_policy_create(struct cnn_policy **out, const struct cnn_augment_list *list, bool fixed,
                                  int stored_h, int stored_w) CNN_MUST_CHECK;
void cnn_policy_destroy(struct cnn_policy *policy);
void cnn_policy_output(const struct cnn_policy *policy, int *out_h, int *out_w);

// One record into its batch slot: decode, augment, write out_h x out_w x channels bytes at `slot`.
// stored->encoding RAW: `data` holds stored->h * stored->w * stored->c pixels. Otherwise `data` holds a JPEG
// or PNG file, told apart by its first bytes, and the sizes in `stored` are ignored (it may be NULL).
// Gray records are replicated to 3 channels, colour ones converted to luma (ITU-R 601) for 1. A part of a
// JPEG that is resized to half its size or less is shrunk by 2, 4 or 8 while decoding. Thread-safe with
// separate scratch.
enum cnn_status cnn_policy_apply(const struct cnn_policy *policy, uint8_t *slot, int channels,
                                 const void *data, size_t bytes, const struct cnn_image_info *stored,
                                 struct cnn_draws draws, struct cnn_image_scratch *scratch) CNN_MUST_CHECK;

#endif
