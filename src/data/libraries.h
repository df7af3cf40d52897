// The outside libraries of this folder (base/library.h): HDF5, libarchive, zlib.
#ifndef CNN_DATA_LIBRARIES_H
#define CNN_DATA_LIBRARIES_H
#include "base/library.h"

void cnn_data_libraries(struct cnn_libraries *list);

#endif
