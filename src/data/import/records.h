// The files a source has, and the classes and datasets their paths put them into. 32 bytes and the path each.
#ifndef CNN_DATA_IMPORT_RECORDS_H
#define CNN_DATA_IMPORT_RECORDS_H
#include "data/import/ignored.h"
#include "data/import/names.h"
#include "data/import/source.h"

struct cnn_import_file {
    uint64_t path; // where its path stands in `paths`
    uint64_t bytes;
    uint64_t at; // for the source's own use, or one of the two below
    int32_t label;
    uint8_t part;
};
#define CNN_RECORD_IS_FOLDER UINT64_MAX           // a folder without files: perhaps a class without pictures
#define CNN_RECORD_IS_UNREADABLE (UINT64_MAX - 1) // a folder that cannot be read: to be quarantined
static inline bool cnn_record_is_folder(const struct cnn_import_file *file) {
    return file->at == CNN_RECORD_IS_FOLDER || file->at == CNN_RECORD_IS_UNREADABLE;
}

// Zero-initialise; finish frees.
struct cnn_records {
    struct cnn_import_file *files;
    uint64_t n, room;
    struct cnn_bytes paths;
    struct cnn_names classes, parts; // parts: none, or the datasets the source is cut into
    char **shown;                    // the classes' names as they are kept, in the order of labels
    uint64_t bytes;
    struct cnn_ignored ignored;
};
void cnn_records_finish(struct cnn_records *records);
// label -1: not known yet
enum cnn_status cnn_records_add(struct cnn_records *records, const char *path, uint64_t bytes, uint64_t at,
                                int label) CNN_MUST_CHECK;

// *out: the label of the class of this name, a new one where the name is new. Names are kept in UTF-8, and
// one whose bytes are not UTF-8 is warned of.
enum cnn_status cnn_records_add_class(int *out, struct cnn_records *records, const char *name,
                                      size_t length) CNN_MUST_CHECK;

static inline const char *cnn_records_path(const struct cnn_records *records, uint64_t i) {
    return (const char *)records->paths.data + records->files[i].path;
}

// What the files of a source came from, for messages.
struct cnn_records_origin {
    const char *path, *out; // the source, and the folder that the import makes
    bool is_archive;
    const char *under; // the folder of the archive that is imported; NULL: all of it
    bool warns;        // this process logs warnings: one of those that share an import
};
// Gives every file a class and a part by its path: CLASS/.../FILE, or SPLIT/CLASS/.../FILE where all first
// folders have the names of splits (train, val, test ...). Folders around everything are looked through, with
// a note in the log. Files in no class folder are taken out and counted. Components "", "." and ".." do not
// count. CNN_ERR_INPUT where it is unclear which folders are classes: splits beside other folders, splits
// without class folders, class folders that hold splits, one folder with pictures and folders.
enum cnn_status cnn_records_by_folder(struct cnn_records *records,
                                      const struct cnn_records_origin *origin) CNN_MUST_CHECK;
// Puts the classes into their order: by name, or as `order` (a file, may be NULL) has them. `what` names the
// source. numbers: classes that are all whole numbers are sorted as such.
enum cnn_status cnn_records_order_classes(struct cnn_records *records, const char *order, bool numbers,
                                          const char *what) CNN_MUST_CHECK;
void cnn_records_sort(struct cnn_records *records); // by part, label and path
// CRC-32C over paths, sizes and, with `labels`, labels.
uint32_t cnn_records_crc32c(const struct cnn_records *records, bool labels);
// Fills what the records know of a source, whose context must begin with a pointer to them.
void cnn_records_fill(struct cnn_import_source *out, const struct cnn_records *records);

#endif
