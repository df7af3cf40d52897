// The orientation of a PNG. It may stand in an eXIf chunk, in the text that ImageMagick writes for EXIF, or
// in XMP, each before or after the pixels; as in Pillow, EXIF counts before XMP and a later chunk before an
// earlier one.
#ifndef CNN_IMAGE_PNG_ORIENTATION_H
#define CNN_IMAGE_PNG_ORIENTATION_H
#include <cnn_dist/status.h>
#include <stddef.h>

// *out: 1 to 8 as in EXIF; 1 where nothing says otherwise. Walks the chunks of a whole file; those that are
// cut off end the walk, but an eXIf chunk that is cut off is CNN_ERR_INPUT, as the orientation is unknown
// then.
enum cnn_status cnn_png_orientation(int *out, const void *data, size_t bytes) CNN_MUST_CHECK;

#endif
