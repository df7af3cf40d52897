#include "image/libraries.h"

#include <stdio.h> // jpeglib.h needs FILE

#include <jpeglib.h>
#include <png.h>

static struct cnn_version jpeg_version(int number) {
    return cnn_version_of(number / 1000000, number / 1000 % 1000, number % 1000);
}

void cnn_image_libraries(struct cnn_libraries *list) {
    cnn_libraries_add(list, "libjpeg-turbo", jpeg_version(LIBJPEG_TURBO_VERSION_NUMBER).text, NULL);
    cnn_libraries_add(list, "libpng", PNG_LIBPNG_VER_STRING, png_get_libpng_ver(NULL));
}
