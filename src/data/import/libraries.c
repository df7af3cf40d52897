#include "data/libraries.h"

#include "data/shard_hdf5.h"

#include <archive.h>
#include <zlib.h>

static struct cnn_version archive_version(int number) {
    return cnn_version_of(number / 1000000, number / 1000 % 1000, number % 1000);
}

void cnn_data_libraries(struct cnn_libraries *list) {
    cnn_hdf5_library(list);
    cnn_libraries_add(list, "libarchive", archive_version(ARCHIVE_VERSION_NUMBER).text,
                      archive_version(archive_version_number()).text);
    cnn_libraries_add(list, "zlib", ZLIB_VERSION, zlibVersion());
}
