// Paths of a source's files as text: nothing here looks at the disk.
#ifndef CNN_DATA_IMPORT_PATHS_H
#define CNN_DATA_IMPORT_PATHS_H
#include <cnn_dist/status.h>
#include <stdbool.h>

const char *cnn_path_last(const char *path); // what follows the last slash
// The name ends as those of pictures do (.jpg, .PNG, .webp, ...), of kinds that can be read or not.
bool cnn_path_is_picture(const char *path);
// What systems and programs leave beside pictures: a component that begins with a dot, __MACOSX, Thumbs.db,
// desktop.ini, @eaDir, lost+found and the like.
bool cnn_path_is_hidden(const char *path);
// The same path without the components "" and ".", and without NAME/.. .
enum cnn_status cnn_path_normalize(char out[8192], const char *path) CNN_MUST_CHECK;

#endif
