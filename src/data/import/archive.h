// The regular files inside a tar, compressed tar or zip, one after the other, in constant memory; those of
// tars inside it as well. Member names are text and never used as paths.
#ifndef CNN_DATA_IMPORT_ARCHIVE_H
#define CNN_DATA_IMPORT_ARCHIVE_H
#include "data/import/source.h"

#define CNN_ARCHIVE_NOWHERE UINT64_MAX

struct cnn_archive_member {
    const char *path; // of a tar inside: its name without .tar, then the member's; valid until the next call
    uint64_t bytes;
    uint64_t at;     // where its bytes lie in the file as they are, or CNN_ARCHIVE_NOWHERE
    uint64_t number; // counted through
};

struct cnn_archive;
enum cnn_status cnn_archive_open(struct cnn_archive **out, const char *path) CNN_MUST_CHECK;
void cnn_archive_close(struct cnn_archive *archive);
// The next regular file that is not hidden. CNN_ERR_INPUT: the archive is damaged or none that we read.
enum cnn_status cnn_archive_next(struct cnn_archive *archive, struct cnn_archive_member *out,
                                 bool *out_end) CNN_MUST_CHECK;
// Adds the bytes of the member that next gave.
enum cnn_status cnn_archive_read(struct cnn_archive *archive, struct cnn_bytes *to) CNN_MUST_CHECK;

#endif
