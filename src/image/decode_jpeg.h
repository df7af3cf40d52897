// One JPEG file being decoded with libjpeg-turbo: its header, then a rectangle of its pixels as stored (not
// turned upright). Every error and every warning that means damaged data is CNN_ERR_INPUT with libjpeg's
// reason; nothing is printed.
#ifndef CNN_IMAGE_DECODE_JPEG_H
#define CNN_IMAGE_DECODE_JPEG_H
#include "image/pixels.h"
#include <setjmp.h>
#include <stdio.h> // jpeglib.h needs it before

#include <jpeglib.h>

// Deep enough for any sane progressive file; each scan of a hostile one costs a pass over the whole picture.
#define CNN_JPEG_MAX_SCANS 100

struct cnn_jpeg {
    struct jpeg_decompress_struct decoder;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    int orientation; // EXIF, 1..8
    int w, h, c;     // as stored; c is 1 or 3
};

// Reads the header and checks that the file is one we decode and not larger than CNN_MAX_PIXELS. `data` is
// borrowed until close. *jpeg must be closed whether this succeeds or not.
enum cnn_status cnn_jpeg_open(struct cnn_jpeg *jpeg, const void *data, size_t bytes) CNN_MUST_CHECK;
// Decodes `rect` of the picture scaled down by 2^shift in the DCT domain (shift 0..3; its size is then ceil(w
// / 2^shift) x ceil(h / 2^shift)). *out lies in `buffer`. With shift 0 the pixels equal those of a whole
// decode. Once per open.
enum cnn_status cnn_jpeg_read(struct cnn_jpeg *jpeg, struct cnn_rect rect, int shift,
                              struct cnn_image_buffer *buffer, struct cnn_view *out) CNN_MUST_CHECK;
// After a read down to the last row: checks that the file ends as it should.
enum cnn_status cnn_jpeg_finish(struct cnn_jpeg *jpeg) CNN_MUST_CHECK;
void cnn_jpeg_close(struct cnn_jpeg *jpeg);

#endif
