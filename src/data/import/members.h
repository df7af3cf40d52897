// The members of an archive by path, and the files that are there once all of them are unpacked one after the
// other: a member replaces an earlier one of the same path, and links lead to other members. Private to
// import/.
#ifndef CNN_DATA_IMPORT_MEMBERS_H
#define CNN_DATA_IMPORT_MEMBERS_H
#include "data/import/archive.h"
#include "data/import/records.h"

#define CNN_MEMBERS_MAX UINT32_MAX
#define CNN_MEMBER_NONE SIZE_MAX

struct cnn_member {
    size_t path, key; // in `texts`: the name as the archive has it, and without "/", "." and ".."
    size_t target;    // of a hard link, a key; of a symbolic link, the text
    uint64_t bytes, at;
    uint32_t same; // 1 + the member before it of the same key; 0: there is none
    uint8_t kind;
    bool replaced;
};

// Zero-initialise; finish frees. 48 bytes and the name each.
struct cnn_members {
    struct cnn_member *items; // by their numbers
    size_t n, room;
    bool scattered; // the bytes of some file do not lie in the archive as they are
    struct cnn_bytes texts;
    uint32_t *slots; // a hash table of 1 + the last member of each key
    size_t n_slots;
    uint32_t *sorted; // live members by key; NULL: not sorted yet
    size_t n_sorted;
};
enum cnn_status cnn_members_add(struct cnn_members *members,
                                const struct cnn_archive_member *member) CNN_MUST_CHECK;
void cnn_members_finish(struct cnn_members *members);

static inline const char *cnn_members_text(const struct cnn_members *members, size_t at) {
    return (const char *)members->texts.data + at;
}
// The last member of this key, or CNN_MEMBER_NONE.
size_t cnn_members_find(const struct cnn_members *members, const char *key);
// The first of the live members below the folder, in the order of `sorted`, and how many there are. "": all.
enum cnn_status cnn_members_below(size_t *out_first, size_t *out_n, struct cnn_members *members,
                                  const char *folder) CNN_MUST_CHECK;

// A record's `at` that stands for a link, to be quarantined.
#define CNN_MEMBER_LOST (UINT64_MAX - 2)   // it leads to nothing in the archive
#define CNN_MEMBER_CIRCLE (UINT64_MAX - 3) // it leads to a folder that it lies in

struct cnn_members_options {
    const char *under; // only what is below this folder; NULL: all
    bool folders;      // folders become records as well
    bool warns;        // links that may have been classes are warned of
    const char *what;  // the archive, for messages
};
// Adds the files as records, with the bytes of each where `at` says: in the archive, or, where some are
// scattered, of the member of this number. They are in the order of their bytes in the archive, so that a
// link follows what it leads to. Links to folders are followed. What is hidden, special or replaced is
// counted as ignored.
enum cnn_status cnn_members_make_records(struct cnn_records *out, struct cnn_members *members,
                                         const struct cnn_members_options *options) CNN_MUST_CHECK;

#endif
