// The members of a tar, compressed tar or zip, one after the other, in constant memory (of a zip, its
// directory); those of tars inside it as well. Names and targets of links are text and never used as paths.
// They are what the archive has, whatever the locale: the bytes of a tar, UTF-8 of a zip (zip_names.h).
#ifndef CNN_DATA_IMPORT_ARCHIVE_H
#define CNN_DATA_IMPORT_ARCHIVE_H
#include "data/import/source.h"

#define CNN_ARCHIVE_NOWHERE UINT64_MAX

enum cnn_archive_kind {
    CNN_ARCHIVE_FILE,
    CNN_ARCHIVE_FOLDER,
    CNN_ARCHIVE_HARD_LINK, // the target is the path of a member
    CNN_ARCHIVE_SYMBOLIC_LINK,
    CNN_ARCHIVE_SPECIAL, // a device, FIFO or socket
};

struct cnn_archive_member {
    const char *path; // of a tar inside: its name without .tar, then the member's; valid until the next call
    const char *target; // of links; valid until the next call
    enum cnn_archive_kind kind;
    uint64_t bytes;  // of files
    uint64_t at;     // where a file's bytes lie in the archive as they are, or CNN_ARCHIVE_NOWHERE
    uint64_t number; // counted through
};

struct cnn_archive;
enum cnn_status cnn_archive_open(struct cnn_archive **out, const char *path) CNN_MUST_CHECK;
void cnn_archive_close(struct cnn_archive *archive);
// The next member. CNN_ERR_INPUT: the archive is damaged or none that we read.
enum cnn_status cnn_archive_next(struct cnn_archive *archive, struct cnn_archive_member *out,
                                 bool *out_end) CNN_MUST_CHECK;
// Adds the bytes of the file that next gave.
enum cnn_status cnn_archive_read(struct cnn_archive *archive, struct cnn_bytes *to) CNN_MUST_CHECK;

#endif
