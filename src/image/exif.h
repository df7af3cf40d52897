// The orientation of a picture as its metadata have it: 1 to 8 as in EXIF, 1 meaning upright. Blocks are read
// as Pillow's ImageOps.exif_transpose reads them, so that a picture is turned here exactly where it is turned
// there.
#ifndef CNN_IMAGE_EXIF_H
#define CNN_IMAGE_EXIF_H
#include <stddef.h>
#include <stdint.h>

// Of an EXIF block: a TIFF header and its first directory, with or without "Exif\0\0" in front. 0: the block
// has no orientation. 1 also for values that are not an orientation and for blocks that are not EXIF.
int cnn_exif_orientation(const uint8_t *block, size_t bytes);
// Of an XMP packet: tiff:Orientation as attribute or element. 0: there is none.
int cnn_xmp_orientation(const char *text, size_t bytes);

#endif
