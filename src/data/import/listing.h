// A table of pictures and their classes, as `import list` reads it and --labels gives it for an archive.
#ifndef CNN_DATA_IMPORT_LISTING_H
#define CNN_DATA_IMPORT_LISTING_H
#include "data/import/names.h"
#include "data/import/table.h"

struct cnn_listing_row {
    uint64_t line;
    const char *name; // of the picture; NULL where the table has classes alone
    const char *class_name;
};
struct cnn_listing {
    struct cnn_table table; // the rows' memory
    struct cnn_listing_row *rows;
    uint64_t n;
    uint64_t repeated; // rows that gave a picture the class it had already
    size_t room;
    bool named;
};

// Reads all rows: a name and a class each or, where the first row has one field and `alone` allows it, a
// class each. An empty table is CNN_ERR_INPUT. Close frees, also after an error.
enum cnn_status cnn_listing_read(struct cnn_listing *out, const char *path, bool alone) CNN_MUST_CHECK;
void cnn_listing_close(struct cnn_listing *listing);

// The first row is a heading where the caller knows that it names no picture and that others do, where its
// name does not end as pictures' do, and where no other row has its class.
bool cnn_listing_begins_with_heading(const struct cnn_listing *listing);
// Removes the first row and says so in the log.
void cnn_listing_drop_heading(struct cnn_listing *listing);

// Puts into `out` what tells pictures apart: the same for two spellings of one name.
typedef enum cnn_status (*cnn_listing_key)(char out[8192], const void *context, const char *name);
// Keeps one row of each picture, in order, and fills `keys` with their keys, so that row k has number k. Rows
// that repeat the class are counted; another class for the same picture is CNN_ERR_INPUT with both lines.
enum cnn_status cnn_listing_merge(struct cnn_listing *listing, struct cnn_names *keys, cnn_listing_key key,
                                  const void *context) CNN_MUST_CHECK;
// The first row of a file of class names is a heading where it says "class", "label", "name" and the like.
// Says so in the log.
bool cnn_listing_is_class_heading(const struct cnn_table *table, const struct cnn_row *row);
// The error of two rows that give the same picture different classes.
enum cnn_status cnn_listing_fail_contradiction(const struct cnn_listing *listing,
                                               const struct cnn_listing_row *first,
                                               const struct cnn_listing_row *second) CNN_MUST_CHECK;

#endif
