// Archives made with libarchive, for the tests of importing.
#ifndef TEST_ARCHIVE_FIXTURE_H
#define TEST_ARCHIVE_FIXTURE_H
#include "import_fixture.h"

#include <archive.h>
#include <archive_entry.h>

struct made {
    struct archive *archive;
};

static inline void begin(struct made *made, const char *path, bool zip, int filter) {
    made->archive = archive_write_new();
    assert_int_equal(zip ? archive_write_set_format_zip(made->archive)
                         : archive_write_set_format_pax_restricted(made->archive),
                     ARCHIVE_OK);
    if (filter)
        assert_int_equal(archive_write_add_filter(made->archive, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(made->archive, path), ARCHIVE_OK);
}

static inline void add(struct made *made, const char *name, const void *data, size_t bytes) {
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, (int64_t)bytes);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    assert_true(archive_write_header(made->archive, entry) >= ARCHIVE_WARN);
    assert_int_equal(archive_write_data(made->archive, data, bytes), bytes);
    archive_entry_free(entry);
}

static inline void add_jpeg(struct made *made, const char *name, int side, int value) {
    size_t bytes;
    uint8_t *jpeg = make_jpeg(&bytes, side, value);
    add(made, name, jpeg, bytes);
    free(jpeg);
}

static inline void add_symbolic(struct made *made, const char *name, const char *to) {
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFLNK);
    archive_entry_set_symlink(entry, to);
    assert_true(archive_write_header(made->archive, entry) >= ARCHIVE_WARN);
    archive_entry_free(entry);
}

static inline void add_hard(struct made *made, const char *name, const char *to) {
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_hardlink(entry, to);
    assert_int_equal(archive_write_header(made->archive, entry), ARCHIVE_OK);
    archive_entry_free(entry);
}

static inline void add_node(struct made *made, const char *name, unsigned type) {
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0755);
    assert_int_equal(archive_write_header(made->archive, entry), ARCHIVE_OK);
    archive_entry_free(entry);
}

static inline void end(struct made *made) {
    assert_int_equal(archive_write_close(made->archive), ARCHIVE_OK);
    archive_write_free(made->archive);
}

static inline void add_file(struct made *made, const char *name, const char *path) {
    size_t bytes;
    char *data = read_file(path, &bytes);
    add(made, name, data, bytes);
    free(data);
}

static inline enum cnn_status import(const char *folder, const char *file, const char *out,
                                     const struct cnn_archive_options *archive,
                                     struct cnn_import_result *result) {
    struct cnn_import_options options = {
        .out = in(folder, out), .name = "d", .shard_records = 7, .threads = 2};
    return cnn_import_archive(result, in(folder, file), archive ? archive : &(struct cnn_archive_options){0},
                              &options);
}

#endif
