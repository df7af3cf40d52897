// Classes of pictures from a list beside them. Private to import/.
#ifndef CNN_DATA_IMPORT_LABELS_H
#define CNN_DATA_IMPORT_LABELS_H
#include "data/import/records.h"

// Gives every file the class that `list` says. Its lines are a name and a class, the name being the file's
// path or what is left of it without its first folders, with or without a picture's ending; or a class alone,
// for the pictures (by the ending of their name) in the order of their names. numbers: a file whose line k is
// the class that the list calls k (from 1, or from 0 where a 0 occurs); NULL: the list's classes are the
// classes. Other files are taken out and counted. CNN_ERR_INPUT: a picture without a class or with two, and a
// name that stands for two pictures.
enum cnn_status cnn_records_by_list(struct cnn_records *records, const char *list, const char *numbers,
                                    const char *what) CNN_MUST_CHECK;

#endif
