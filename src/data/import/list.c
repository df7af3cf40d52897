// `dataset import list`: a CSV or TSV of path and class.
#include "base/file.h"
#include "base/memory.h"
#include "data/import/records.h"
#include "data/import/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

struct list {
    const struct cnn_records *records; // first: see cnn_records_fill
    char root[4096];
};

static enum cnn_status full_path(char out[8192], const struct list *list, const char *path) {
    if (path[0] == '/')
        return cnn_path_format(out, 8192, "%s", path);
    return cnn_path_format(out, 8192, "%s/%s", list->root, path);
}

static bool is_heading(const struct cnn_row *row) {
    static const char *const words[] = {"path",  "file",       "filename", "file_name",
                                        "image", "image_path", "imageid",  "name"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(row->fields[0], words[i]) == 0)
            return true;
    return false;
}

static enum cnn_status add_row(struct cnn_records *records, const struct list *list,
                               const struct cnn_row *row, const char *file) {
    char path[8192];
    struct stat info;
    int label;
    if (row->n != 2 || !*row->fields[0] || !*row->fields[1])
        return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": found %d field%s, expected a path and a class", file,
                        row->line, row->n,
                        row->n == 1   ? ""
                        : row->n == 2 ? "s, one of them empty"
                                      : "s");
    CNN_TRY(full_path(path, list, row->fields[0]));
    if (stat(path, &info) != 0)
        return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": no file %s: %s", file, row->line, path,
                        strerror(errno));
    if (!S_ISREG(info.st_mode))
        return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": %s is not a file", file, row->line, path);
    CNN_TRY(cnn_records_add_class(&label, records, row->fields[1], strlen(row->fields[1])));
    return cnn_records_add(records, row->fields[0], (uint64_t)info.st_size, 0, label);
}

static enum cnn_status read_rows(struct cnn_records *records, const struct list *list, const char *file) {
    struct cnn_table table;
    struct cnn_row row;
    bool end = false, first = true;
    enum cnn_status status = cnn_table_open(&table, file, 0);
    while (status == CNN_OK && (status = cnn_table_next(&table, &row, &end)) == CNN_OK && !end) {
        if (!first || !is_heading(&row))
            status = add_row(records, list, &row, file);
        first = false;
    }
    cnn_table_close(&table);
    if (status == CNN_OK && records->n == 0)
        return cnn_fail(CNN_ERR_INPUT, "%s lists no pictures", file);
    return status;
}

static enum cnn_status read_file(void *context, uint64_t i, struct cnn_bytes *to) {
    const struct list *list = context;
    char path[8192];
    CNN_TRY(full_path(path, list, cnn_records_path(list->records, i)));
    return cnn_bytes_add_file(to, path, list->records->files[i].bytes);
}

static enum cnn_status find_root(char out[4096], const char *file, const char *root) {
    const char *slash = strrchr(file, '/');
    if (root && !cnn_folder_exists(root))
        return cnn_fail(CNN_ERR_INPUT, "%s is not a folder", root);
    if (root)
        return cnn_path_format(out, 4096, "%s", root);
    return slash ? cnn_path_format(out, 4096, "%.*s", slash == file ? 1 : (int)(slash - file), file)
                 : cnn_path_format(out, 4096, ".");
}

static enum cnn_status import_list(struct cnn_import_result *out, struct cnn_records *records,
                                   const char *file, const char *root,
                                   const struct cnn_import_options *options) {
    struct list list = {.records = records};
    struct cnn_import_source source = {.read = read_file, .context = &list};
    char identity[128];
    CNN_TRY(find_root(list.root, file, root));
    CNN_TRY(read_rows(records, &list, file));
    CNN_TRY(cnn_records_order_classes(records, options->classes, true, file));
    snprintf(identity, sizeof identity, "list files=%" PRIu64 " bytes=%" PRIu64 " crc32c=%08" PRIx32,
             records->n, records->bytes, cnn_records_crc32c(records, true));
    source.identity = identity;
    cnn_records_fill(&source, records);
    return cnn_import_run(out, &source, options);
}

enum cnn_status cnn_import_list(struct cnn_import_result *out, const char *file, const char *root,
                                const struct cnn_import_options *options) {
    struct cnn_records records = {0};
    enum cnn_status status = import_list(out, &records, file, root, options);
    cnn_records_finish(&records);
    return status;
}
