// Files that a source holds and an import does not take, counted by reason. Every source counts them in
// `records.ignored` while it is listed; the counts travel through cnn_import_source to cnn_import_result, and
// the command prints them. Pictures that are taken but cannot be used are something else: they are
// quarantined, each with its own reason. Classes that end up without pictures are warned of in finish.c.
#ifndef CNN_DATA_IMPORT_IGNORED_H
#define CNN_DATA_IMPORT_IGNORED_H
#include "data/import.h"

// " (ignored 3 files: ...)" for the end of an error message; "" where nothing was ignored.
#define CNN_IGNORED_NOTE_BYTES 320
const char *cnn_ignored_note(char out[CNN_IGNORED_NOTE_BYTES], const struct cnn_ignored *ignored);

#endif
