// The picture files that a command line names: files, folders with everything below them, and lists of both.
#ifndef CNN_CLI_PICTURE_LIST_H
#define CNN_CLI_PICTURE_LIST_H
#include <cnn_dist/status.h>
#include <stddef.h>

// Zero-initialise; finish frees.
struct cnn_picture_list {
    char **paths;
    size_t n, room;
};
void cnn_picture_list_finish(struct cnn_picture_list *list);

// A file is added as it is, even where it does not exist: reading it says why it cannot be used. Of a folder,
// all pictures below it are added in sorted order: files that are JPEG or PNG by their first bytes, or a
// picture by their name. What an import ignores as hidden is skipped, and so are links to folders that
// contain them, with a warning. A folder in it that cannot be read is added like a picture that cannot be.
// CNN_ERR_INPUT for a folder without pictures.
enum cnn_status cnn_picture_list_add(struct cnn_picture_list *list, const char *path) CNN_MUST_CHECK;
// The same for every line of a text file; "-" is standard input. Empty lines do not count.
enum cnn_status cnn_picture_list_add_lines(struct cnn_picture_list *list, const char *file) CNN_MUST_CHECK;

#endif
