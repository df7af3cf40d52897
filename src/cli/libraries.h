// All outside libraries of the program (base/library.h).
#ifndef CNN_CLI_LIBRARIES_H
#define CNN_CLI_LIBRARIES_H
#include "base/library.h"

// Not collective.
void cnn_libraries_gather(struct cnn_libraries *out);

#endif
