// The outside libraries of this folder (base/library.h): libjpeg-turbo, libpng.
#ifndef CNN_IMAGE_LIBRARIES_H
#define CNN_IMAGE_LIBRARIES_H
#include "base/library.h"

void cnn_image_libraries(struct cnn_libraries *list);

#endif
