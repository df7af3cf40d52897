// The names of a zip's members in UTF-8, whatever the locale, as its central directory has them. libarchive
// can only give them in the character set of the locale, which for programs like this is ASCII.
#ifndef CNN_DATA_IMPORT_ZIP_NAMES_H
#define CNN_DATA_IMPORT_ZIP_NAMES_H
#include "data/import/source.h"

struct cnn_zip_name {
    uint64_t offset; // of the member's own header in the file
    uint64_t bytes;  // of the member
    size_t text;     // where its name begins in `texts`
};

// Zero-initialise; finish frees.
struct cnn_zip_names {
    struct cnn_zip_name *items; // by offset, as libarchive gives the members
    size_t n, room;
    struct cnn_bytes texts;
};
// Reads the directory of the file of `bytes` bytes; n stays 0 where there is none. A name is UTF-8 where its
// flag or Info-ZIP's Unicode field says so, or where its bytes are; otherwise it is CP437. Backslashes are
// slashes in a name that has no slash, as Windows programs write them.
enum cnn_status cnn_zip_names_read(struct cnn_zip_names *out, int fd, const char *path,
                                   uint64_t bytes) CNN_MUST_CHECK;
void cnn_zip_names_finish(struct cnn_zip_names *names);

static inline const char *cnn_zip_names_text(const struct cnn_zip_names *names, size_t i) {
    return (const char *)names->texts.data + names->items[i].text;
}

#endif
